//! A log-in opens the live query log, its rows are counted: what the page does in a browser, but
//! for showing them.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Done,
    http::{self, Request},
    is_over,
};

/// What lets us in. The server listens on this host alone, as long as it is measured.
const PASSWORD: &str = "a password for the benchmark";

/// How long to read before looking whether it is over.
const PAUSE: Duration = Duration::from_millis(100);

/// One read takes at most this much: some 300 rows.
const READ: usize = 64 * 1024;

/// Longest line that is looked at; the rest of a longer one is dropped. Rows have some 250 octets.
const MAX_LINE: usize = 4096;

/// One who watches the admin page.
#[derive(Clone, Copy, Debug)]
pub(in crate::compare) struct Watcher {
    pub(in crate::compare) admin: SocketAddr,
}

/// The hash of the password, as the settings want it.
pub(in crate::compare) fn hash_password(program: &Path) -> io::Result<String> {
    let mut command = Command::new(program);
    command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{PASSWORD}")?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other("hash-password failed; is it a dnsward of this version?"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Watcher {
    pub(super) fn go_on_until(&self, flag: &AtomicBool) -> io::Result<Done> {
        let lines = format!("Cookie: {}\r\nAccept: text/event-stream\r\n", self.log_in()?);
        let path = "/api/v1/queries/stream";
        let request = Request { method: "GET", path, lines: &lines, body: "" };
        let mut stream = http::send(self.admin, &request)?.body;
        stream.get_ref().set_read_timeout(Some(PAUSE))?;
        let (mut events, mut piece) = (Events::default(), vec![0; READ]);
        while !is_over(flag) {
            match stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(octets) => events.feed(piece.get(..octets).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(events.done)
    }

    /// The cookie to send from now on.
    fn log_in(&self) -> io::Result<String> {
        let body = json!({ "password": PASSWORD }).to_string();
        let lines = "Content-Type: application/json\r\nSec-Fetch-Site: same-origin\r\n";
        let request = Request { method: "POST", path: "/api/v1/session", lines, body: &body };
        let response = http::send(self.admin, &request)?;
        let cookie = response.cookie().ok_or_else(|| io::Error::other("no cookie for a log-in"))?;
        Ok(cookie.to_owned())
    }
}

/// Counts server-sent events. What frames the chunks of the body stands on lines of its own and
/// means nothing here.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    done: Done,
}

impl Events {
    fn feed(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|octet| *octet == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or_default());
            if part.ends_with(b"\n") {
                self.take_line();
            }
        }
    }

    fn take_line(&mut self) {
        if let Ok(line) = std::str::from_utf8(&self.line) {
            match line.split_once(':').map(|(field, value)| (field, value.trim())) {
                Some(("event", "query")) => self.done.rows += 1,
                Some(("event", "gap")) => self.done.gaps += 1,
                Some(("data", data)) if data.starts_with("{\"missed\"") => {
                    let data: Value = serde_json::from_str(data).unwrap_or_default();
                    self.done.missed += data.get("missed").and_then(Value::as_u64).unwrap_or(0);
                }
                _ => {}
            }
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "8\r\n: alive\n\n\r\n\
                          2f\r\nevent: query\nid: 1\ndata: {\"name\":\"a.example\"}\n\n\r\n\
                          1f\r\nevent: gap\ndata: {\"missed\":41}\n\n\r\n\
                          2f\r\nevent:query\nid:2\ndata:{\"name\":\"b.example\"}\n\n\r\n";

    #[test]
    fn rows_and_gaps_are_counted_however_the_stream_is_cut() {
        for size in [1, 7, STREAM.len()] {
            let mut events = Events::default();

            STREAM.as_bytes().chunks(size).for_each(|piece| events.feed(piece));

            assert_eq!(events.done, Done { swaps: 0, rows: 2, gaps: 1, missed: 41 });
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_room() {
        let mut events = Events::default();

        events.feed(&[b'x'; 3 * MAX_LINE]);

        assert_eq!(events.line.len(), MAX_LINE);
    }
}
