//! The address of a server goes in, a relay to it runs on a loopback port, which can do to the
//! connections through it what networks do: stop, forget, reset.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a relay does with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Path {
    /// Passes everything on.
    Open,
    /// Takes everything and passes nothing on, as a path that went dead.
    Dead,
    /// Takes nothing more, so that even what is sent cannot be written at some time.
    Stuck,
    /// Resets the connection at the next packet of the client, as a box that has forgotten it.
    Forgotten,
    /// Resets the connection at once.
    Reset,
}

/// A relay. It stops with the runtime of its test.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    paths: Arc<Mutex<Vec<watch::Sender<Path>>>>,
    open: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let relay = Self { address, paths: Arc::default(), open: Arc::default() };
        let (paths, open) = (Arc::clone(&relay.paths), Arc::clone(&relay.open));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(target).await.expect("the target listens");
                let path = watch::Sender::new(Path::Open);
                let watched = path.subscribe();
                paths.lock().expect("no test panics with it").push(path);
                open.fetch_add(1, Ordering::SeqCst);
                let open = Arc::clone(&open);
                tokio::spawn(async move {
                    let _ = pump(client, server, watched).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        relay
    }

    /// Changes what happens to the connections that are there; those to come are open.
    pub(crate) fn set(&self, path: Path) {
        for each in self.paths.lock().expect("no test panics with it").iter() {
            each.send_replace(path);
        }
    }

    /// Changes what happens to one connection.
    pub(crate) fn set_one(&self, number: usize, path: Path) {
        self.paths.lock().expect("no test panics with it")[number].send_replace(path);
    }

    /// Connections that the client has not closed, nor the relay.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Waits until so many are open.
    pub(crate) async fn until_open(&self, count: usize) {
        while self.open() != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn pump(
    mut client: TcpStream,
    mut server: TcpStream,
    mut path: watch::Receiver<Path>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        let now = *path.borrow_and_update();
        if now == Path::Reset {
            return reset(&client);
        }
        tokio::select! {
            _ = path.changed() => {}
            read = client.read(&mut up), if now != Path::Stuck => match read? {
                0 => return Ok(()),
                _ if now == Path::Forgotten => return reset(&client),
                length if now == Path::Open => server.write_all(&up[..length]).await?,
                _ => {}
            },
            read = server.read(&mut down), if now == Path::Open => match read? {
                0 => return Ok(()),
                length => client.write_all(&down[..length]).await?,
            },
        }
    }
}

/// Closing without lingering sends RST.
fn reset(client: &TcpStream) -> io::Result<()> {
    SockRef::from(client).set_linger(Some(Duration::ZERO))
}
