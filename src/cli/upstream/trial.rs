//! A configuration goes in, what each upstream server answers to one real question comes out. Every
//! server has a client of its own, so that none can answer in another's place.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clap::Args;
use doh_client::{Connected, Error, Event, Observer, Server};
use futures_util::future::join_all;
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};
use serde::Serialize;
use tokio::runtime::Builder;

use super::super::{
    ConfigFile, Exit, Form, error_line, print, read,
    shown::Shown,
    table::{Cell, Table},
};
use crate::{
    causes,
    config::Config,
    querylog::rcode_word,
    upstream::{UpstreamError, client_of},
};

/// Which servers are tested.
#[derive(Args, Debug)]
pub(in super::super) struct Request {
    /// The URL of one server, configured or not [default: every configured server]
    server: Option<String>,
}

/// A server and what it is asked.
struct Trial {
    server: Server,
    name: Name,
    qtype: RecordType,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    server: String,
    question: String,
    /// Whether it gave an answer that can be used.
    ok: bool,
    address: Option<SocketAddr>,
    tcp_ms: Option<f64>,
    tls_ms: Option<f64>,
    tls_version: Option<&'static str>,
    tls_group: Option<&'static str>,
    round_trip_ms: Option<f64>,
    rcode: Option<String>,
    error: Option<String>,
    next_step: Option<String>,
}

/// Asks each server; no where one does not answer well.
pub(super) fn test(request: &Request, config: &ConfigFile, form: Form) -> Exit {
    let config = match read(&config.source()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let trials = match Trial::all(&config, request.server.as_deref()) {
        Ok(trials) => trials,
        Err(problem) => {
            error_line(problem);
            return Exit::Usage;
        }
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error_line(error);
            return Exit::CannotStart;
        }
    };
    let outcomes = runtime.block_on(join_all(trials.iter().map(|trial| trial.run(&config))));
    form.print_json(&outcomes);
    if !form.json {
        print(table(&outcomes));
        for line in outcomes.iter().filter_map(Outcome::trouble) {
            print(Shown::text(&line));
        }
    }
    if outcomes.iter().all(|outcome| outcome.ok) { Exit::Ok } else { Exit::No }
}

impl Trial {
    /// One for each server, or for the one that is named.
    fn all(config: &Config, only: Option<&str>) -> Result<Vec<Self>, String> {
        let mut trials: Vec<Self> = Vec::new();
        let general = config.upstream.servers.iter().map(|server| (server, None));
        let routed =
            config.upstream.routes.iter().flat_map(|route| {
                route.servers.iter().map(|server| (server, route.domains.first()))
            });
        for (server, domain) in general.chain(routed) {
            if trials.iter().all(|trial| trial.server != *server) {
                trials.push(Self::new(server, domain.map(ToString::to_string).as_deref()));
            }
        }
        let Some(text) = only else { return Ok(trials) };
        let is_meant =
            |trial: &Self| trial.server.to_string() == text || trial.server.host() == text;
        if trials.iter().any(is_meant) {
            trials.retain(is_meant);
            return Ok(trials);
        }
        let known: Vec<String> = trials.iter().map(|trial| trial.server.to_string()).collect();
        let server = text
            .parse::<Server>()
            .map_err(|error| format!("`{text}`: {error}\nconfigured are: {}", known.join(", ")))?;
        Ok(vec![Self::new(&server, None)])
    }

    /// Every resolver knows who serves the root; one for some domains only knows who serves them.
    fn new(server: &Server, domain: Option<&str>) -> Self {
        let name = domain.and_then(|domain| Name::from_ascii(domain).ok());
        let qtype = if name.is_some() { RecordType::SOA } else { RecordType::NS };
        Self { server: server.clone(), name: name.unwrap_or_else(Name::root), qtype }
    }

    async fn run(&self, config: &Config) -> Outcome {
        let seen = Arc::new(Seen::default());
        let asked = self.ask(config, seen.clone()).await;
        let mut outcome = Outcome {
            server: self.server.to_string(),
            question: format!("{} {}", self.name, self.qtype),
            ..Outcome::default()
        };
        outcome.note_seen(*seen.lock());
        match asked {
            Ok(rcode) => outcome.note_answer(rcode),
            Err((error, next)) => (outcome.error, outcome.next_step) = (Some(error), Some(next)),
        }
        outcome
    }

    /// The response code, or what went wrong and what can be done about it.
    async fn ask(
        &self,
        config: &Config,
        seen: Arc<Seen>,
    ) -> Result<ResponseCode, (String, String)> {
        let of_settings = |error: UpstreamError| {
            (causes::one_line(&error), "see what `dnsward check` says".to_owned())
        };
        let client = client_of(config, &self.server, seen).map_err(of_settings)?;
        let exchange = client.exchange(&self.query()).await.map_err(|error| told(&error))?;
        let answer = Message::from_vec(&exchange.answer).map_err(|error| {
            (format!("its answer cannot be read: {error}"), "ask another server".to_owned())
        })?;
        Ok(answer.metadata.response_code)
    }

    fn query(&self) -> Vec<u8> {
        let mut query = Message::query();
        query.metadata.id = 0;
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(self.name.clone(), self.qtype));
        // A question of one name always fits.
        query.to_vec().unwrap_or_default()
    }
}

/// What the failure of an exchange with one server says, and the next step.
fn told(error: &Error) -> (String, String) {
    let failure = match error {
        Error::Timeout { failures, .. } | Error::AllFailed(failures) => failures.last(),
        _ => None,
    };
    match failure.map(|failed| &failed.failure) {
        Some(failure) => (causes::one_line(failure), failure.next_step().to_owned()),
        None => {
            let next = "check its addresses and port, or allow it more time (upstream.timeout)";
            (causes::one_line(error), next.to_owned())
        }
    }
}

impl Outcome {
    fn note_seen(&mut self, seen: Sights) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        if let Some(connected) = seen.connected {
            self.address = Some(connected.address);
            self.tcp_ms = Some(milliseconds(connected.tcp));
            if let Some(tls) = connected.tls {
                self.tls_ms = Some(milliseconds(tls.took));
                (self.tls_version, self.tls_group) = (Some(tls.version), Some(tls.group));
            }
        }
        self.round_trip_ms = seen.round_trip.map(milliseconds);
    }

    fn note_answer(&mut self, rcode: ResponseCode) {
        self.rcode = Some(rcode_word(u16::from(rcode)));
        self.ok = matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain);
        if !self.ok {
            self.error = Some("it answers, but not this question".to_owned());
            self.next_step = Some("check whether it serves this host, and these names".to_owned());
        }
    }

    /// What is wrong, for a person.
    fn trouble(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let next = self.next_step.as_deref().map(|next| format!("; {next}")).unwrap_or_default();
        Some(format!("{}: {error}{next}", self.server))
    }
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table =
        Table::titled(&["SERVER", "ASKED", "ANSWER", "TOOK", "TCP", "TLS", "ADDRESS", "AGREED"]);
    let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
    for outcome in outcomes {
        let agreed = [outcome.tls_version, outcome.tls_group].into_iter().flatten();
        table.row([
            Cell::text(&outcome.server),
            Cell::text(&outcome.question),
            Cell::text(outcome.rcode.as_deref().unwrap_or("none")),
            Cell::number(time(outcome.round_trip_ms)),
            Cell::number(time(outcome.tcp_ms)),
            Cell::number(time(outcome.tls_ms)),
            Cell::text(&outcome.address.map(|address| address.to_string()).unwrap_or_default()),
            Cell::text(&agreed.collect::<Vec<_>>().join(" ")),
        ]);
    }
    table
}

/// Sees how the connection came about and how long the answer took.
#[derive(Default)]
struct Seen(Mutex<Sights>);

#[derive(Clone, Copy, Default)]
struct Sights {
    connected: Option<Connected>,
    round_trip: Option<Duration>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Sights> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Seen {
    fn note(&self, _: usize, event: &Event<'_>) {
        match event {
            Event::Connected(connected) => self.lock().connected = Some(**connected),
            Event::Answered { round_trip, .. } => self.lock().round_trip = Some(*round_trip),
            _ => {}
        }
    }
}
