//! A server and a name from the command line go in, the answer's header and bytes come out: the
//! whole of this crate in one page.
//!
//! `cargo run -p doh-client --example one_shot -- https://1.1.1.1/dns-query example.com`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::env::args;
use std::error::Error;
use std::process::ExitCode;

use doh_client::{Client, Exchange};

/// A header with the id 0, "recursion desired" and one question (RFC 1035 section 4.1.1).
const HEADER: &[u8] = &[0, 0, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// The end of the name, type A and class IN (RFC 1035 section 4.1.2).
const A_IN: &[u8] = &[0, 0, 1, 0, 1];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (Some(server), Some(name)) = (args().nth(1), args().nth(2)) else {
        eprintln!("usage: one_shot https://HOST/PATH#ADDRESS NAME");
        return ExitCode::from(2);
    };
    match ask(&server, &name).await {
        Ok(exchange) => {
            show(&exchange);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn ask(server: &str, name: &str) -> Result<Exchange, Box<dyn Error>> {
    let client = Client::builder().server(server.parse()?).build()?;
    Ok(client.exchange(&query(name)?).await?)
}

/// A query for the addresses of a name, written by hand.
fn query(name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut query = HEADER.to_vec();
    for label in name.trim_end_matches('.').split('.') {
        query.push(u8::try_from(label.len())?);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(A_IN);
    Ok(query)
}

fn show(exchange: &Exchange) {
    if let Some(&[_, _, _, codes, _, _, high, low, ..]) = exchange.answer.first_chunk::<12>() {
        let records = u16::from_be_bytes([high, low]);
        println!("rcode {}, {records} records, after {:?}", codes & 0x0f, exchange.elapsed);
    }
    println!("{}", exchange.answer.escape_ascii());
}
