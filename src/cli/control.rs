//! A command for the running server goes in, its answer comes out: the other end of the control
//! socket.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::de::DeserializeOwned;

use super::{ConfigFile, Exit, Form, error_line, print, read, shown::Shown};

/// Longest wait for an answer that the server has at hand.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait for one that needs downloads: as long as the server gives a command.
const LONG_PATIENCE: Duration = Duration::from_secs(900);

/// Octets of the largest answer that is read: thousands of lists, with room to spare.
const MAX_ANSWER: u64 = 16 << 20;

/// Which running server is asked.
#[derive(Args, Debug)]
pub(super) struct Reach {
    /// The server's control socket [default: where the configuration puts it]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigFile,
}

/// A command for the server.
#[derive(Clone, Copy)]
pub(super) enum Command<'c> {
    /// One that asks.
    Ask(&'c str),
    /// One that makes the server do something which takes a while.
    Do(&'c str),
}

/// What the server said.
pub(super) struct Answer {
    body: String,
}

impl Reach {
    /// Gives the server a command and takes its answer.
    ///
    /// # Errors
    /// The code to end with; why is told already.
    pub(super) fn send(&self, command: Command<'_>) -> Result<Answer, Exit> {
        let (path, stream) = self.connect()?;
        let answer = exchange(stream, command).map_err(|error| {
            error_line(format_args!("no answer over `{}`: {error}", path.display()));
            Exit::Unreachable
        })?;
        answer.map_err(|refusal| refusal.tell(&path))
    }

    /// The same for a question that files can answer too, in part.
    ///
    /// # Errors
    /// As above.
    pub(super) fn ask(&self, target: &str) -> Result<Answer, Exit> {
        self.send(Command::Ask(target)).inspect_err(|exit| {
            if *exit == Exit::Unreachable {
                error_line("--offline goes by the configuration and its files alone");
            }
        })
    }

    /// Connects to the first place where a server answers.
    fn connect(&self) -> Result<(PathBuf, UnixStream), Exit> {
        let places = match &self.socket {
            Some(path) => vec![path.clone()],
            None => read(&self.config.source())
                .inspect_err(|_| error_line("--socket PATH reaches the server all the same"))?
                .control_sockets(),
        };
        let mut told = Vec::new();
        for path in places {
            match UnixStream::connect(&path) {
                Ok(stream) => return Ok((path, stream)),
                Err(error) => told.push(reason(&path, &error)),
            }
        }
        if told.is_empty() {
            error_line("control_socket is \"off\", so no command reaches the server");
        } else {
            error_line(format_args!(
                "no server can be reached: {}\nis it running? name its configuration with \
                 --config, or its socket with --socket",
                told.join(", ")
            ));
        }
        Err(Exit::Unreachable)
    }
}

/// What an error at a place means.
fn reason(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("`{path}` is not there"),
        io::ErrorKind::ConnectionRefused => format!("nobody listens at `{path}`"),
        io::ErrorKind::PermissionDenied => {
            format!("`{path}` is for root and the server's own user")
        }
        _ => format!("`{path}`: {error}"),
    }
}

impl Answer {
    /// The answer as it came, for `--json`, or as a value for whoever makes a text of it.
    ///
    /// # Errors
    /// The code to end with, where it is not what it should be.
    pub(super) fn read<T: DeserializeOwned>(&self, form: Form) -> Result<T, Exit> {
        let value = serde_json::from_str(&self.body).map_err(|error| {
            error_line(format_args!(
                "the server's answer cannot be read: {error}\nis it of version {}?",
                env!("CARGO_PKG_VERSION")
            ));
            Exit::Unreachable
        })?;
        if form.json {
            print(Shown::json(&self.body));
        }
        Ok(value)
    }
}

/// A command that the server did not carry out.
struct Refusal {
    status: u16,
    why: String,
}

impl Refusal {
    fn tell(&self, path: &Path) -> Exit {
        error_line(format_args!("`{}`: {}", path.display(), Shown::text(&self.why)));
        if self.status == 400 { Exit::Usage } else { Exit::Unreachable }
    }
}

fn exchange(mut stream: UnixStream, command: Command<'_>) -> io::Result<Result<Answer, Refusal>> {
    let (method, target, patience) = match command {
        Command::Ask(target) => ("GET", target, PATIENCE),
        Command::Do(target) => ("POST", target, LONG_PATIENCE),
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // With HTTP/1.0 the end of the connection is the end of the answer.
    write!(stream, "{method} {target} HTTP/1.0\r\nhost: dnsward\r\ncontent-length: 0\r\n\r\n")?;
    let mut text = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut text)?;
    understand(&text).ok_or_else(|| io::Error::other("that is no answer of dnsward's"))
}

/// Takes an HTTP response apart.
fn understand(text: &str) -> Option<Result<Answer, Refusal>> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status: u16 = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    if status == 200 {
        return Some(Ok(Answer { body: body.to_owned() }));
    }
    let problem: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let why = problem.as_ref().and_then(|problem| problem.get("error")?.as_str());
    Some(Err(Refusal { status, why: why.unwrap_or("the server refuses").to_owned() }))
}

/// A text as part of a request's target.
pub(super) fn encoded(text: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._".contains(octet);
    text.bytes()
        .map(|octet| match plain(&octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_an_answer_a_refusal_or_none_of_ours() {
        let body = |text: &str| understand(text).map(|answer| answer.map(|a| a.body));
        let refused = |text: &str| match understand(text) {
            Some(Err(refusal)) => (refusal.status, refusal.why),
            _ => panic!("{text}"),
        };

        assert!(
            matches!(body("HTTP/1.0 200 OK\r\na: b\r\n\r\n[]"), Some(Ok(text)) if text == "[]")
        );
        let forbidden = "HTTP/1.1 403 Forbidden\r\n\r\n{\"error\":\"no\"}";
        assert_eq!(refused(forbidden), (403, "no".to_owned()));
        assert_eq!(refused("HTTP/1.0 500 x\r\n\r\n"), (500, "the server refuses".to_owned()));
        for other in ["", "SSH-2.0-x\r\n\r\n", "HTTP/1.0 two\r\n\r\n", "HTTP/1.0 200 OK\r\n"] {
            assert!(understand(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn what_means_something_in_a_target_is_written_as_its_octets() {
        assert_eq!(encoded("a-b.example"), "a-b.example");
        assert_eq!(encoded("a&b=c d\\%ü"), "a%26b%3Dc%20d%5C%25%C3%BC");
    }
}
