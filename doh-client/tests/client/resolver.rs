//! A conduct goes in, a resolver of plain DNS that knows one host runs on a loopback port.

use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use doh_client::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What a fake resolver does with a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// Says that the host is at 127.0.0.1.
    Answer,
    /// The same, and questions for AAAA are never answered.
    AnswerV4Only,
    /// Says that it is at ::1 too.
    AnswerBoth,
    /// Says that it is at ::1 alone.
    AnswerV6Only,
    /// Says over UDP that the answer does not fit, and gives it over TCP.
    Truncate,
    /// Sends these many answers that are none before the right one: wrong ids and questions.
    Forge(usize),
    /// Does not hear the first datagram of each question.
    LoseFirst,
    /// Says that there is no such name.
    NoSuchName,
    /// Says that it will not answer.
    Refuse,
    /// Never answers.
    Silence,
}

/// A resolver on a loopback port, which may change its mind.
pub(crate) struct Resolver {
    address: SocketAddr,
    conduct: Arc<Mutex<Conduct>>,
    asked: Arc<AtomicUsize>,
}

impl Resolver {
    /// Starts one that does this until it is told something else.
    pub(crate) async fn start(conduct: Conduct) -> Self {
        // A port that is free for one of them may be taken for the other.
        let (tcp, udp, address) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = tcp.local_addr().expect("an address");
            if let Ok(udp) = UdpSocket::bind(address).await {
                break (tcp, udp, address);
            }
        };
        let conduct = Arc::new(Mutex::new(conduct));
        let asked = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve_udp(udp, Arc::clone(&conduct), Arc::clone(&asked)));
        tokio::spawn(serve_tcp(tcp));
        Self { address, conduct, asked }
    }

    /// How a client has to be told about it.
    pub(crate) fn bootstrap(&self) -> Server {
        format!("udp://{}", self.address).parse().expect("an address is good")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this from now on.
    pub(crate) fn becomes(&self, conduct: Conduct) {
        *self.conduct.lock().expect("no test panics with it") = conduct;
    }

    /// Questions so far, those for AAAA included.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve_udp(socket: UdpSocket, conduct: Arc<Mutex<Conduct>>, asked: Arc<AtomicUsize>) {
    let mut buffer = [0; 512];
    let mut heard: HashMap<Vec<u8>, usize> = HashMap::new();
    while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
        asked.fetch_add(1, Ordering::SeqCst);
        let question = buffer[..size].to_vec();
        let times = heard.entry(question.clone()).or_default();
        *times += 1;
        let conduct = *conduct.lock().expect("no test panics with it");
        let answers = match conduct {
            Conduct::Silence => vec![],
            Conduct::AnswerV4Only if is_aaaa(&question) => vec![],
            Conduct::LoseFirst if *times == 1 => vec![],
            Conduct::Truncate => vec![with_flags(&question, [0x83, 0x80])],
            Conduct::Refuse => vec![with_flags(&question, [0x81, 0x85])],
            Conduct::NoSuchName => vec![with_flags(&question, [0x81, 0x83])],
            Conduct::AnswerBoth | Conduct::AnswerV6Only if is_aaaa(&question) => {
                vec![v6_answer_to(&question)]
            }
            Conduct::AnswerV6Only => vec![with_flags(&question, [0x81, 0x80])],
            Conduct::Forge(count) => forged(&question, count),
            _ => vec![answer_to(&question)],
        };
        for answer in answers {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; length.into()];
                stream.read_exact(&mut question).await.expect("a question");
                let answer = answer_to(&question);
                let length = u16::try_from(answer.len()).expect("a short answer");
                let _ =
                    stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await;
            }
        });
    }
}

fn is_aaaa(question: &[u8]) -> bool {
    question.ends_with(&[0, 28, 0, 1])
}

fn with_flags(question: &[u8], flags: [u8; 2]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&flags);
    answer
}

/// 127.0.0.1 for A, nothing for AAAA.
fn answer_to(question: &[u8]) -> Vec<u8> {
    let mut answer = with_flags(question, [0x81, 0x80]);
    if !is_aaaa(question) {
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

/// ::1 for AAAA.
fn v6_answer_to(question: &[u8]) -> Vec<u8> {
    let mut answer = with_flags(question, [0x81, 0x80]);
    answer[7] = 1;
    answer.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 1, 44, 0, 16]);
    answer.extend(Ipv6Addr::LOCALHOST.octets());
    answer
}

/// Answers that lead elsewhere, by turns under another id and to another question.
fn forged(question: &[u8], count: usize) -> Vec<Vec<u8>> {
    let forge = |number| {
        let mut answer = answer_to(question);
        *answer.last_mut().expect("it is not empty") = 99;
        answer[if number % 2 == 0 { 0 } else { 13 }] ^= 1;
        answer
    };
    (0..count).map(forge).chain([answer_to(question)]).collect()
}
