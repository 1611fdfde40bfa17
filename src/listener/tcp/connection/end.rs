//! A connection on which everything is answered goes in, a closed one comes out.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::Seat;

/// Longest that a closed connection waits for the client to close it too.
const LINGER: Duration = Duration::from_millis(500);

/// Octets thrown away at a time: who still sends has been told that nobody listens.
const IGNORED: usize = 512;

/// Says that no more comes, then waits a moment for the client to agree: closing with unread
/// octets would make the kernel take back answers that the client has not read yet. It waits no
/// longer where its seat is needed.
pub(super) async fn close(stream: &mut TcpStream, seat: &Seat) -> io::Result<()> {
    stream.shutdown().await?;
    let mut ignored = [0; IGNORED];
    let ended = async { while stream.read(&mut ignored).await.unwrap_or(0) > 0 {} };
    // A client that does not agree in time loses nothing but its connection.
    tokio::select! {
        _ = timeout(LINGER, ended) => {}
        () = seat.is_claimed() => {}
    }
    Ok(())
}
