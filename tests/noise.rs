//! Random and mutated packets by the ten thousand, while a client goes on getting its answers.
//!
//! The server is a program of its own here, so that its memory is its own too.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
};

use crate::lab::{Fake, Lab, Reply, frame, question};

/// Packets of noise for each transport.
const PACKETS: usize = 25_000;

/// Packets between two questions of the client: few enough for any socket's buffer.
const BATCH: usize = 50;

/// What the server may grow by, in KiB: the cache of 1 MiB, the last queries, and what an allocator
/// keeps for the next time. It is about 1 MiB in practice; a leak of 200 octets a packet is 10.
const GROWTH: u64 = 8 * 1024;

/// The id of the client's questions.
const OURS: u16 = 0xfefe;

/// Bytes that are the same in every run (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }

    /// Random bytes, or a good query with some bytes changed, cut off, repeated or put in.
    fn packet(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if self.below(3) == 0 {
            return (0..self.below(300)).map(|_| self.byte()).collect();
        }
        let mut packet = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(packet.len());
            match self.below(6) {
                0 => packet.truncate(at.max(1)),
                1 => packet.insert(at, self.byte()),
                2 => packet.extend_from_within(at..),
                // What is most likely to be read as something: lengths, counts, pointers, OPT.
                3 => packet[at] = [0, 1, 0x29, 0x3f, 0xc0, 0xff][self.below(6)],
                _ => packet[at] = self.byte(),
            }
        }
        packet.truncate(4000);
        packet
    }
}

/// Good queries to begin with, plain and with every option that a client may send.
fn seeds() -> Vec<Vec<u8>> {
    let plain = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04name\x04test\0\0\x01\0\x01";
    let options: [&[u8]; 7] = [
        b"",
        b"\0\x03\0\0",
        b"\0\x08\0\x07\0\x01\x18\0\xc0\0\x02",
        b"\0\x0a\0\x08abcdefgh",
        b"\0\x0a\0\x18abcdefghijklmnopqrstuvwx",
        b"\0\x0b\0\0",
        b"\0\x0c\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    let with_options = |options: &[u8]| {
        let mut query = plain.to_vec();
        query[11] = 1;
        query.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0");
        query.push(u8::try_from(options.len()).unwrap());
        query.extend_from_slice(options);
        query
    };
    let all = options.concat();
    let every = options.into_iter().chain([&*all]).map(with_options);
    [plain.to_vec(), question("www.example", "A").to_vec().unwrap()]
        .into_iter()
        .chain(every)
        .collect()
}

/// The running program.
struct Program {
    child: Child,
    dns: SocketAddr,
    _directory: TempDir,
}

impl Program {
    fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("noise.toml"), config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_dnsward"))
            .args(["serve", "--config", "noise.toml"])
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let event = lines.find(|line| line.contains("\"serving\"")).expect("it starts");
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        let dns = event["dns"].as_str().unwrap().parse().unwrap();
        // A log that nobody reads would stop the program.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, dns, _directory: directory }
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The client's question, whose answer takes the cache.
fn ours() -> Vec<u8> {
    let mut query = question("www.example", "A");
    query.metadata.id = OURS;
    query.to_vec().unwrap()
}

/// Whether a message is the answer to the client's question; noise may have its id, but is not it.
fn is_ours(message: &[u8]) -> bool {
    message.starts_with(&OURS.to_be_bytes())
        && Reply::read(message).addresses() == ["192.0.2.1".to_owned()]
}

/// Sends a batch of noise and a question behind it, and waits until that is answered.
async fn shout_over_udp(noise: &mut Noise, seeds: &[Vec<u8>], socket: &UdpSocket) {
    for _ in 0..BATCH {
        socket.send(&noise.packet(seeds)).await.unwrap();
    }
    socket.send(&ours()).await.unwrap();
    let mut buffer = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut buffer).await.unwrap();
        if is_ours(&buffer[..length]) {
            return;
        }
    }
}

/// Sends a batch of noise over a connection, with or without good frames, until either side has
/// enough of the other.
async fn shout_over_tcp(noise: &mut Noise, seeds: &[Vec<u8>], dns: SocketAddr) {
    let is_framed = noise.below(4) > 0;
    let mut batch = Vec::new();
    for _ in 0..BATCH {
        let packet = noise.packet(seeds);
        batch.extend(if is_framed { frame(&packet) } else { packet });
    }
    let mut stream = TcpStream::connect(dns).await.unwrap();
    let (mut read, mut write) = stream.split();
    // The server may close on noise at any moment, which is its right.
    let writing = async {
        let _ = write.write_all(&batch).await;
        let _ = write.shutdown().await;
    };
    let reading = async {
        let mut answers = Vec::new();
        let _ = read.read_to_end(&mut answers).await;
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn noise_hurts_no_client_and_takes_no_memory() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let program = Program::start(&format!("{}[cache]\nmax_bytes = '1MiB'", lab.preamble()));
    let (mut noise, seeds) = (Noise(0x2545_f491_4f6c_dd1d), seeds());
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(program.dns).await.unwrap();
    let mut client = crate::lab::Conversation::with(program.dns).await;
    let mut before = 0;

    for batch in 0..PACKETS / BATCH {
        shout_over_udp(&mut noise, &seeds, &socket).await;
        shout_over_tcp(&mut noise, &seeds, program.dns).await;
        client.send(&ours()).await;
        assert!(is_ours(&client.receive().await.expect("an answer")), "batch {batch}");
        if batch == 50 {
            before = program.memory();
        }
    }

    let after = program.memory();
    assert!(after < before + GROWTH, "{before} KiB before, {after} KiB after");
}
