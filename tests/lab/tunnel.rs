//! An egress proxy: real sockets, either kind, no login. It counts its tunnels, so that a test sees
//! who went through.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// A running proxy. It stops with the runtime of its test.
pub(crate) struct Tunnels {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
}

impl Tunnels {
    /// Speaks HTTP to who begins with a letter, else SOCKS5.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, counter.clone()));
            }
        });
        Self { address, count }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn carry(mut near: TcpStream, count: Arc<AtomicUsize>) {
    let first = near.read_u8().await.unwrap();
    let (target, done): (SocketAddr, &[u8]) = match first {
        5 => (socks_target(&mut near).await, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        _ => (http_target(&mut near).await, b"HTTP/1.1 200 OK\r\n\r\n"),
    };
    let mut far = TcpStream::connect(target).await.unwrap();
    count.fetch_add(1, Ordering::SeqCst);
    near.write_all(done).await.unwrap();
    // Either side may end it as it likes.
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

async fn http_target(near: &mut TcpStream) -> SocketAddr {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

async fn socks_target(near: &mut TcpStream) -> SocketAddr {
    let mut methods = vec![0; usize::from(near.read_u8().await.unwrap())];
    near.read_exact(&mut methods).await.unwrap();
    near.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 10];
    near.read_exact(&mut request).await.unwrap();
    let [5, 1, 0, 1, a, b, c, d, high, low] = request else { panic!("not an IPv4 address") };
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}
