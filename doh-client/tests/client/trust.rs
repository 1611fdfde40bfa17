//! Certificates: whom the client believes, who believes it, and what an operator is told otherwise.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use doh_client::{Blame, Client, Error, Failure, TrustProblem};
use rcgen::{CertificateParams, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::{Act, Fake, clients_of};
use crate::secured::{AUTHORITY, Credentials, Life, NAME, Notes, Secured, builder, new_authority};
use crate::{answer, query};

/// What the only server of a client does wrong.
async fn failure(client: &Client) -> Failure {
    match client.exchange(&query("a.test")).await {
        Err(Error::AllFailed(mut failures)) => failures.remove(0).failure,
        other => panic!("no failure of a server: {other:?}"),
    }
}

fn params() -> CertificateParams {
    CertificateParams::new([NAME.to_owned()]).expect("a good name")
}

#[tokio::test]
async fn t40_an_unknown_authority_is_an_error_that_names_the_option() {
    let fake = Fake::start([Act::Answer]).await;
    let client = Client::builder().server(fake.server()).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.to_string().contains("`extra_roots_pem`"), "{error}");
    assert_eq!((error.blame(), error.is_retryable()), (Blame::Config, false));
}

/// Failure story 16: a machine that boots in the past sees certificates of the future. What it says
/// names the clock.
#[tokio::test]
async fn t40_t45_a_certificate_that_is_no_good_is_refused_with_what_to_do() {
    let (mut expired, mut early) = (params(), params());
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    early.not_before = date_time_ymd(2999, 1, 1);
    let names = ["other.test".to_owned(), "192.0.2.1".to_owned()];
    let elsewhere = CertificateParams::new(names).unwrap();
    let (unknown, of_that_name) = (new_authority("unknown"), new_authority("the authority"));
    for (credentials, said, blame) in [
        (Credentials::signed(&expired), "days ago: unless this machine's clock", Blame::Upstream),
        (Credentials::signed(&early), "check this machine's clock", Blame::Us),
        (
            Credentials::signed(&elsewhere),
            "not for `dns.test` but for `other.test`, `192.0.2.1`",
            Blame::Config,
        ),
        (Credentials::self_signed(&params()), "`extra_roots_pem`", Blame::Config),
        (Credentials::signed_by(&params(), &unknown), "`extra_roots_pem`", Blame::Config),
        (Credentials::signed_by(&params(), &of_that_name), "`extra_roots_pem`", Blame::Config),
    ] {
        let server = Secured::start(credentials.config()).await;
        let client = builder(&server.url("127.0.0.1")).build().unwrap();

        let failure = failure(&client).await;

        assert!(failure.to_string().contains(said), "{said}: {failure}");
        assert_eq!((failure.blame(), server.answered()), (blame, 0), "{failure}");
    }
}

#[tokio::test]
async fn t40_a_pinned_server_is_believed_and_another_key_is_not() {
    let credentials = Credentials::good();
    let server = Secured::start(credentials.config()).await;
    let (pin, other) = (credentials.pin(), Credentials::good().pin());

    let pinned = format!("127.0.0.1,pin={other},pin={pin}");
    let client = builder(&server.url(&pinned)).build().unwrap();
    assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));

    let client = builder(&server.url(&format!("127.0.0.1,pin={other}"))).build().unwrap();
    let failure = failure(&client).await;
    assert!(matches!(&failure, Failure::Trust(TrustProblem::WrongPin { seen }) if **seen == *pin));
    assert!(failure.to_string().contains(&format!("`pin={pin}`")), "{failure}");
    assert_eq!((failure.blame(), server.answered()), (Blame::Config, 1));
}

#[tokio::test]
async fn t40_a_pin_is_no_substitute_for_a_chain_to_a_root() {
    let credentials = Credentials::self_signed(&params());
    let server = Secured::start(credentials.config()).await;
    let pinned = format!("127.0.0.1,pin={}", credentials.pin());
    let client = builder(&server.url(&pinned)).build().unwrap();

    let failure = failure(&client).await;
    assert!(matches!(failure, Failure::UnknownIssuer), "{failure:?}");
}

#[tokio::test]
async fn t40_a_client_certificate_is_shown_to_who_asks_for_it() {
    let (chain, key) = Credentials::good().pem();
    for version in [&TLS13, &TLS12] {
        let config = Credentials::good().config_for(&AUTHORITY, version);
        let server = Secured::start(config).await;
        let builder = builder(&server.url("127.0.0.1"));
        let client =
            builder.client_certificate_pem(chain.as_bytes(), key.as_bytes()).build().unwrap();

        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
    }
}

/// With TLS 1.3 the refusal comes when the client is already asking.
#[tokio::test]
async fn t40_a_client_certificate_that_is_missing_or_refused_is_told_as_such() {
    let (chain, key) = Credentials::signed_by(&params(), &new_authority("unknown")).pem();
    for version in [&TLS13, &TLS12] {
        let config = Credentials::good().config_for(&AUTHORITY, version);
        let server = Secured::start(config).await;
        for _round in 0..20 {
            let builder = builder(&server.url("127.0.0.1"));
            let without = builder.clone().build().unwrap();
            let refused =
                builder.client_certificate_pem(chain.as_bytes(), key.as_bytes()).build().unwrap();

            for client in [without, refused] {
                let error = client.exchange(&query("a.test")).await.unwrap_err();

                assert!(error.to_string().contains("`client_certificate_pem`"), "{error}");
                assert!(error.to_string().contains("fatal alert"), "{error}");
                assert_eq!((error.blame(), error.is_retryable()), (Blame::Config, false));
            }
        }
        assert_eq!(server.answered(), 0);
    }
}

#[tokio::test]
async fn t40_a_client_certificate_is_refused_over_dns_over_tls_in_the_same_words() {
    for version in [&TLS13, &TLS12] {
        let mut config = Credentials::good().config_for(&AUTHORITY, version);
        config.alpn_protocols.clear();
        let server = Secured::start(config).await;
        let url = format!("tls://{NAME}:{}#127.0.0.1", server.address.port());
        for _round in 0..20 {
            let client = builder(&url).build().unwrap();

            let error = client.exchange(&query("a.test")).await.unwrap_err();

            assert!(error.to_string().contains("`client_certificate_pem`"), "{error}");
            assert!(error.to_string().contains("fatal alert"), "{error}");
            assert_eq!((error.blame(), error.is_retryable()), (Blame::Config, false));
        }
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_none_is_found_when_the_client_is_built() {
    let (chain, _) = Credentials::good().pem();
    let (_, key) = Credentials::good().pem();

    let error = builder("https://127.0.0.1/")
        .client_certificate_pem(chain.as_bytes(), key.as_bytes())
        .build()
        .unwrap_err();

    assert!(error.to_string().contains("do not belong together"), "{error}");
}

#[tokio::test]
async fn t41_a_server_without_http_2_is_told_as_such() {
    let fake = Fake::speaking(b"http/1.1").await;

    assert!(matches!(failure(&fake.client()).await, Failure::NoHttp2));
}

/// Asks one query after the other, each over a connection of its own.
async fn resumed(options: &str, credentials: &Credentials) -> Vec<bool> {
    let server = Secured::with(Some(credentials.config()), "127.0.0.1:0", Life::OneAnswer).await;
    let notes = Arc::new(Notes::default());
    let client =
        builder(&server.url(options)).observer(notes.clone()).build().expect("a good client");
    while notes.resumed().len() < 3 {
        client.exchange(&query("a.test")).await.expect("the server answers");
    }
    notes.resumed()
}

#[tokio::test]
async fn t42_a_second_connection_takes_up_the_session_of_the_first() {
    assert_eq!(resumed("127.0.0.1", &Credentials::good()).await, [false, true, true]);
}

/// A session that is taken up again shows no certificate, so no pin could be looked for.
#[tokio::test]
async fn t42_with_pins_no_session_is_taken_up_again() {
    let credentials = Credentials::good();
    let pinned = format!("127.0.0.1,pin={}", credentials.pin());

    assert_eq!(resumed(&pinned, &credentials).await, [false; 3]);
}

/// What a path does to greetings that fill more than one packet.
#[derive(Clone, Copy)]
enum Path {
    Swallow,
    Reset,
}

/// A path to a server that small greetings get through.
async fn narrow(server: &Secured, path: Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let (port, far) = (listener.local_addr().expect("it is bound").port(), server.address);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut header = [0; 5];
                near.read_exact(&mut header).await.expect("a record has a header");
                let is_large = u16::from_be_bytes([header[3], header[4]]) > 1000;
                match path {
                    Path::Reset if is_large => return,
                    Path::Swallow if is_large => std::future::pending().await,
                    _ => {}
                }
                let mut far = TcpStream::connect(far).await.expect("the server is there");
                far.write_all(&header).await.expect("the server reads");
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

/// Failure story 17: middleboxes drop greetings with post-quantum keys, which fill two packets.
#[tokio::test]
async fn t44_a_path_that_drops_large_greetings_gets_small_ones_from_then_on() {
    for path in [Path::Swallow, Path::Reset] {
        let config = Credentials::good().config();
        let server = Secured::with(Some(config), "127.0.0.1:0", Life::OneAnswer).await;
        let port = narrow(&server, path).await;
        let notes = Arc::new(Notes::default());
        let url = format!("https://{NAME}:{port}/dns-query#127.0.0.1");
        let client = builder(&url).observer(notes.clone()).build().unwrap();

        while notes.groups().len() < 3 {
            client.exchange(&query("a.test")).await.unwrap();
        }

        assert_eq!(notes.groups(), ["X25519"; 3]);
        assert_eq!(notes.downgraded.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn t44_where_large_greetings_get_through_they_are_used() {
    let server = Secured::start(Credentials::good().config()).await;
    let notes = Arc::new(Notes::default());
    let client = builder(&server.url("127.0.0.1")).observer(notes.clone()).build().unwrap();

    client.exchange(&query("a.test")).await.unwrap();

    assert_eq!(notes.groups(), ["X25519MLKEM768"]);
    assert_eq!(notes.downgraded.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn roots_that_are_junk_are_found_when_the_client_is_built() {
    let fake = Fake::start([Act::Answer]).await;

    let error = clients_of([&fake]).extra_roots_pem(b"junk").build().unwrap_err();

    assert!(error.to_string().contains("extra roots"), "{error}");
}
