//! How resolvers are asked: over which protocols, in how much time, and what is told of one that
//! does not answer.

use std::time::Duration;

use doh_client::Client;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::client_of;
use crate::dns::{self, Dns, name_of};
use crate::fake::{Act, Fake, refusing};
use crate::query;
use crate::resolver::{Conduct, Resolver};

#[tokio::test]
async fn resolvers_may_be_encrypted_and_are_asked_first_then() {
    let fake = Fake::start([Act::Answer]).await;
    // It answers without any address, which is an answer all the same.
    let encrypted = Fake::start([Act::Answer]).await;
    let plain = Resolver::start(Conduct::Answer).await;
    let bootstrap = format!("{}#127.0.0.1", encrypted.server());
    let client = client_of(&fake, &[&plain]).bootstrap(bootstrap.parse().unwrap()).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.to_string().contains("it has no address"), "{error}");
    assert_eq!((encrypted.seen().len(), plain.asked()), (2, 0));
}

#[tokio::test]
async fn resolvers_may_speak_tls_or_tcp() {
    for resolver in [Dns::tls([dns::Act::Answer]).await, Dns::tcp([dns::Act::Answer]).await] {
        let fake = Fake::start([Act::Answer]).await;
        let client = client_of(&fake, &[]).bootstrap(resolver.server()).build().unwrap();

        let error = client.exchange(&query("a.test")).await.unwrap_err();

        assert!(error.to_string().contains("it has no address"), "{error}");
        assert_eq!(resolver.seen().len(), 2, "one question for each family");
    }
}

#[tokio::test]
async fn an_encrypted_resolver_that_cannot_be_reached_is_passed_over() {
    let fake = Fake::start([Act::Answer]).await;
    let plain = Resolver::start(Conduct::Answer).await;
    let encrypted = format!("{}#127.0.0.1", refusing().await);
    let client = client_of(&fake, &[&plain]).bootstrap(encrypted.parse().unwrap()).build().unwrap();

    assert!(client.exchange(&query("a.test")).await.is_ok());
}

#[tokio::test]
async fn a_resolver_that_is_flooded_with_forgeries_is_not_believed() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Forge(100)).await);
    let client = client_of(&fake, &[&resolver]).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err().to_string();

    assert!(error.contains("answered nothing that was asked"), "{error}");
}

#[tokio::test]
async fn questions_to_a_resolver_cannot_be_foreseen() {
    let name = "a-name-with-many-letters-in-many-labels.of-one.domain.test";
    let resolver = Dns::udp([dns::Act::Answer]).await;
    let server = format!("https://{name}/q").parse().unwrap();
    let client = Client::builder().server(server).bootstrap(resolver.server()).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.to_string().contains("it has no address"), "{error}");
    let [v4, v6] = &resolver.seen()[..] else { panic!("one question for each family") };
    assert_ne!(v4.from.port(), v6.from.port());
    assert_ne!(v4.message[name_of(&v4.message)], v6.message[name_of(&v6.message)]);
}

#[tokio::test]
async fn each_address_of_a_plain_resolver_is_asked_beside_a_silent_one() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Answer).await);
    let port = resolver.address().port();
    let _silent = UdpSocket::bind(("127.0.0.2", port)).await.expect("a free port");
    let both = format!("udp://resolver.test:{port}#127.0.0.2,127.0.0.1").parse().unwrap();
    let client = client_of(&fake, &[]).bootstrap(both).build().unwrap();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    let head_start = Duration::from_millis(300);
    let took = exchange.elapsed;
    assert!(took >= head_start && took < head_start * 4, "{took:?}");
}

#[tokio::test]
async fn a_lookup_has_more_time_than_the_query_that_wants_it() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::LoseFirst).await);
    let client = client_of(&fake, &[&resolver])
        .attempt_timeout(Duration::from_millis(100))
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");

    let answered = async { while client.exchange(&query("a.test")).await.is_err() {} };
    assert!(timeout(Duration::from_secs(10), answered).await.is_ok());
}

#[tokio::test]
async fn a_server_with_room_for_one_query_is_looked_up_in_both_families() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Answer).await);
    let client = client_of(&fake, &[&resolver]).in_flight(1).build().unwrap();

    client.exchange(&query("a.test")).await.unwrap();

    assert_eq!(resolver.asked(), 2);
}

#[tokio::test]
async fn a_resolver_that_cannot_be_reached_is_named() {
    let (fake, nobody) = (Fake::start([Act::Answer]).await, dns::refusing("udp").await);
    let client = client_of(&fake, &[]).bootstrap(nobody.clone()).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err().to_string();

    let named = format!("`{nobody}`: cannot connect to {}", nobody.addresses()[0]);
    assert!(
        error.contains("a bootstrap resolver cannot be asked") && error.contains(&named),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_resolver_is_named_before_a_lookup_is_given_up() {
    let resolver = Dns::udp([dns::Act::Hang]).await;
    let server = "https://dns.test/q".parse().unwrap();
    let client = Client::builder().server(server).bootstrap(resolver.server()).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err().to_string();

    let named = format!("no answer within 3.5s; `{}`: no answer after", resolver.server());
    assert!(error.contains(&named), "{error}");
}
