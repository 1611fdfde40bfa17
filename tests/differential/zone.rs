//! Generated data, the questions about them, and the answer to each: what both resolvers are told
//! by their upstream.

use std::collections::{HashMap, HashSet};

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{NULL, SOA, TXT},
    },
};

/// Time to live of all data: long enough that none of it ends within a run.
const TTL: u32 = 3600;

/// A type that nobody has defined (RFC 3597).
const UNKNOWN: RecordType = RecordType::Unknown(65280);

/// The data and the questions about them.
#[derive(Default)]
pub(super) struct Zone {
    records: HashMap<(Name, RecordType), Vec<Record>>,
    /// Every owner and every name above one.
    names: HashSet<Name>,
    pub(super) questions: Vec<(String, RecordType)>,
}

impl Zone {
    /// The same data and questions in every run.
    pub(super) fn generated() -> Self {
        let mut zone = Self::default();
        zone.hosts();
        zone.aliases();
        zone.wildcards();
        zone.services();
        zone.texts();
        zone.large_rrsets();
        zone.reverse_names();
        zone.names_that_matter();
        zone
    }

    fn hosts(&mut self) {
        for number in 0..300_usize {
            let name = format!("host{number}.net{}.example", number % 10);
            for address in 0..=number % 3 {
                self.add(&name, RecordType::A, &format!("192.0.2.{}", number % 200 + address));
            }
            if number % 3 == 0 {
                self.add(&name, RecordType::AAAA, &format!("2001:db8::{number:x}"));
            }
            self.ask(&name, &[RecordType::A, RecordType::AAAA]);
            if number % 3 == 1 {
                self.ask(&name, &[RecordType::MX]);
            }
            if number % 2 == 0 {
                self.ask(&format!("nobody{number}.net0.example"), &[RecordType::A]);
                self.ask(&format!("below.{name}"), &[RecordType::TXT]);
            }
        }
        for number in 0..10 {
            let zone = format!("net{number}.example");
            self.insert(&zone, soa_data());
            self.add(&zone, RecordType::NS, &format!("host{number}.net{number}.example."));
            self.ask(&zone, &[RecordType::NS, RecordType::SOA, RecordType::A]);
        }
    }

    /// Chains of one to eight aliases, to data, to no data of this type, and to no name.
    fn aliases(&mut self) {
        for number in 0..100_usize {
            let end = match number % 10 {
                9 => "nobody.net1.example.".to_owned(),
                _ => format!("host{}.net{}.example.", number * 3, number * 3 % 10),
            };
            let length = number % 8 + 1;
            for link in 1..=length {
                let target = match link {
                    1 => end.clone(),
                    _ => format!("link{}.alias{number}.example.", link - 1),
                };
                self.add(&format!("link{link}.alias{number}.example"), RecordType::CNAME, &target);
            }
            let first = format!("link{length}.alias{number}.example");
            self.ask(&first, &[RecordType::A, RecordType::AAAA, RecordType::CNAME]);
        }
    }

    fn wildcards(&mut self) {
        for number in 0..10 {
            let zone = format!("wild{number}.example");
            self.add(&format!("*.{zone}"), RecordType::A, &format!("198.51.100.{number}"));
            self.add(&format!("*.alias.{zone}"), RecordType::CNAME, "host1.net1.example.");
            self.add(&format!("here.{zone}"), RecordType::TXT, "here");
            for label in 0..10 {
                let name = format!("x{label}.{zone}");
                self.ask(&name, &[RecordType::A, RecordType::TXT]);
            }
            self.ask(&format!("deep.er.{zone}"), &[RecordType::A]);
            self.ask(&format!("x.alias.{zone}"), &[RecordType::A, RecordType::CNAME]);
            self.ask(&format!("here.{zone}"), &[RecordType::A, RecordType::TXT]);
            self.ask(&format!("below.here.{zone}"), &[RecordType::A]);
        }
    }

    fn services(&mut self) {
        for number in 0..60 {
            let name = format!("svc{number}.example");
            let host = format!("host{number}.net{}.example.", number % 10);
            self.add(&name, RecordType::MX, &format!("10 {host}"));
            self.add(&name, RecordType::MX, &format!("20 {host}"));
            self.add(&format!("_x._tcp.{name}"), RecordType::SRV, &format!("1 2 443 {host}"));
            self.add(&name, RecordType::CAA, "0 issue \"ca.example\"");
            self.add(&name, RecordType::HTTPS, "1 . alpn=h2 ipv4hint=192.0.2.7");
            let data = (0..=number).map(|octet: u8| octet.wrapping_mul(37)).collect();
            self.insert(&name, RData::Unknown { code: UNKNOWN, rdata: NULL::with(data) });
            self.ask(&name, &[RecordType::MX, RecordType::CAA, RecordType::HTTPS, UNKNOWN]);
            self.ask(&format!("_x._tcp.{name}"), &[RecordType::SRV]);
            self.ask(&format!("_tcp.{name}"), &[RecordType::SRV]);
        }
    }

    /// Texts that fit into a datagram, and texts that do not.
    fn texts(&mut self) {
        for number in 0..50 {
            let name = format!("text{number}.example");
            let texts = (0..=number % 20).map(|_| "all work and no play ".repeat(10)).collect();
            self.insert(&name, RData::TXT(TXT::new(texts)));
            self.ask(&name, &[RecordType::TXT]);
        }
    }

    fn large_rrsets(&mut self) {
        for number in 1..=20 {
            let name = format!("many{number}.example");
            for last in 0..number * 10 {
                self.add(&name, RecordType::A, &format!("203.0.113.{last}"));
            }
            self.ask(&name, &[RecordType::A]);
        }
    }

    fn reverse_names(&mut self) {
        for number in 0..60 {
            let name = format!("{number}.8.8.8.in-addr.arpa");
            if number % 2 == 0 {
                self.add(&name, RecordType::PTR, &format!("host{number}.net0.example."));
            }
            self.ask(&name, &[RecordType::PTR]);
        }
    }

    /// Names for which two resolvers may well have different manners; data that must not get out
    /// are here so that it would be seen.
    fn names_that_matter(&mut self) {
        for name in [
            "localhost",
            "www.localhost",
            "leak.test",
            "leak.invalid",
            "leak.onion",
            "leak.local",
            "leak.internal",
            "leak.home.arpa",
            "use-application-dns.net",
            "mask.icloud.com",
            "_dns.resolver.arpa",
            "router.example",
            "x.refused.example",
            "x.servfail.example",
            "x.secure.example",
        ] {
            let address = if name == "router.example" { "192.168.0.1" } else { "192.0.2.99" };
            self.add(name, RecordType::A, address);
            self.ask(name, &[RecordType::A, RecordType::AAAA, RecordType::TXT]);
        }
        for name in ["4.3.2.10.in-addr.arpa", "1.1.168.192.in-addr.arpa", "1.0.0.127.in-addr.arpa"]
        {
            self.add(name, RecordType::PTR, "leak.example.");
            self.ask(name, &[RecordType::PTR, RecordType::TXT]);
        }
        for number in 0..10 {
            self.ask(&format!("host{number}.net{number}.example"), &[RecordType::ANY]);
        }
    }

    fn ask(&mut self, name: &str, rtypes: &[RecordType]) {
        self.questions.extend(rtypes.iter().map(|rtype| (name.to_owned(), *rtype)));
    }

    /// Adds a record as a master file writes it.
    fn add(&mut self, name: &str, rtype: RecordType, data: &str) {
        self.insert(name, RData::try_from_str(rtype, data).unwrap());
    }

    fn insert(&mut self, name: &str, data: RData) {
        let name = Name::from_ascii(format!("{name}.")).unwrap();
        let mut above = name.clone();
        while self.names.insert(above.clone()) && !above.is_root() {
            above = above.base_name();
        }
        let record = Record::from_rdata(name.clone(), TTL, data);
        self.records.entry((name, record.record_type())).or_default().push(record);
    }
}

impl Zone {
    /// The answer to a query, as a resolver would give it.
    pub(super) fn answer(&self, query: &Message) -> Message {
        let asked = &query.queries[0];
        let op_code = query.metadata.op_code;
        let mut answer = Message::new(query.metadata.id, MessageType::Response, op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.queries = query.queries.clone();
        answer.edns = query.edns.clone();
        let lies_in = |zone: &str| Name::from_ascii(zone).unwrap().zone_of(&asked.name);
        if lies_in("refused.example.") || lies_in("servfail.example.") {
            let is_refused = lies_in("refused.example.");
            let rcode = if is_refused { ResponseCode::Refused } else { ResponseCode::ServFail };
            answer.metadata.response_code = rcode;
            return answer;
        }
        answer.metadata.authentic_data = lies_in("secure.example.");
        let owner = self.follow(&asked.name, asked.query_type, &mut answer);
        let found = self.find(&owner, asked.query_type);
        if found.is_empty() {
            let rcode =
                if self.knows(&owner) { ResponseCode::NoError } else { ResponseCode::NXDomain };
            answer.metadata.response_code = rcode;
            answer.add_authority(soa(&owner));
        }
        answer.add_answers(found);
        answer
    }

    /// Follows aliases and adds them to an answer; where they end.
    fn follow(&self, name: &Name, rtype: RecordType, answer: &mut Message) -> Name {
        let mut owner = name.clone();
        while rtype != RecordType::CNAME
            && let [alias] = &*self.find(&owner, RecordType::CNAME)
            && let RData::CNAME(target) = &alias.data
        {
            owner = target.0.clone();
            answer.add_answer(alias.clone());
        }
        owner
    }

    /// The records of a name, made by a wildcard where there is no such name (RFC 4592).
    fn find(&self, name: &Name, rtype: RecordType) -> Vec<Record> {
        let source = if self.names.contains(name) { name.clone() } else { self.wildcard(name) };
        let mut records = self.records.get(&(source, rtype)).cloned().unwrap_or_default();
        for record in &mut records {
            record.name = name.clone();
        }
        records
    }

    fn knows(&self, name: &Name) -> bool {
        self.names.contains(name) || self.names.contains(&self.wildcard(name))
    }

    /// The wildcard that would stand for a name: below the closest name above it that exists.
    fn wildcard(&self, name: &Name) -> Name {
        let mut above = name.base_name();
        while !self.names.contains(&above) {
            above = above.base_name();
        }
        above.prepend_label("*").unwrap()
    }
}

/// The SOA of the top-level domain that a name lies in.
fn soa(name: &Name) -> Record {
    Record::from_rdata(name.trim_to(1), TTL, soa_data())
}

fn soa_data() -> RData {
    RData::SOA(SOA::new(Name::root(), Name::root(), 1, 7200, 3600, 86_400, 300))
}
