//! How much memory a server takes when it does nothing, and when ten thousand clients keep a
//! connection open, as the proxies of a mesh do.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use super::{
    CompareError, Scenario,
    contender::Contender,
    lab::Lab,
    table::{append_notes, title},
};
use crate::{
    frame::Frames,
    mix::{Mix, generated_names},
    packet::{Edns, Question},
};

/// Connections that are kept open.
const CONNECTIONS: usize = 10_000;

/// How long a server rests after its start before it is looked at: what it does once is over then.
const REST: Duration = Duration::from_secs(5);

/// How long a server may take for the one answer of a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found.
struct Memory {
    name: String,
    started: f64,
    full: f64,
    open: usize,
}

/// Measures all contenders, one after the other, and makes a table of it.
pub(super) fn measure(lab: &Lab<'_>, contenders: &[Contender]) -> Result<String, CompareError> {
    let (mut text, mut notes) = (title(Scenario::Idle), Vec::new());
    text += "| server | after the start, MiB | connections open | more MiB | KiB each |\n\
             |---|---|---|---|---|\n";
    for contender in &Contender::of(Scenario::Idle, contenders) {
        match look_at(contender, lab) {
            Ok(memory) => {
                let _ = writeln!(text, "{}", memory.row());
            }
            Err(error) => notes.push(error.to_string()),
        }
    }
    append_notes(&mut text, &notes);
    Ok(text)
}

fn look_at(contender: &Contender, lab: &Lab<'_>) -> Result<Memory, CompareError> {
    let server = contender.start_cold(Scenario::Idle, Scenario::Idle.floor(), lab)?;
    thread::sleep(REST);
    let started = server.resident()?;
    let connections = open_all(server.reachable());
    let full = server.resident()?;
    let open = connections.iter().filter(|connection| is_open(connection)).count();
    Ok(Memory { name: contender.name.clone(), started, full, open })
}

/// Opens connections and has one question answered on each, until the server has enough of it.
fn open_all(server: SocketAddr) -> Vec<TcpStream> {
    let Some(question) = any_question() else { return Vec::new() };
    (0..CONNECTIONS).map_while(|_| open(server, &question).ok()).collect()
}

fn any_question() -> Option<Question> {
    let mix = Mix::in_turn(&generated_names(1), 1, Edns::Plain).ok()?;
    mix.at(0).cloned()
}

fn open(server: SocketAddr, question: &Question) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut query = question.octets().to_be_bytes().to_vec();
    question.write(1, &mut query);
    stream.write_all(&query)?;
    let (mut frames, mut piece, mut answers) = (Frames::default(), [0; 4096], 0);
    while answers == 0 {
        let octets = stream.read(&mut piece)?;
        if octets == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        frames.cut(piece.get(..octets).unwrap_or_default(), |_| answers += 1);
    }
    Ok(stream)
}

/// Whether the server has kept its end.
fn is_open(connection: &TcpStream) -> bool {
    let nothing_yet = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
    connection.set_nonblocking(true).is_ok() && connection.peek(&mut [0]).is_err_and(nothing_yet)
}

impl Memory {
    fn row(&self) -> String {
        let Self { name, started, full, open } = self;
        let more = full - started;
        let each = more * 1024.0 / (*open).max(1) as f64;
        format!("| {name} | {started:.1} | {open} | {more:.1} | {each:.2} |")
    }
}
