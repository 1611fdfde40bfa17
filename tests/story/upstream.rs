//! An upstream that does what a story says, without sockets.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use dnsward::upstream::{Carriage, Carrier, Delivery, Failure};
use hickory_proto::{
    op::{Edns, Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{CNAME, NULL, SOA, opt::EdnsOption},
    },
    serialize::binary::BinEncodable as _,
};
use tokio::time::sleep;

use super::duration;

/// Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Upstream {
    script: Arc<Mutex<Script>>,
}

#[derive(Clone, Default)]
struct Script {
    records: Vec<Record>,
    conduct: Conduct,
    /// Zones whose servers conduct themselves in another way.
    of_zones: Vec<(Name, Conduct)>,
    delay: Duration,
    reasons: Vec<(u16, String)>,
    is_validating: bool,
    asked: usize,
}

#[derive(Clone, Copy, Default)]
enum Conduct {
    #[default]
    Answer,
    Fail(ResponseCode),
    Unreachable,
    Silent,
    Panic,
}

impl Upstream {
    /// Knows data from now on, such as `www.example A`, `192.0.2.1`, or an alias; more data of
    /// the same name and type come on top.
    pub(crate) fn knows(&self, what: &str, data: &str, ttl: u32) {
        let (owner, rtype) = what.split_once(' ').expect("a name and a type");
        let data = match rtype {
            "A" | "AAAA" => match data.parse().expect("an address") {
                IpAddr::V4(address) => RData::A(address.into()),
                IpAddr::V6(address) => RData::AAAA(address.into()),
            },
            "CNAME" => RData::CNAME(CNAME(to_name(data))),
            _ => panic!("no story needs {rtype} yet"),
        };
        self.script().records.push(Record::from_rdata(to_name(owner), ttl, data));
    }

    /// Knows nothing about a name any more.
    pub(crate) fn forgets(&self, owner: &str) {
        self.script().records.retain(|record| record.name != to_name(owner));
    }

    /// Is well (again).
    pub(crate) fn recovers(&self) {
        let mut script = self.script();
        script.conduct = Conduct::Answer;
        script.of_zones.clear();
    }

    /// Says nothing about names in this zone.
    pub(crate) fn falls_silent_about(&self, zone: &str) {
        self.script().of_zones.push((to_name(zone), Conduct::Silent));
    }

    /// Cannot be reached for names in this zone.
    pub(crate) fn dies_for(&self, zone: &str) {
        self.script().of_zones.push((to_name(zone), Conduct::Unreachable));
    }

    /// Brings its carrier down with every query.
    pub(crate) fn is_a_defect(&self) {
        self.script().conduct = Conduct::Panic;
    }

    /// Cannot be reached.
    pub(crate) fn dies(&self) {
        self.script().conduct = Conduct::Unreachable;
    }

    /// Says nothing.
    pub(crate) fn falls_silent(&self) {
        self.script().conduct = Conduct::Silent;
    }

    /// Answers everything with this code.
    pub(crate) fn fails(&self, rcode: ResponseCode) {
        self.script().conduct = Conduct::Fail(rcode);
    }

    /// Takes its time for every answer.
    pub(crate) fn takes(&self, time: &str) {
        self.script().delay = duration(time);
    }

    /// Adds an Extended DNS Error to every answer.
    pub(crate) fn explains(&self, code: u16, text: &str) {
        self.script().reasons.push((code, text.to_owned()));
    }

    /// Sets AD in every answer, and sends a proof that covers all names of the zone with each "no".
    pub(crate) fn validates(&self) {
        self.script().is_validating = true;
    }

    /// How often it was asked since this was last called.
    pub(crate) fn asked(&self) -> usize {
        std::mem::take(&mut self.script().asked)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }
}

impl Carrier for Upstream {
    fn carry<'a>(&'a self, query: &'a [u8]) -> Carriage<'a> {
        let script = {
            let mut script = self.script();
            script.asked += 1;
            script.clone()
        };
        Box::pin(async move {
            sleep(script.delay).await;
            let query = Message::from_vec(query).unwrap();
            let answer = match script.conduct_for(&query.queries[0].name) {
                Conduct::Answer => script.answer(&query),
                Conduct::Fail(rcode) => script.reply(&query, rcode),
                Conduct::Unreachable => return Err(Failure::Unreachable),
                Conduct::Silent => std::future::pending().await,
                Conduct::Panic => panic!("as the story says"),
            };
            let answer = answer.to_vec().unwrap();
            Ok(Delivery { answer, age: Duration::ZERO, server: Arc::from("story") })
        })
    }

    fn status(&self) -> Vec<doh_client::ServerStatus> {
        Vec::new()
    }
}

impl Script {
    fn answer(&self, query: &Message) -> Message {
        let asked = &query.queries[0];
        let mut answer = self.reply(query, ResponseCode::NoError);
        let mut owner = asked.name.clone();
        while let Some(alias) = self.find(&owner, RecordType::CNAME).next() {
            // Aliases that go round end where they began.
            if answer.answers.contains(alias) {
                break;
            }
            answer.add_answer(alias.clone());
            let RData::CNAME(target) = &alias.data else { break };
            owner = target.0.clone();
        }
        answer.add_answers(self.find(&owner, asked.query_type).cloned());
        if !answer.answers.iter().any(|record| record.record_type() == asked.query_type) {
            let is_known = self.records.iter().any(|record| owner.zone_of(&record.name));
            if !is_known {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            let soa = SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 60);
            let zone = owner.base_name();
            if self.is_validating {
                // The last name of a zone has its first for a neighbour; it has SOA and NSEC.
                let data =
                    [zone.to_bytes().unwrap().as_slice(), b"\0\x06\x02\0\0\0\0\x01"].concat();
                let (code, rdata) = (RecordType::NSEC, NULL::with(data));
                let proof = RData::Unknown { code, rdata };
                answer.add_authority(Record::from_rdata(zone.clone(), 60, proof));
            }
            answer.add_authority(Record::from_rdata(zone, 60, RData::SOA(soa)));
        }
        answer
    }

    fn conduct_for(&self, name: &Name) -> Conduct {
        let of_zone = self.of_zones.iter().find(|(zone, _)| zone.zone_of(name));
        of_zone.map_or(self.conduct, |(_, conduct)| *conduct)
    }

    fn find<'s>(
        &'s self,
        name: &Name,
        rtype: RecordType,
    ) -> impl Iterator<Item = &'s Record> + use<'s> {
        let name = name.clone();
        let fits = move |record: &&Record| record.name == name && record.record_type() == rtype;
        self.records.iter().filter(fits)
    }

    fn reply(&self, query: &Message, rcode: ResponseCode) -> Message {
        let mut reply =
            Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        reply.metadata.recursion_available = true;
        reply.metadata.authentic_data = self.is_validating;
        reply.metadata.response_code = rcode;
        reply.queries = query.queries.clone();
        let mut edns = Edns::new();
        for (code, text) in &self.reasons {
            let option = [&code.to_be_bytes(), text.as_bytes()].concat();
            edns.options_mut().insert(EdnsOption::Unknown(15, option));
        }
        reply.set_edns(edns);
        reply
    }
}

fn to_name(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).unwrap()
}
