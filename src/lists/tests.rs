//! What only time or a closer look shows: how long a download may take, when lists are asked for
//! again, and what is told of them.

mod damage;

use std::{
    fmt::Write as _,
    os::unix::fs::DirEntryExt as _,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::interval,
};

use super::*;
use crate::{cache::Cache, config::Environment};

/// Patience that is over soon, where silence or a long download is what a test is about.
const SHORT: Duration = Duration::from_millis(300);

/// Patience that outlasts every test.
const LONG: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

/// How a host goes on after `200 OK`.
#[derive(Clone, Copy)]
enum Conduct {
    /// It sends a piece and then nothing.
    FallSilent,
    /// It sends a little, again and again.
    Drip,
    /// It promises more than it sends.
    BreakOff,
}

/// A host that answers every request in one way, on a connection of its own.
async fn host(answer: impl AsyncFn(TcpStream) + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/list.txt", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            answer(stream).await;
        }
    });
    url
}

async fn misbehave(mut stream: TcpStream, conduct: Conduct) {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n||ads.example^\n";
    stream.write_all(head).await.unwrap();
    match conduct {
        Conduct::BreakOff => {}
        Conduct::FallSilent => std::future::pending().await,
        Conduct::Drip => {
            let mut beat = interval(Duration::from_millis(5));
            while stream.write_all(b"#").await.is_ok() {
                beat.tick().await;
            }
        }
    }
}

/// Answers with these status lines, headers and bodies, the last one again and again.
async fn host_with(answers: &'static [(&'static str, &'static str)]) -> String {
    let next = AtomicUsize::new(0);
    host(async move |mut stream| {
        let number = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let (head, body) = answers[number];
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
}

fn config(url: &str, extra: &str) -> Arc<Config> {
    let text =
        format!("[[lists]]\nname = 'remote'\nurl = '{url}'\nallow_private = true\n{extra}\n");
    Arc::new(Config::parse(&text, &Environment::default()).unwrap())
}

fn store(config: &Config) -> Arc<ListStore> {
    impatient_store(config, LONG, LONG)
}

fn impatient_store(config: &Config, idle: Duration, total: Duration) -> Arc<ListStore> {
    // Hosts are told by address here, so nobody has to answer for names.
    let (upstream, _) = Upstream::new(config, Cache::new(0)).unwrap();
    let patience = Patience { connect: LONG, idle, total };
    Arc::new(ListStore::with(config, Fetcher::new(upstream, patience), 1))
}

/// Downloads everything, and compiles what is new as the server does.
async fn download(store: &Arc<ListStore>, config: &Arc<Config>) -> ListStatus {
    let mut downloads = store.download(config, Which::All);
    while downloads.next_change().await {
        store.load(config, Reading::AtRest).await.unwrap();
    }
    store.status().pop().unwrap()
}

fn wait(store: &ListStore, config: &Config) -> Duration {
    store.next_download(config).unwrap().saturating_duration_since(Instant::now())
}

fn is_about(wait: Duration, expected: Duration) -> bool {
    (expected * 85 / 100..=expected * 111 / 100).contains(&wait)
}

async fn locally(test: impl Future) {
    tokio::task::LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn who_falls_silent_drips_or_breaks_off_is_no_list() {
    locally(async {
        for (conduct, idle, total) in [
            (Conduct::FallSilent, SHORT, LONG),
            (Conduct::Drip, LONG, SHORT),
            (Conduct::BreakOff, LONG, LONG),
        ] {
            let url = host(async move |stream| misbehave(stream, conduct).await).await;
            let directory = tempfile::tempdir().unwrap();
            let mut config = Config::clone(&config(&url, ""));
            config.data_dir = Some(directory.path().to_owned());
            let config = Arc::new(config);
            let store = impatient_store(&config, idle, total);
            let started = Instant::now();

            let status = download(&store, &config).await;

            assert_eq!((status.state, status.rules), (ListState::Failed, 0));
            assert!(started.elapsed() < LONG / 2);
            assert!(is_about(wait(&store, &config), Duration::from_secs(30)));
        }
    })
    .await;
}

#[tokio::test]
async fn redirects_end_somewhere_and_errors_tell_no_secrets_of_urls() {
    locally(async {
        let url = host_with(&[("302 Found\r\nlocation: /list.txt?more", "")]).await;
        let config = config(&format!("{url}?token=secret"), "");
        let store = store(&config);

        let error = download(&store, &config).await.error.unwrap();

        assert!(error.ends_with("it is redirected more than 5 times"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_busy_host_is_left_alone_as_long_as_it_asks() {
    locally(async {
        let busy = "429 Too Many Requests\r\nretry-after: 7200";
        let url = Box::leak(Box::new([(busy, ""), ("200 OK", "||ads.example^")]));
        let config = config(&host_with(url).await, "");
        let store = store(&config);

        let status = download(&store, &config).await;

        assert_eq!(status.state, ListState::Failed);
        assert!(status.error.unwrap().contains("429"));
        assert!(is_about(wait(&store, &config), Duration::from_secs(7200)));
        assert_eq!(download(&store, &config).await.state, ListState::Ok, "a person may ask sooner");
        assert!(is_about(wait(&store, &config), DAY));
    })
    .await;
}

#[tokio::test]
async fn a_refused_text_is_not_asked_for_again_before_the_next_refresh() {
    locally(async {
        let mut long = String::new();
        (0..1000).for_each(|n| writeln!(long, "||n{n}.example^").unwrap());
        let answers = Box::leak(Box::new([
            ("200 OK", &*long.leak()),
            ("200 OK", "||ads.example^"),
            ("500 Internal Server Error", ""),
        ]));
        let config = config(&host_with(answers).await, "");
        let store = store(&config);
        download(&store, &config).await;

        let refused = download(&store, &config).await;
        assert_eq!((refused.state, refused.rules), (ListState::Stale, 1000));
        let error = refused.error.unwrap();
        assert!(error.starts_with("it shrank from 1000 rules to 1; if that is right, "), "{error}");
        assert!(is_about(wait(&store, &config), DAY));
        assert_eq!(store.refused(), [("remote".to_owned(), "shrunk", 1)]);

        download(&store, &config).await;
        assert!(is_about(wait(&store, &config), Duration::from_secs(30)), "a failure is another");
    })
    .await;
}

#[tokio::test]
async fn where_nothing_is_in_force_a_refused_text_is_asked_for_again_soon() {
    locally(async {
        let config = config(&host_with(&[("200 OK", "<html>maintenance")]).await, "");
        let store = store(&config);

        let status = download(&store, &config).await;

        assert_eq!(status.state, ListState::Failed);
        assert!(is_about(wait(&store, &config), Duration::from_secs(30)));
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_a_list_is_told() {
    locally(async {
        let text = "ads.example\nads.example\n! a comment\nwhat\u{1b}[2J is this\nx.example##.ad\n";
        let answers = Box::leak(Box::new([("200 OK", text), ("503 Service Unavailable", "")]));
        let config = config(&host_with(answers).await, "");
        let store = store(&config);

        let status = download(&store, &config).await;
        assert_eq!((status.name.as_str(), status.action), ("remote", "block"));
        assert_eq!((status.rules, status.duplicates), (1, 1));
        assert_eq!((status.rejected, status.not_dns), (1, 1));
        assert_eq!(status.bytes, text.len() as u64);
        assert!(status.samples[0].starts_with("line 4: "), "{:?}", status.samples);
        assert!(!status.samples[0].contains('\u{1b}'), "{:?}", status.samples);
        let (updated, checked) = (status.updated.unwrap(), status.checked.unwrap());
        let left = Duration::from_millis(status.next.unwrap() - checked);
        assert!(is_about(left, DAY));

        let later = download(&store, &config).await;
        assert_eq!((later.state, later.rules), (ListState::Stale, 1));
        assert_eq!(later.updated, Some(updated));
        assert!(later.checked.unwrap() >= checked && later.next.unwrap() < status.next.unwrap());
        assert!(later.error.unwrap().contains("503"));
    })
    .await;
}

/// The files of compiled lists, which are others when they are made again.
fn compiled_files(data_dir: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(data_dir.join("compiled")).unwrap().map(|file| file.unwrap());
    let files = files.filter(|file| file.file_name().to_str().unwrap().ends_with("compiled"));
    files.map(|file| file.ino()).collect()
}

#[tokio::test]
async fn a_downloaded_list_is_compiled_once() {
    locally(async {
        let directory = tempfile::tempdir().unwrap();
        let url = host_with(&[("200 OK", "||ads.example^")]).await;
        let mut config = Config::clone(&config(&url, ""));
        config.data_dir = Some(directory.path().to_owned());
        let config = Arc::new(config);
        let (upstream, _) = Upstream::new(&config, Cache::new(0)).unwrap();
        let store = Arc::new(ListStore::new(&config, upstream.clone()));

        assert!(store.download(&config, Which::All).next_change().await);
        let compiled = compiled_files(directory.path());
        assert_eq!(compiled.len(), 1);
        assert_eq!(store.load(&config, Reading::AtRest).await.unwrap().matcher.rules(), 1);
        assert_eq!(compiled_files(directory.path()), compiled);

        let next_run = Arc::new(ListStore::new(&config, upstream));
        assert_eq!(next_run.load(&config, Reading::AtRest).await.unwrap().matcher.rules(), 1);
        assert_eq!(compiled_files(directory.path()), compiled);
    })
    .await;
}

#[tokio::test]
async fn a_text_is_as_old_as_its_file_or_as_its_being_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list.txt");
    std::fs::write(&path, "ads.example").unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + DAY * 365;
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    let text = format!(
        "[[lists]]\nname = 'file'\npath = '{}'\n[[lists]]\nname = 'inline'\ninline = ['a.example']",
        path.display()
    );
    let config = Arc::new(Config::parse(&text, &Environment::default()).unwrap());
    let store = store(&config);
    store.load(&config, Reading::AtRest).await.unwrap();
    let [file, inline] = store.status().try_into().unwrap();

    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2) {
        store.load(&config, Reading::AtRest).await.unwrap();
    }

    let [file_later, inline_later] = store.status().try_into().unwrap();
    assert_eq!(file.updated, Some(365 * 86_400_000));
    assert_eq!((file_later.updated, inline_later.updated), (file.updated, inline.updated));
    assert!(file.checked > file.updated && inline_later.checked > inline.checked);
}

#[tokio::test]
async fn half_a_file_does_not_count_when_something_else_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list.txt");
    std::fs::write(&path, "one.example").unwrap();
    let text = format!("[[lists]]\nname = 'file'\npath = '{}'", path.display());
    let config = Arc::new(Config::parse(&text, &Environment::default()).unwrap());
    let store = store(&config);
    let rules = async |reading| store.load(&config, reading).await.unwrap().matcher.rules();
    assert_eq!(rules(Reading::AtRest).await, 1);

    std::fs::write(&path, "one.example\ntwo.example").unwrap();
    assert_eq!(rules(Reading::AtRest).await, 1);
    assert!(store.changed_files(&config).await.is_empty());
    assert_eq!(rules(Reading::AtRest).await, 1, "one look is not enough");
    assert_eq!(store.changed_files(&config).await, ["file"]);
    assert_eq!(rules(Reading::AtRest).await, 2);

    std::fs::write(&path, "one.example\ntwo.example\nthree.example").unwrap();
    assert_eq!(rules(Reading::All).await, 3, "somebody has asked for it");
}

#[tokio::test]
async fn a_list_some_of_whose_rules_find_no_room_says_so() {
    let list = |name: &str, letter: char| {
        let lines: Vec<String> = (0..11_000).map(|n| format!("*{letter}{n}x*y")).collect();
        format!("[[lists]]\nname = '{name}'\ninline = {lines:?}\n")
    };
    let text =
        format!("{}{}[[lists]]\nname = 'gone'\npath = '/gone'", list("a", 'a'), list("b", 'b'));
    let config = Arc::new(Config::parse(&text, &Environment::default()).unwrap());
    let store = store(&config);

    store.load(&config, Reading::All).await.unwrap();

    let [a, b, gone] = store.status().try_into().unwrap();
    let told = |status: &ListStatus| status.error.clone().unwrap_or_default();
    assert!(told(&a).contains("1000 of its rules") || told(&b).contains("do not count"));
    assert_eq!((a.unique, b.unique, gone.unique), (11_000, 11_000, 0));
}
