//! Questions over real sockets, and answers that read well in assertions.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{Name, RData, RecordType, rdata::opt::EdnsOption},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::Lab;

/// Longest that an answer may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A query with EDNS, id 4711 and RD.
pub(crate) fn question(name: &str, qtype: &str) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let name = Name::from_ascii(format!("{name}.")).unwrap();
    message.add_query(Query::query(name, record_type(qtype))).set_edns(edns);
    message
}

/// A type by its name, or by its number as in `TYPE261` (RFC 3597 section 5).
fn record_type(text: &str) -> RecordType {
    match text.strip_prefix("TYPE") {
        Some(number) => RecordType::from(number.parse::<u16>().unwrap()),
        None => text.parse().unwrap(),
    }
}

impl Lab {
    /// Asks over TCP, the way this server is meant to be asked.
    pub(crate) async fn ask(&self, name: &str, qtype: &str) -> Reply {
        let mut conversation = self.connect().await;
        conversation.send(&question(name, qtype).to_vec().unwrap()).await;
        Reply::read(&conversation.receive().await.expect("an answer"))
    }

    /// Asks over UDP.
    pub(crate) async fn ask_udp(&self, name: &str, qtype: &str) -> Reply {
        let wire = question(name, qtype).to_vec().unwrap();
        Reply::read(&self.send_udp(&wire).await)
    }

    /// Asks another address of this host over UDP, and hears an answer from that address alone.
    pub(crate) async fn ask_udp_at(&self, asked: IpAddr, name: &str, qtype: &str) -> Reply {
        let own: IpAddr = match asked {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let socket = UdpSocket::bind((own, 0)).await.unwrap();
        socket.connect((asked, self.dns().port())).await.unwrap();
        socket.send(&question(name, qtype).to_vec().unwrap()).await.unwrap();
        Reply::read(&receive_from(&socket).await)
    }

    /// Sends a datagram and waits for its answer.
    pub(crate) async fn send_udp(&self, packet: &[u8]) -> Vec<u8> {
        let socket = self.udp_socket().await;
        socket.send(packet).await.unwrap();
        receive_from(&socket).await
    }

    /// Whether the server says nothing to a datagram: a query sent after it, which is answered at
    /// once and in order, gets its answer first.
    pub(crate) async fn is_silent_about(&self, packet: &[u8]) -> bool {
        let mut after = question("localhost", "A");
        after.metadata.id = 0xfefe;
        let socket = self.udp_socket().await;
        socket.send(packet).await.unwrap();
        socket.send(&after.to_vec().unwrap()).await.unwrap();
        receive_from(&socket).await.starts_with(&[0xfe, 0xfe])
    }

    /// A socket that is connected to the server.
    pub(crate) async fn udp_socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.dns()).await.unwrap();
        socket
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Conversation {
        Conversation::with(self.dns()).await
    }
}

/// Waits for a datagram.
pub(crate) async fn receive_from(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let received = timeout(PATIENCE, socket.recv(&mut buffer)).await;
    buffer.truncate(received.expect("an answer in time").unwrap());
    buffer
}

/// A TCP connection on which messages go back and forth.
pub(crate) struct Conversation {
    pub(crate) stream: TcpStream,
}

impl Conversation {
    /// Opens a connection to a server.
    pub(crate) async fn with(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.expect("it listens");
        // What a test has sent has arrived, and does not wait in its own kernel.
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Sends one message in its frame.
    pub(crate) async fn send(&mut self, message: &[u8]) {
        self.stream.write_all(&frame(message)).await.unwrap();
    }

    /// Receives the next message; nothing where the server has closed the connection.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        let read = async {
            let length = self.stream.read_u16().await.ok()?;
            let mut message = vec![0; usize::from(length)];
            self.stream.read_exact(&mut message).await.ok()?;
            Some(message)
        };
        timeout(PATIENCE, read).await.expect("an answer or the end in time")
    }
}

/// A message with its two octets of length.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

/// An answer as tests look at it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) message: Message,
}

impl Reply {
    /// Reads the bytes of an answer.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self { message: Message::from_vec(bytes).expect("a DNS message") }
    }

    /// The response code, as a number.
    pub(crate) fn rcode(&self) -> u16 {
        self.message.metadata.response_code.into()
    }

    /// The addresses of the answer section.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let address = |data: &RData| data.ip_addr().map(|address| address.to_string());
        self.message.answers.iter().filter_map(|record| address(&record.data)).collect()
    }

    /// The answer section in text: type and data.
    pub(crate) fn answers(&self) -> Vec<String> {
        let text = |record: &hickory_proto::rr::Record| {
            format!("{} {}", record.record_type(), record.data)
        };
        self.message.answers.iter().map(text).collect()
    }

    /// The Extended DNS Errors: code and text.
    pub(crate) fn ede(&self) -> Vec<(u16, String)> {
        let options = self.message.edns.iter().flat_map(|edns| edns.options().as_ref());
        let ede = |option: &EdnsOption| match option {
            EdnsOption::Unknown(15, bytes) => {
                let code = u16::from_be_bytes([bytes[0], bytes[1]]);
                Some((code, String::from_utf8(bytes[2..].to_vec()).unwrap()))
            }
            _ => None,
        };
        options.filter_map(|(_, option)| ede(option)).collect()
    }
}
