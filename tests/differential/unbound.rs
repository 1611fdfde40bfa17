//! A real `unbound` that forwards to a plain DNS server in this process.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use hickory_proto::op::Message;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
};

use super::zone::Zone;
use crate::lab::frame;

/// What a client takes over UDP that does not say (RFC 1035 section 2.3.4).
const PLAIN_UDP_ANSWER: usize = 512;

/// Serves a zone over UDP and TCP on one port.
pub(super) async fn serve_plainly(zone: &Arc<Zone>) -> SocketAddr {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // The same number may be taken for UDP; then another one is tried.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, udp);
        }
    };
    let address = tcp.local_addr().unwrap();
    tokio::spawn(serve_datagrams(udp, zone.clone()));
    let zone = zone.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            tokio::spawn(serve_stream(stream, zone.clone()));
        }
    });
    address
}

async fn serve_datagrams(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
        let mut answer = zone.answer(&query);
        let limit = query.edns.map_or(PLAIN_UDP_ANSWER, |edns| edns.max_payload().into());
        if answer.to_vec().unwrap().len() > limit {
            answer.metadata.truncation = true;
            answer.answers.clear();
            answer.authorities.clear();
        }
        socket.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
    }
}

async fn serve_stream(mut stream: TcpStream, zone: Arc<Zone>) {
    while let Ok(length) = stream.read_u16().await {
        let mut message = vec![0; usize::from(length)];
        if stream.read_exact(&mut message).await.is_err() {
            return;
        }
        let answer = zone.answer(&Message::from_vec(&message).unwrap());
        if stream.write_all(&frame(&answer.to_vec().unwrap())).await.is_err() {
            return;
        }
    }
}

/// The running program.
pub(super) struct Unbound {
    child: Child,
    pub(super) dns: SocketAddr,
    _directory: TempDir,
}

impl Unbound {
    /// Starts it; nothing where there is none and nobody requires it.
    pub(super) async fn start(upstream: SocketAddr) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        // The port is free again when the configuration names it.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dns = free.local_addr().unwrap();
        drop(free);
        let file = directory.path().join("unbound.conf");
        std::fs::write(&file, config(dns, upstream, &directory)).unwrap();
        let start = |program: &str| {
            let mut unbound = Command::new(program);
            unbound.arg("-d").arg("-c").arg(&file);
            unbound.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
        };
        // Where Debian has it, which is in nobody's path but root's.
        let mut child = match start("unbound").or_else(|_| start("/usr/sbin/unbound")) {
            Ok(child) => child,
            Err(_) if std::env::var_os("CI").is_none() => return None,
            Err(error) => panic!("unbound is needed here: {error}"),
        };
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let has_started = log.any(|line| {
            said.push(line);
            said.last().is_some_and(|line| line.contains("start of service"))
        });
        assert!(has_started, "{}", said.join("\n"));
        // A log that nobody reads would stop the program.
        std::thread::spawn(move || log.for_each(drop));
        Some(Self { child, dns, _directory: directory })
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A forwarder without validation, as this server is, and the same limit for datagrams.
fn config(dns: SocketAddr, upstream: SocketAddr, directory: &TempDir) -> String {
    let (directory, port) = (directory.path().display(), dns.port());
    let upstream = format!("127.0.0.1@{}", upstream.port());
    format!(
        "server:\n directory: \"{directory}\"\n chroot: \"\"\n username: \"\"\n\
         \x20pidfile: \"{directory}/unbound.pid\"\n use-syslog: no\n logfile: \"\"\n verbosity: 1\n\
         \x20interface: 127.0.0.1\n port: {port}\n do-ip6: no\n num-threads: 1\n\
         \x20access-control: 127.0.0.0/8 allow\n do-not-query-localhost: no\n\
         \x20module-config: \"iterator\"\n max-udp-size: 1232\n\
         remote-control:\n control-enable: no\n\
         forward-zone:\n name: \".\"\n forward-addr: {upstream}\n"
    )
}
