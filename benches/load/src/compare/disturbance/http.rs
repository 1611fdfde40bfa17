//! A request goes out, the head and the body of its response come in: as much of HTTP/1.1 as
//! dnsward's own pages need, because a client library would be the larger part of this tool.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long the server may take for the next octets.
const PATIENCE: Duration = Duration::from_secs(20);

/// Largest head of a response that is read: ours have less than a thousand octets.
const MAX_HEAD: u64 = 16 * 1024;

/// Largest body that is read whole: metrics have some six thousand octets.
const MAX_BODY: u64 = 1024 * 1024;

/// What is asked for; the lines of a head beyond the usual ones end in CR LF.
pub(super) struct Request<'text> {
    pub(super) method: &'text str,
    pub(super) path: &'text str,
    pub(super) lines: &'text str,
    pub(super) body: &'text str,
}

/// A response whose body is still to be read.
pub(super) struct Response {
    head: String,
    pub(super) body: BufReader<TcpStream>,
}

/// Sends a request over a connection of its own. A status that is no success is an error.
pub(super) fn send(server: SocketAddr, request: &Request<'_>) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let Request { method, path, lines, body } = request;
    let octets = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\
         Content-Length: {octets}\r\n{lines}\r\n{body}"
    );
    stream.write_all(text.as_bytes())?;
    let mut body = BufReader::new(stream);
    let head = read_head(&mut body)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        let first = head.lines().next().unwrap_or_default();
        return Err(io::Error::other(format!("{method} {path}: {first}")));
    }
    Ok(Response { head, body })
}

/// Reads the text at a path.
pub(super) fn read(server: SocketAddr, path: &str) -> io::Result<String> {
    let response = send(server, &Request { method: "GET", path, lines: "", body: "" })?;
    let mut text = String::new();
    response.body.take(MAX_BODY).read_to_string(&mut text)?;
    Ok(text)
}

fn read_head(body: &mut BufReader<TcpStream>) -> io::Result<String> {
    let (mut head, mut body) = (String::new(), body.take(MAX_HEAD));
    while body.read_line(&mut head)? > 2 {}
    Ok(head)
}

impl Response {
    /// The name and value of the cookie it sets.
    pub(super) fn cookie(&self) -> Option<&str> {
        let values = self.head.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie").then_some(value.trim())
        });
        values.filter_map(|value| value.split(';').next()).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    /// A server that gives one response, then tells what it was asked.
    fn respond(response: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut piece = [0; 1024];
            let octets = stream.read(&mut piece).unwrap();
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&piece[..octets]).into_owned()
        });
        (address, server)
    }

    #[test]
    fn a_text_is_read_to_its_end() {
        let (address, server) = respond("HTTP/1.1 200 OK\r\na: b\r\n\r\none\n\ntwo\n");

        assert_eq!(read(address, "/metrics").unwrap(), "one\n\ntwo\n");

        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET /metrics HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("Host: {address}\r\n")), "{asked}");
    }

    #[test]
    fn a_cookie_is_found_whatever_its_header_looks_like() {
        let response = "HTTP/1.1 204 No Content\r\nx: y\r\nset-cookie: a=b; Path=/\r\n\r\n";
        let (address, _server) = respond(response);
        let request = Request { method: "POST", path: "/", lines: "", body: "{}" };

        assert_eq!(send(address, &request).unwrap().cookie(), Some("a=b"));
    }

    #[test]
    fn a_refusal_is_told_with_its_status() {
        let (address, _server) = respond("HTTP/1.1 401 Unauthorized\r\n\r\n");

        let error = read(address, "/secret").unwrap_err();

        assert!(error.to_string().contains("GET /secret: HTTP/1.1 401"), "{error}");
    }
}
