//! Two thousand questions go to this server and to unbound, which both have the same upstream; what
//! they answer differently must be a difference that `docs/conformance.md` explains.

mod explained;
mod unbound;
mod zone;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use hickory_proto::{
    op::Message,
    rr::{Record, RecordType},
};
use tokio::net::UdpSocket;

use crate::lab::{Conversation, Fake, Lab, question};
use explained::EXPLAINED;
use unbound::{Unbound, serve_plainly};
use zone::Zone;

/// A resolver as its clients reach it.
struct Resolver {
    udp: UdpSocket,
    tcp: Conversation,
}

impl Resolver {
    async fn at(address: SocketAddr) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        udp.connect(address).await.unwrap();
        Self { udp, tcp: Conversation::with(address).await }
    }

    async fn ask_udp(&self, query: &[u8]) -> Message {
        let mut buffer = [0; 4096];
        self.udp.send(query).await.unwrap();
        let length = self.udp.recv(&mut buffer).await.unwrap();
        Message::from_vec(&buffer[..length]).unwrap()
    }

    async fn ask_tcp(&mut self, query: &[u8]) -> Message {
        self.tcp.send(query).await;
        Message::from_vec(&self.tcp.receive().await.expect("an answer")).unwrap()
    }
}

/// The parts in which two answers differ; records count only where neither was cut short.
fn differences(ours: &Message, theirs: &Message) -> BTreeSet<&'static str> {
    let (our, their) = (&ours.metadata, &theirs.metadata);
    let has_soa = |message: &Message| {
        message.authorities.iter().any(|record| record.record_type() == RecordType::SOA)
    };
    let is_cut = our.truncation || their.truncation;
    [
        ("rcode", our.response_code != their.response_code),
        ("AA", our.authoritative != their.authoritative),
        ("AD", our.authentic_data != their.authentic_data),
        ("CD", our.checking_disabled != their.checking_disabled),
        ("RA", our.recursion_available != their.recursion_available),
        ("TC", our.truncation != their.truncation),
        ("EDNS", ours.edns.is_some() != theirs.edns.is_some()),
        ("question", ours.queries != theirs.queries),
        ("answer", !is_cut && texts(&ours.answers) != texts(&theirs.answers)),
        ("TTL", !is_cut && !have_close_ttls(ours, theirs)),
        ("SOA", !is_cut && has_soa(ours) != has_soa(theirs)),
    ]
    .into_iter()
    .filter_map(|(part, differs)| differs.then_some(part))
    .collect()
}

/// Records in an order of their own, without their times to live.
fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| {
        format!("{} {} {}", record.name, record.record_type(), record.data).to_lowercase()
    };
    let mut texts: Vec<_> = records.iter().map(text).collect();
    texts.sort_unstable();
    texts
}

/// Whether the records that were asked for have times to live within a second of each other. What
/// is behind an alias may have been asked for before, and then is older in a cache of RRsets.
fn have_close_ttls(ours: &Message, theirs: &Message) -> bool {
    let asked = &ours.queries[0];
    let times = |message: &Message| -> Vec<u32> {
        let is_asked = |record: &&Record| {
            record.name == asked.name && record.record_type() == asked.query_type
        };
        message.answers.iter().filter(is_asked).map(|record| record.ttl).collect()
    };
    times(ours).iter().zip(times(theirs)).all(|(our, their)| our.abs_diff(their) <= 1)
}

/// The parts in which an answer differs without a reason; the reasons are noted.
fn unexplained(
    (name, rtype): &(String, RecordType),
    mut parts: BTreeSet<&'static str>,
    reasons: &mut BTreeSet<&'static str>,
) -> BTreeSet<&'static str> {
    for explained in EXPLAINED.iter().filter(|explained| (explained.holds)(name, *rtype)) {
        let before = parts.len();
        parts.retain(|part| !explained.parts.contains(part));
        if parts.len() < before {
            reasons.insert(explained.title);
        }
    }
    parts
}

#[tokio::test]
async fn every_difference_from_unbound_is_explained() {
    let zone = Arc::new(Zone::generated());
    assert!(zone.questions.len() >= 2000, "{} questions", zone.questions.len());
    let Some(unbound) = Unbound::start(serve_plainly(&zone).await).await else { return };
    let data = zone.clone();
    let fake = Fake::new().answering(Arc::new(move |query| data.answer(query)));
    let lab = Lab::builder().upstream(fake).start().await;
    let (mut ours, mut theirs) = (Resolver::at(lab.dns()).await, Resolver::at(unbound.dns).await);
    let (mut without_reason, mut reasons) = (Vec::new(), BTreeSet::new());

    for (number, asked) in zone.questions.iter().enumerate() {
        let mut query = question(&asked.0, "A");
        query.queries[0].query_type = asked.1;
        query.metadata.authentic_data = true;
        query.metadata.checking_disabled = number % 7 == 0;
        let query = query.to_vec().unwrap();
        let over_udp = tokio::join!(ours.ask_udp(&query), theirs.ask_udp(&query));
        let over_tcp = tokio::join!(ours.ask_tcp(&query), theirs.ask_tcp(&query));
        for (way, (our, their)) in [("UDP", over_udp), ("TCP", over_tcp)] {
            let parts = unexplained(asked, differences(&our, &their), &mut reasons);
            if !parts.is_empty() {
                without_reason.push(format!("{asked:?} over {way}: {parts:?}\n{our}\n{their}"));
            }
        }
    }

    assert!(without_reason.is_empty(), "{}", without_reason.join("\n\n"));
    let wanted = EXPLAINED.iter().map(|explained| explained.title);
    assert_eq!(reasons, wanted.collect(), "what is no difference any more has no place here");
}

#[test]
fn every_reason_stands_in_the_document() {
    let document = include_str!("../docs/conformance.md");
    let (_, document) = document.split_once("## Differences from unbound").expect("its section");
    let titles = document.lines().filter_map(|line| line.strip_prefix("**")?.split("**").next());
    let titles: BTreeSet<_> = titles.map(|title| title.trim_end_matches('.')).collect();

    assert_eq!(titles, EXPLAINED.iter().map(|explained| explained.title).collect());
}
