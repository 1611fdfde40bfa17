//! Who takes part: the floor always, ours where its program is given, peers where installed.

use std::{io, path::PathBuf};

use super::{
    CompareError, Scenario,
    lab::{Blocks, Lab},
    server::{Server, free_address},
    settings::{Attendance, Settings},
    tried,
};
use crate::peers::{
    self, Doh, FORWARDERS, PEERS, Peer, Site,
    dnsward::{self, Options, Parts},
    floor,
};

/// One server that can be started and measured.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) program: PathBuf,
    kind: Kind,
    blocks: Blocks,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Floor,
    PatientFloor,
    Dnsward(Parts),
    Peer(Peer),
}

/// Finds all that take part, the floor first, and the names of peers that are not installed.
pub(super) fn find_all(settings: &Settings) -> (Vec<Contender>, Vec<&'static str>) {
    let floor = Contender {
        name: "floor".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        program: settings.floor.clone(),
        kind: Kind::Floor,
        blocks: Blocks::Asked,
    };
    let mut found = vec![floor];
    if let Some(program) = &settings.dnsward {
        let version = peers::version(program, "version").unwrap_or_default();
        let mut add = |name: &str, parts| {
            let (name, version, program) = (name.to_owned(), version.clone(), program.clone());
            let (kind, blocks) = (Kind::Dnsward(parts), Blocks::Asked);
            found.push(Contender { name, version, program, kind, blocks });
        };
        add("dnsward", Parts::Default);
        if settings.bare == Attendance::Present {
            add("dnsward, bare", Parts::Bare);
        }
    }
    let mut missing = Vec::new();
    let peers = PEERS.into_iter().chain(FORWARDERS);
    for peer in peers.filter(|peer| settings.invites(peer.name)) {
        let given = settings.hickory.clone().filter(|_| peer.name == peers::hickory::PEER.name);
        let Some(program) = given.or_else(|| peer.find()) else {
            missing.push(peer.name);
            continue;
        };
        let version = peers::version(&program, peer.version).unwrap_or_default();
        let (name, kind, blocks) = (peer.name.to_owned(), Kind::Peer(peer), Blocks::Asked);
        found.push(Contender { name, version, program, kind, blocks });
    }
    (found, missing)
}

impl Settings {
    fn invites(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|name| name == peer)
    }
}

impl Contender {
    pub(super) fn is_floor(&self) -> bool {
        matches!(self.kind, Kind::Floor)
    }

    pub(super) fn is_patient_floor(&self) -> bool {
        matches!(self.kind, Kind::PatientFloor)
    }

    /// Whether it is our server as it comes.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Dnsward(Parts::Default))
    }

    /// Those of a scenario who take part in it.
    pub(super) fn of(scenario: Scenario, all: &[Self]) -> Vec<Self> {
        match scenario {
            Scenario::UdpBlocked => all.iter().flat_map(Self::with_other_list).collect(),
            Scenario::PerConnection => all.iter().flat_map(Self::with_patience).collect(),
            _ => all.iter().filter(|one| one.answers_by_itself()).cloned().collect(),
        }
    }

    /// Where names are blocked, our server also takes part with a list that does not have them:
    /// blocked and cached names should cost the same. Nobody else blocks.
    fn with_other_list(&self) -> Vec<Self> {
        let name = format!("{}: not in the list", self.name);
        match self.kind {
            Kind::Peer(_) => Vec::new(),
            Kind::Floor | Kind::PatientFloor => vec![self.clone()],
            Kind::Dnsward(_) => {
                vec![self.clone(), Self { name, blocks: Blocks::Others, ..self.clone() }]
            }
        }
    }

    /// Where each connection has one query, a second floor lets its clients close, as servers do.
    fn with_patience(&self) -> Vec<Self> {
        let patient =
            Self { name: "floor, patient".to_owned(), kind: Kind::PatientFloor, ..self.clone() };
        if self.is_floor() { vec![self.clone(), patient] } else { vec![self.clone()] }
    }

    /// Starts it for a scenario and asks it for every name.
    pub(super) fn start(&self, scenario: Scenario, lab: &Lab<'_>) -> Result<Server, CompareError> {
        let mut server = self.start_cold(scenario, scenario.floor(), lab)?;
        server.prime(&self.name, scenario, lab.settings)?;
        Ok(server)
    }

    /// Starts it with nothing cached; the floor as the kind given.
    pub(super) fn start_cold(
        &self,
        scenario: Scenario,
        floor: floor::Kind,
        lab: &Lab<'_>,
    ) -> Result<Server, CompareError> {
        let cpu = lab.settings.server_cpu;
        let mut listen = free_address().map_err(tried("cannot find a free port"))?;
        if scenario == Scenario::UdpWildcard {
            listen = ([0, 0, 0, 0], listen.port()).into();
        }
        let site = lab.site(&self.name.replace([',', ':', ' '], "-"), listen)?;
        let program = &self.program;
        let start_floor = |kind| Server::start_floor(&floor::command(program, kind, listen), cpu);
        let command = match self.kind {
            Kind::Floor => return start_floor(floor),
            Kind::PatientFloor => return start_floor(floor::Kind::Patient),
            Kind::Peer(peer) => (peer.command)(program, &site),
            Kind::Dnsward(parts) => {
                let is_blocking = scenario == Scenario::UdpBlocked;
                let list = is_blocking.then(|| lab.list(self.blocks)).transpose()?;
                let others = [free_address()?, free_address()?];
                let options = Options { parts, list, password_hash: None, others };
                dnsward::command(program, &site, &options)
            }
        };
        let command = command.map_err(tried(format!("cannot write settings of {}", self.name)))?;
        Server::start(&self.name, &command, listen, &site.directory, cpu)
    }

    /// Whether it takes part where names are cached.
    fn answers_by_itself(&self) -> bool {
        !matches!(self.kind, Kind::Peer(_)) || !self.forwards_over_https()
    }

    /// Whether it asks over HTTPS what it does not know.
    pub(super) fn forwards_over_https(&self) -> bool {
        match self.kind {
            Kind::Floor | Kind::PatientFloor => false,
            Kind::Dnsward(_) => true,
            Kind::Peer(peer) => FORWARDERS.iter().any(|other| other.name == peer.name),
        }
    }

    /// Starts it in front of a DoH server.
    pub(super) fn start_before(&self, doh: &Doh, lab: &Lab<'_>) -> Result<Server, CompareError> {
        let listen = free_address().map_err(tried("cannot find a free port"))?;
        let site = lab.site(&self.name.replace([',', ':', ' '], "-"), listen)?;
        let site = Site { doh: doh.clone(), ..site };
        let command = match self.kind {
            Kind::Peer(peer) => (peer.command)(&self.program, &site),
            Kind::Dnsward(parts) => {
                let others = [free_address()?, free_address()?];
                let options = Options { parts, list: None, password_hash: None, others };
                dnsward::command(&self.program, &site, &options)
            }
            Kind::Floor | Kind::PatientFloor => Err(io::ErrorKind::Unsupported.into()),
        };
        let command = command.map_err(tried(format!("cannot write settings of {}", self.name)))?;
        Server::start(&self.name, &command, listen, &site.directory, lab.settings.server_cpu)
    }

    /// Starts ours with settings of its own, nothing cached.
    pub(super) fn start_with(
        &self,
        options: &Options,
        lab: &Lab<'_>,
    ) -> Result<Server, CompareError> {
        let listen = free_address().map_err(tried("cannot find a free port"))?;
        let site = lab.site(&self.name, listen)?;
        let command = dnsward::command(&self.program, &site, options)
            .map_err(tried(format!("cannot write settings of {}", self.name)))?;
        Server::start(&self.name, &command, listen, &site.directory, lab.settings.server_cpu)
    }
}
