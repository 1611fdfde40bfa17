//! `dnsward query`: looks a name up and prints the answer as people know it from `dig`.

use std::{
    io,
    net::SocketAddr,
    str::FromStr as _,
    time::{Duration, Instant},
};

use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{
        Name, Record, RecordType,
        rdata::opt::{EdnsCode, EdnsOption},
    },
};

use super::{Asked, Exit, Form, ServerAddress, client, error_line, print, shown::Shown};
use crate::query::MAX_UDP_ANSWER;

/// The option that carries Extended DNS Errors (RFC 8914 section 2).
const EDE: u16 = 15;

/// What is looked up, and how.
pub(super) struct Request {
    pub(super) name: String,
    pub(super) qtype: String,
    pub(super) is_udp: bool,
}

pub(super) fn run(request: &Request, server: &ServerAddress, form: Form) -> Exit {
    let query = match message(request) {
        Ok(query) => query,
        Err(problem) => {
            error_line(problem);
            return Exit::Usage;
        }
    };
    let server = match server.resolve() {
        Ok(server) => server,
        Err(exit) => return exit,
    };
    let started = Instant::now();
    match ask(&server, &query, request.is_udp) {
        Ok(answer) => {
            let took = started.elapsed();
            show(&answer, server.address, took, form);
            let is_good = answer.metadata.response_code == ResponseCode::NoError;
            if is_good { Exit::Ok } else { Exit::No }
        }
        Err(error) => {
            error_line(format_args!("no answer from {}: {error}", server.address));
            Exit::Unreachable
        }
    }
}

fn message(request: &Request) -> Result<Message, String> {
    let name = Name::from_utf8(&request.name)
        .map_err(|error| format!("`{}` is not a domain name: {error}", request.name))?;
    let qtype = RecordType::from_str(&request.qtype.to_ascii_uppercase())
        .map_err(|_| format!("`{}` is not a record type, such as A or HTTPS", request.qtype))?;
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_UDP_ANSWER);
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, qtype)).set_edns(edns);
    Ok(message)
}

fn ask(server: &Asked, query: &Message, is_udp: bool) -> io::Result<Message> {
    if is_udp {
        let answer = client::over_udp(server.address, query)?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
    }
    client::over_tcp(server, query)
}

fn show(answer: &Message, server: SocketAddr, took: Duration, form: Form) {
    let rcode = answer.metadata.response_code;
    let reasons = reasons(answer);
    let milliseconds = took.as_secs_f64() * 1000.0;
    if form.json {
        let records: Vec<_> = answer.answers.iter().map(json).collect();
        let answer = serde_json::json!({
            "server": server.to_string(),
            "rcode": word(rcode),
            "answers": records,
            "ede": reasons.iter().map(|(code, text)| serde_json::json!({
                "code": code, "text": text
            })).collect::<Vec<_>>(),
            "milliseconds": milliseconds,
        });
        print(Shown::json(&answer.to_string()));
        return;
    }
    for record in answer.answers.iter().chain(&answer.authorities) {
        print(Shown::text(&record.to_string()));
    }
    for (code, text) in &reasons {
        print(format_args!("; EDE {code}: {}", Shown::text(text)));
    }
    print(format_args!("; {} from {server} in {milliseconds:.1} ms", word(rcode)));
}

fn word(rcode: ResponseCode) -> String {
    crate::querylog::rcode_word(u16::from(rcode))
}

fn json(record: &Record) -> serde_json::Value {
    serde_json::json!({
        "name": record.name.to_string(),
        "type": record.record_type().to_string(),
        "ttl": record.ttl,
        "data": record.data.to_string(),
    })
}

/// The Extended DNS Errors of an answer: code and text.
fn reasons(answer: &Message) -> Vec<(u16, String)> {
    let Some(edns) = &answer.edns else { return Vec::new() };
    let options = edns.options().as_ref().iter();
    let reason = |(code, option): &(EdnsCode, EdnsOption)| match option {
        EdnsOption::Unknown(_, bytes) if u16::from(*code) == EDE => {
            let (code, text) = bytes.split_first_chunk::<2>()?;
            Some((u16::from_be_bytes(*code), String::from_utf8_lossy(text).into_owned()))
        }
        _ => None,
    };
    options.filter_map(reason).collect()
}
