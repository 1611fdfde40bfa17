//! The differences that are wanted: which questions, and which parts of their answers.

use hickory_proto::rr::{Name, RecordType};

/// A difference that is wanted.
pub(super) struct Explained {
    /// Its heading in `docs/conformance.md`.
    pub(super) title: &'static str,
    /// What may differ.
    pub(super) parts: &'static [&'static str],
    /// For which questions.
    pub(super) holds: fn(&str, RecordType) -> bool,
}

pub(super) const EXPLAINED: &[Explained] = &[
    Explained {
        title: "Special names are not authoritative",
        parts: &["AA"],
        holds: |name, _| {
            lies_in(name, &["localhost", "test", "invalid", "onion", "home.arpa"])
                || lies_in(name, PRIVATE_REVERSE)
        },
    },
    Explained {
        title: "Loopback addresses are good for a day",
        parts: &["TTL"],
        holds: |name, _| lies_in(name, &["localhost"]),
    },
    Explained {
        title: "The loopback network has no reverse names",
        parts: &["rcode", "answer", "SOA"],
        holds: |name, _| lies_in(name, &["127.in-addr.arpa"]),
    },
    Explained {
        title: "`local` and `internal` stay in the house",
        parts: &["rcode", "answer", "SOA"],
        holds: |name, _| lies_in(name, &["local", "internal"]),
    },
    Explained {
        title: "Signals to a filter are answered",
        parts: &["rcode", "answer", "SOA"],
        holds: |name, _| {
            lies_in(name, &["use-application-dns.net", "mask.icloud.com", "resolver.arpa"])
        },
    },
    Explained {
        title: "Public names do not point into private networks",
        parts: &["answer", "SOA"],
        holds: |name, rtype| name == "router.example" && rtype == RecordType::A,
    },
    Explained {
        title: "A refusal is passed on",
        parts: &["rcode"],
        holds: |name, _| lies_in(name, &["refused.example"]),
    },
    Explained {
        title: "An authenticated upstream is believed",
        parts: &["AD"],
        holds: |name, _| lies_in(name, &["secure.example"]),
    },
    Explained {
        title: "ANY has a short answer",
        parts: &["answer"],
        holds: |_, rtype| rtype == RecordType::ANY,
    },
];

/// Reverse zones that both answer themselves (RFC 6303).
const PRIVATE_REVERSE: &[&str] = &["10.in-addr.arpa", "168.192.in-addr.arpa", "127.in-addr.arpa"];

fn lies_in(name: &str, zones: &[&str]) -> bool {
    let name = Name::from_ascii(name).unwrap();
    zones.iter().any(|zone| Name::from_ascii(zone).unwrap().zone_of(&name))
}
