//! Lists that are asked for again: what has not changed, what is packed, and what is refused.

use std::{fs, io::Write as _, os::unix::fs::symlink, path::Path};

use axum::http::StatusCode;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest as _, Sha256};

use crate::lab::{Fake, Lab, ListHost};

const ETAG: (&str, &str) = ("etag", "\"first\"");
const MODIFIED: (&str, &str) = ("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT");

/// So many rules, and one for `ads.example`.
fn rules(number: usize) -> String {
    (1..number).map(|n| format!("||n{n}.example^\n")).collect::<String>() + "||ads.example^\n"
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn at(directory: &Path) -> String {
    format!("data_dir = '{}'\n", directory.display())
}

async fn blocks(lab: &Lab, name: &str) -> bool {
    lab.ask(name, "A").await.ede().first().is_some_and(|(code, _)| *code == 15)
}

async fn is_up(lab: &Lab) -> bool {
    lab.sample("dnsward_list_up{list=\"remote\"}").await == 1
}

async fn times_refused(lab: &Lab, reason: &str) -> u64 {
    let sample = format!("dnsward_list_refused_total{{list=\"remote\",reason=\"{reason}\"}}");
    lab.sample(&sample).await
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    for header in [ETAG, MODIFIED] {
        for builder in [Lab::builder(), Lab::builder().with_data_dir()] {
            let host = ListHost::start("").await;
            host.now_sends(StatusCode::OK, &[header], b"||ads.example^");
            let lab = builder.upstream(Fake::new()).config(&host.block("")).start().await;
            let generation = lab.sample("dnsward_generation").await;

            host.now_sends(StatusCode::INTERNAL_SERVER_ERROR, &[header], b"");
            lab.reload(&host.block("")).await;

            assert_eq!(host.asked().len(), 2);
            assert!(blocks(&lab, "ads.example").await && is_up(&lab).await, "{header:?}");
            let after = lab.sample("dnsward_generation").await;
            assert_eq!(after, generation + 1, "nothing but the reload itself was published");
        }
    }
}

#[tokio::test]
async fn a_restart_asks_nobody_while_the_copy_is_young_and_knows_its_etag() {
    let data = tempfile::tempdir().unwrap();
    let host = ListHost::start("").await;
    host.now_sends(StatusCode::OK, &[ETAG], b"||ads.example^");
    let config = format!("{}{}", at(data.path()), host.block(""));
    drop(Lab::builder().config(&config).start().await);

    let lab = Lab::builder().config(&config).start().await;
    assert!(blocks(&lab, "ads.example").await);
    assert_eq!(host.asked().len(), 1);

    lab.reload(&config).await;
    assert_eq!(host.asked_with("if-none-match").as_deref(), Some(ETAG.1));
    assert_eq!(host.asked().len(), 2);
}

#[tokio::test]
async fn a_copy_of_which_nothing_is_known_is_asked_for_without_conditions() {
    let data = tempfile::tempdir().unwrap();
    let host = ListHost::start("").await;
    host.now_sends(StatusCode::OK, &[ETAG], b"||ads.example^");
    let config = format!("{}{}", at(data.path()), host.block(""));
    drop(Lab::builder().config(&config).start().await);
    let files = fs::read_dir(data.path().join("lists")).unwrap();
    let copies = files.map(|file| file.unwrap().path());
    let copy = copies.into_iter().find(|file| file.extension().unwrap() == "txt").unwrap();
    fs::write(copy, "||half.exam").unwrap();

    let lab = Lab::builder().config(&config).start().await;
    lab.comes_to_block("ads.example").await;

    assert_eq!(host.asked().len(), 2);
    assert_eq!(host.asked_with("if-none-match"), None);
}

#[tokio::test]
async fn a_list_may_come_packed_by_the_server_or_as_a_packed_file() {
    let text = rules(1000);
    for (packed, encoding) in [
        (gzip(text.as_bytes()), Some("gzip")),
        (zstd(text.as_bytes()), Some("zstd")),
        (gzip(text.as_bytes()), None),
        (zstd(text.as_bytes()), None),
        (gzip(&zstd(text.as_bytes())), Some("gzip")),
    ] {
        let host = ListHost::start("").await;
        let headers: Vec<_> = encoding.iter().map(|word| ("content-encoding", *word)).collect();
        host.now_sends(StatusCode::OK, &headers, &packed);
        let lab = Lab::builder().with_data_dir().config(&host.block("")).start().await;

        assert!(blocks(&lab, "ads.example").await, "{encoding:?}");
        assert_eq!(lab.sample("dnsward_rules").await, 1000);
        assert_eq!(host.asked_with("accept-encoding").as_deref(), Some("zstd, gzip"));
    }
}

#[tokio::test]
async fn a_packed_file_on_disk_is_read_too() {
    let directory = tempfile::tempdir().unwrap();
    let text = rules(10);
    for (name, packed) in [("l.gz", gzip(text.as_bytes())), ("l.zst", zstd(text.as_bytes()))] {
        let path = directory.path().join(name);
        fs::write(&path, packed).unwrap();
        let config = format!("[[lists]]\nname = 'remote'\npath = '{}'", path.display());
        let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

        assert!(blocks(&lab, "ads.example").await, "{name}");

        lab.reload(&format!("{config}\nmax_bytes = '100B'")).await;
        assert!(!blocks(&lab, "ads.example").await && !is_up(&lab).await, "{name} is too large");
    }
}

#[tokio::test]
async fn few_octets_that_unpack_to_many_are_refused() {
    let bomb = "#".repeat(10 << 20);
    for (packed, encoding) in [
        (gzip(bomb.as_bytes()), Some("gzip")),
        (zstd(bomb.as_bytes()), Some("zstd")),
        (gzip(bomb.as_bytes()), None),
        (gzip(&gzip(bomb.as_bytes())), Some("gzip")),
    ] {
        let host = ListHost::start(&rules(10)).await;
        let config = host.block("max_bytes = '1MiB'");
        let lab = Lab::builder().with_data_dir().config(&config).start().await;

        let headers: Vec<_> = encoding.iter().map(|word| ("content-encoding", *word)).collect();
        host.now_sends(StatusCode::OK, &headers, &packed);
        lab.reload(&config).await;

        assert!(blocks(&lab, "ads.example").await && !is_up(&lab).await, "{encoding:?}");
        assert_eq!(times_refused(&lab, "too_large").await, 1);
        let left = fs::read_dir(lab.path("data").join("lists")).unwrap();
        let left = left.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert!(!left.into_iter().any(|name| name.ends_with("new")), "nothing is left over");
    }
}

#[tokio::test]
async fn what_is_not_to_be_trusted_leaves_the_last_good_text_in_force() {
    for (before, after, reason) in [
        (rules(1000), rules(400), "shrunk"),
        (rules(1000), rules(11_000), "grown"),
        (rules(1000), String::new(), "empty"),
        (rules(1000), "# closed\n".to_owned(), "empty"),
        (rules(1000), "<!doctype html><p>moved".to_owned(), "html"),
        (rules(1000), rules(1000) + "||precious.example^\n", "canary"),
        (rules(1000), rules(1000) + "*.example\n", "canary"),
    ] {
        let host = ListHost::start(&before).await;
        let config =
            format!("blocking.canaries = ['debian.org', 'precious.example']\n{}", host.block(""));
        let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

        host.now_serves(StatusCode::OK, &after);
        lab.reload(&config).await;

        assert_eq!(lab.sample("dnsward_rules").await, 1000, "{reason}");
        assert_eq!(times_refused(&lab, reason).await, 1, "{reason}");
        assert!(!is_up(&lab).await && !blocks(&lab, "precious.example").await, "{reason}");

        host.now_serves(StatusCode::OK, &rules(900));
        lab.reload(&config).await;
        assert!(is_up(&lab).await, "after {reason}");
        assert_eq!(lab.sample("dnsward_rules").await, 900, "after {reason}");
    }
}

#[tokio::test]
async fn what_the_first_text_cannot_be_compared_with_does_not_matter() {
    for (text, is_taken) in
        [(rules(3), true), (rules(20_000), true), ("||debian.org^".into(), false)]
    {
        let host = ListHost::start(&text).await;
        let lab = Lab::builder().upstream(Fake::new()).config(&host.block("")).start().await;

        assert_eq!(is_up(&lab).await, is_taken);
        assert_eq!(lab.sample("dnsward_rules").await > 0, is_taken);
    }
}

#[tokio::test]
async fn a_list_that_allows_a_canary_itself_or_is_an_allow_list_may_name_it() {
    for (text, extra) in
        [("||debian.org^\n@@||debian.org^\n", ""), ("debian.org\n", "action = 'allow'")]
    {
        let host = ListHost::start(text).await;
        let lab = Lab::builder().upstream(Fake::new()).config(&host.block(extra)).start().await;

        assert!(is_up(&lab).await, "{text}");
    }
}

#[tokio::test]
async fn the_guard_compares_over_a_restart_until_the_operator_overrules_it() {
    let data = tempfile::tempdir().unwrap();
    let host = ListHost::start(&rules(1000)).await;
    let config = format!("{}{}", at(data.path()), host.block(""));
    drop(Lab::builder().config(&config).start().await);
    host.now_serves(StatusCode::OK, &rules(10));

    let lab = Lab::builder().config(&config).start().await;
    lab.reload(&config).await;
    assert_eq!((lab.sample("dnsward_rules").await, is_up(&lab).await), (1000, false));
    drop(lab);
    let lab = Lab::builder().config(&config).start().await;
    assert!(!is_up(&lab).await, "the refusal is not forgotten");
    assert_eq!(host.asked().len(), 2, "and the host is left alone until the next refresh");

    let files = fs::read_dir(data.path().join("lists")).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        if file.extension().unwrap() == "meta" {
            fs::remove_file(file).unwrap();
        }
    }
    lab.reload(&config).await;
    assert_eq!((lab.sample("dnsward_rules").await, is_up(&lab).await), (10, true));
}

#[tokio::test]
async fn the_guard_compares_with_what_was_restored_from_a_backup() {
    let (data, restored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = ListHost::start(&rules(1000)).await;
    drop(Lab::builder().config(&format!("{}{}", at(data.path()), host.block(""))).start().await);
    fs::create_dir(restored.path().join("lists")).unwrap();
    for file in fs::read_dir(data.path().join("lists")).unwrap().map(|file| file.unwrap()) {
        let copy = restored.path().join("lists").join(file.file_name());
        // A new file has a new time of writing.
        fs::write(copy, fs::read(file.path()).unwrap()).unwrap();
    }
    host.now_serves(StatusCode::OK, &rules(10));

    let config = format!("{}{}", at(restored.path()), host.block(""));
    let lab = Lab::builder().config(&config).start().await;
    lab.reload(&config).await;

    assert_eq!((lab.sample("dnsward_rules").await, is_up(&lab).await), (1000, false));
    assert_eq!(times_refused(&lab, "shrunk").await, 1);
}

#[tokio::test]
async fn only_the_pinned_text_counts() {
    let (good, bad) = (rules(100), rules(20));
    let host = ListHost::start(&good).await;
    let pinned = host.block(&format!("sha256 = '{}'", sha256(good.as_bytes())));
    let lab = Lab::builder().upstream(Fake::new()).config(&pinned).start().await;

    assert_eq!((lab.sample("dnsward_rules").await, is_up(&lab).await), (100, true));
    host.now_serves(StatusCode::OK, &bad);
    lab.reload(&pinned).await;
    assert_eq!((lab.sample("dnsward_rules").await, is_up(&lab).await), (100, false));
    assert_eq!(times_refused(&lab, "sha256").await, 1);

    lab.reload(&host.block(&format!("sha256 = '{}'", "0".repeat(64)))).await;
    assert_eq!(lab.sample("dnsward_rules").await, 0, "the copy at hand is not pinned any more");
    lab.reload(&host.block(&format!("sha256 = '{}'", sha256(bad.as_bytes())))).await;
    assert_eq!((lab.sample("dnsward_rules").await, is_up(&lab).await), (20, true));
}

#[tokio::test]
async fn a_pinned_file_is_pinned_as_it_is_served() {
    let packed = gzip(rules(100).as_bytes());
    let host = ListHost::start("").await;
    host.now_sends(StatusCode::OK, &[("content-encoding", "zstd")], &zstd(&packed));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list.gz");
    fs::write(&path, &packed).unwrap();
    let pin = format!("sha256 = '{}'", sha256(&packed).to_uppercase());
    let file = format!("[[lists]]\nname = 'file'\npath = '{}'\n{pin}\n", path.display());
    let config = format!("{file}{}", host.block(&pin));
    let lab = Lab::builder().with_data_dir().config(&config).start().await;

    assert_eq!(lab.sample("dnsward_list_rules{list=\"file\"}").await, 100);
    assert_eq!(lab.sample("dnsward_list_rules{list=\"remote\"}").await, 100);

    fs::write(&path, gzip(b"||other.example^\n")).unwrap();
    lab.reload(&config).await;
    assert_eq!(lab.sample("dnsward_list_rules{list=\"file\"}").await, 0);
    assert_eq!(lab.sample("dnsward_list_up{list=\"file\"}").await, 0);
}

#[tokio::test]
async fn a_file_that_changes_counts_soon_and_nothing_is_downloaded_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list.txt");
    fs::write(&path, "one.example\n").unwrap();
    let host = ListHost::start("||ads.example^").await;
    let file = format!("[[lists]]\nname = 'file'\npath = '{}'\n", path.display());
    let config = format!("{file}{}", host.block(""));
    let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

    assert!(blocks(&lab, "one.example").await);
    fs::write(&path, "two.example\nthree.example\n").unwrap();
    lab.comes_to_block("two.example").await;

    assert!(!blocks(&lab, "one.example").await);
    assert_eq!(host.asked().len(), 1);
}

/// A volume of Kubernetes: `list.txt` leads to `..data/list.txt`, and `..data` to a directory that
/// is replaced as a whole.
#[tokio::test]
async fn a_swapped_link_counts_soon() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path();
    for (version, text) in [("..1", "one.example\n"), ("..2", "two.example\n")] {
        fs::create_dir(volume.join(version)).unwrap();
        fs::write(volume.join(version).join("list.txt"), text).unwrap();
    }
    symlink("..1", volume.join("..data")).unwrap();
    symlink("..data/list.txt", volume.join("list.txt")).unwrap();
    let path = volume.join("list.txt");
    let config = format!("[[lists]]\nname = 'file'\npath = '{}'\n", path.display());
    let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

    assert!(blocks(&lab, "one.example").await);
    symlink("..2", volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();

    lab.comes_to_block("two.example").await;
    assert!(!blocks(&lab, "one.example").await);
}
