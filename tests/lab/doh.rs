//! A scripted DoH upstream: real TLS, real HTTP/2, on a port of its own.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{
            CNAME, HTTPS, OPT, SOA, SVCB, TXT,
            opt::EdnsOption,
            svcb::{IpHint, Mandatory, SvcParamKey, SvcParamValue},
        },
    },
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{RootCertStore, crypto::aws_lc_rs};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::server::TlsStream;

use super::{
    hostile::{Body, Ending, Hostility, Reset},
    tls::acceptor,
};

/// An HTTP client for the server's own plain listeners.
pub(crate) fn plain_client() -> reqwest::Client {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// What an upstream knows and how it behaves, until it starts.
#[derive(Clone)]
pub(crate) struct Fake {
    hostility: Option<Hostility>,
    records: Vec<Record>,
    ttl: u32,
    conduct: Conduct,
    gate: Option<Arc<Notify>>,
    gates: HashMap<Name, Arc<Notify>>,
    answering: Option<Answering>,
    option: Option<EdnsOption>,
    age: Option<&'static str>,
    asks_who_we_are: bool,
    queries: Arc<Mutex<Vec<Message>>>,
}

/// Makes an answer of a query.
pub(crate) type Answering = Arc<dyn Fn(&Message) -> Message + Send + Sync>;

/// How an upstream behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conduct {
    Answer,
    Fail(ResponseCode),
    Status(StatusCode),
    WrongQuestion,
    Hang,
}

/// A running upstream.
pub(crate) struct Running {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
    queries: Arc<Mutex<Vec<Message>>>,
}

impl Running {
    /// Its URL, as the configuration wants it.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/dns-query", self.address)
    }

    /// Its port at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Requests that reached it.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// The queries that reached it, in their order.
    pub(crate) fn queries(&self) -> Vec<Message> {
        self.queries.lock().unwrap().clone()
    }
}

impl Fake {
    /// An upstream that knows no name.
    pub(crate) fn new() -> Self {
        Self {
            hostility: None,
            records: Vec::new(),
            ttl: 300,
            conduct: Conduct::Answer,
            gate: None,
            gates: HashMap::new(),
            answering: None,
            option: None,
            age: None,
            asks_who_we_are: false,
            queries: Arc::default(),
        }
    }

    /// Knows an address.
    pub(crate) fn a(self, name: &str, address: [u8; 4]) -> Self {
        self.record(name, RData::A(Ipv4Addr::from(address).into()))
    }

    /// Knows an alias.
    pub(crate) fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(to_name(target))))
    }

    /// Knows a service whose target is another name.
    pub(crate) fn https(self, name: &str, target: &str) -> Self {
        self.record(name, RData::HTTPS(HTTPS(SVCB::new(0, to_name(target), Vec::new()))))
    }

    /// Knows a service with these addresses as hints, which its clients must understand.
    pub(crate) fn https_with_hints(self, name: &str, hints: &[[u8; 4]]) -> Self {
        let hints = hints.iter().map(|hint| Ipv4Addr::from(*hint).into()).collect();
        let params = vec![
            (
                SvcParamKey::Mandatory,
                SvcParamValue::Mandatory(Mandatory(vec![SvcParamKey::Ipv4Hint])),
            ),
            (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(hints))),
        ];
        self.record(name, RData::HTTPS(HTTPS(SVCB::new(1, Name::root(), params))))
    }

    /// Knows a text of many octets.
    pub(crate) fn long_txt(self, name: &str, octets: usize) -> Self {
        let strings = "x".repeat(octets).as_bytes().chunks(200).map(text_of).collect();
        self.record(name, RData::TXT(TXT::new(strings)))
    }

    /// The records it knows from now on have this time to live.
    pub(crate) fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    /// Answers everything with this response code.
    pub(crate) fn failing(mut self, rcode: ResponseCode) -> Self {
        self.conduct = Conduct::Fail(rcode);
        self
    }

    /// Answers everything with this HTTP status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.conduct = Conduct::Status(StatusCode::from_u16(status).unwrap());
        self
    }

    /// Answers a question that nobody asked.
    pub(crate) fn wrong_question(mut self) -> Self {
        self.conduct = Conduct::WrongQuestion;
        self
    }

    /// Plays a trick with every answer, until it turns honest.
    pub(crate) fn hostile(mut self, hostility: &Hostility) -> Self {
        self.hostility = Some(hostility.clone());
        self
    }

    /// Never answers.
    pub(crate) fn hanging(mut self) -> Self {
        self.conduct = Conduct::Hang;
        self
    }

    /// Answers as this says, in place of what it knows.
    pub(crate) fn answering(mut self, answering: Answering) -> Self {
        self.answering = Some(answering);
        self
    }

    /// Answers each request only after one permit of the gate.
    pub(crate) fn gated(mut self, gate: &Arc<Notify>) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Answers requests for one name only after a permit of its gate.
    pub(crate) fn gates(mut self, name: &str, gate: &Arc<Notify>) -> Self {
        self.gates.insert(to_name(name), gate.clone());
        self
    }

    /// Its answers have this EDNS option.
    pub(crate) fn option(mut self, code: u16, data: &[u8]) -> Self {
        self.option = Some(EdnsOption::Unknown(code, data.to_vec()));
        self
    }

    /// Its answers come from an HTTP cache, which says that they are so old.
    pub(crate) fn aged(mut self, age: &'static str) -> Self {
        self.age = Some(age);
        self
    }

    /// Answers only who shows it a certificate of the labs' authority.
    pub(crate) fn asking_who_we_are(mut self) -> Self {
        self.asks_who_we_are = true;
        self
    }

    /// Knows a record of any kind.
    pub(crate) fn record(mut self, name: &str, data: RData) -> Self {
        self.records.push(Record::from_rdata(to_name(name), self.ttl, data));
        self
    }

    /// Starts it; a lab does that for its own.
    pub(crate) async fn start(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let queries = self.queries.clone();
        let tls = acceptor(self.asks_who_we_are);
        let (fake, counted) = (Arc::new(self), hits.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (fake, counted, tls) = (fake.clone(), counted.clone(), tls.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        fake.serve(stream, counted).await;
                    }
                });
            }
        });
        Running { address, hits, queries }
    }

    /// Serves one connection until either side has enough of it.
    async fn serve(self: Arc<Self>, stream: TlsStream<TcpStream>, hits: Arc<AtomicUsize>) {
        let ending = Arc::new(Ending::default());
        let service = hyper::service::service_fn(|request| {
            hits.fetch_add(1, Ordering::SeqCst);
            let (fake, ending) = (self.clone(), ending.clone());
            async move { fake.meet(request, &ending).await }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        loop {
            tokio::select! {
                // How a connection ends is the server's affair.
                _ = connection.as_mut() => break,
                () = ending.farewell.notified() => connection.as_mut().graceful_shutdown(),
                () = ending.cut.notified() => break,
            }
        }
    }

    /// Meets a request as its mood is.
    async fn meet(
        &self,
        request: Request<Incoming>,
        ending: &Ending,
    ) -> Result<Response<Body>, Reset> {
        let Some(trick) = self.hostility.as_ref().and_then(Hostility::trick) else {
            let response = self.respond(request).await.map_err(|_| Reset)?;
            return Ok(response.map(Full::boxed_unsync));
        };
        let body = request.into_body().collect().await.map_err(|_| Reset)?.to_bytes();
        let query = Message::from_vec(&body).expect("the server sends DNS messages");
        trick.play(self.answer(&query), ending).await
    }

    async fn respond(&self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let body = request.into_body().collect().await?.to_bytes();
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let query = Message::from_vec(&body).expect("the server sends DNS messages");
        if let Some(gate) = self.gates.get(&query.queries[0].name) {
            gate.notified().await;
        }
        self.queries.lock().unwrap().push(query.clone());
        let answer = match self.conduct {
            Conduct::Hang => std::future::pending().await,
            Conduct::Status(status) => {
                return Ok(Response::builder().status(status).body(Full::default()).unwrap());
            }
            Conduct::Fail(rcode) => reply(&query, rcode),
            Conduct::WrongQuestion => {
                let mut answer = self.answer(&query);
                answer.queries = vec![Query::query(to_name("other.example"), RecordType::A)];
                answer
            }
            Conduct::Answer => match &self.answering {
                Some(answering) => answering(&query),
                None => self.answer(&query),
            },
        };
        let mut answer = answer;
        if let Some(option) = &self.option {
            answer.edns.get_or_insert_default().options_mut().insert(option.clone());
        }
        let body = Full::from(answer.to_vec().unwrap());
        let head = Response::builder().header("content-type", "application/dns-message");
        let head = self.age.into_iter().fold(head, |head, age| head.header("age", age));
        Ok(head.body(body).unwrap())
    }

    fn answer(&self, query: &Message) -> Message {
        let asked = &query.queries[0];
        let mut answer = reply(query, ResponseCode::NoError);
        let mut owner = asked.name.clone();
        while let Some(alias) = self.find(&owner, RecordType::CNAME).next() {
            answer.add_answer(alias.clone());
            let RData::CNAME(target) = &alias.data else { break };
            owner = target.0.clone();
        }
        answer.add_answers(self.find(&owner, asked.query_type).cloned());
        if answer.answers.is_empty() {
            let is_known = self.records.iter().any(|record| record.name == owner);
            let rcode = if is_known { ResponseCode::NoError } else { ResponseCode::NXDomain };
            answer.metadata.response_code = rcode;
            let soa = SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 60);
            answer.add_authority(Record::from_rdata(to_name("example"), 900, RData::SOA(soa)));
        }
        answer
    }

    fn find<'f>(
        &'f self,
        name: &Name,
        rtype: RecordType,
    ) -> impl Iterator<Item = &'f Record> + use<'f> {
        let name = name.clone();
        self.records
            .iter()
            .filter(move |record| record.name == name && record.record_type() == rtype)
    }
}

fn reply(query: &Message, rcode: ResponseCode) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    reply.metadata.authentic_data = true;
    reply.metadata.response_code = rcode;
    reply.queries = query.queries.clone();
    if let Some(edns) = &query.edns {
        // What the query's options say is not repeated (RFC 6891 section 6.1.2).
        let mut edns = edns.clone();
        *edns.options_mut() = OPT::default();
        reply.set_edns(edns);
    }
    reply
}

pub(super) fn to_name(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).unwrap()
}

fn text_of(chunk: &[u8]) -> String {
    String::from_utf8(chunk.to_vec()).unwrap()
}
