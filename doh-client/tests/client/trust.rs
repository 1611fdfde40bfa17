//! Certificates: whom the client believes, and what it tells an operator when it does not.

use doh_client::{Blame, Client, Error, Failure};

use crate::fake::{Act, Fake, clients_of};
use crate::query;

#[tokio::test]
async fn an_unknown_authority_is_an_error_that_names_the_option() {
    let fake = Fake::start([Act::Answer]).await;
    let client = Client::builder().server(fake.server()).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.to_string().contains("`extra_roots_pem`"), "{error}");
    assert_eq!((error.blame(), error.is_retryable()), (Blame::Config, false));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let fake = Fake::start([Act::Answer]).await;
    let port = fake.server().addresses()[0].port();
    let other = format!("https://other.test:{port}/dns-query#127.0.0.1").parse().unwrap();
    let client = clients_of([]).server(other).build().unwrap();

    let Err(Error::AllFailed(failures)) = client.exchange(&query("a.test")).await else {
        panic!("a certificate for another name was believed");
    };

    assert!(matches!(failures[0].failure, Failure::Tls(_)));
    assert!(failures[0].to_string().contains("dns.test"), "{}", failures[0]);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_server_without_http_2_is_told_as_such() {
    let fake = Fake::speaking(b"http/1.1").await;

    let Err(Error::AllFailed(failures)) = fake.client().exchange(&query("a.test")).await else {
        panic!("HTTP/1.1 was spoken");
    };

    assert!(matches!(failures[0].failure, Failure::NoHttp2), "{}", failures[0]);
}

#[tokio::test]
async fn roots_that_are_junk_are_found_when_the_client_is_built() {
    let fake = Fake::start([Act::Answer]).await;

    let error = clients_of([&fake]).extra_roots_pem(b"junk").build().unwrap_err();

    assert!(error.to_string().contains("extra roots"), "{error}");
}
