//! Pieces of a download go in at one end, a reader takes them out at the other.
//!
//! Arriving is asynchronous, unpacking and writing to disk are not: a few pieces wait between the
//! two, so that a download takes a few pieces of memory, however large the list is.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

/// Pieces on their way (a piece is what one read of the connection gave, some 16 KiB): enough that
/// neither side waits for each of the other's turns.
const PIECES: usize = 16;

/// Where pieces go in.
pub(super) struct Inlet(mpsc::Sender<Option<Bytes>>);

/// Where they come out, in their order.
pub(super) struct Outlet {
    pieces: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    has_ended: bool,
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody does.
    Reads,
    /// Nobody does; the reader's own error says why.
    Gone,
}

/// Both ends of a new pipe. Where the inlet is dropped before its end, reading fails.
pub(super) fn pipe() -> (Inlet, Outlet) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (Inlet(sender), Outlet { pieces, current: Bytes::new(), has_ended: false })
}

impl Inlet {
    /// Waits until there is room for a piece.
    pub(super) async fn push(&self, piece: Bytes) -> Reader {
        if self.0.send(Some(piece)).await.is_ok() { Reader::Reads } else { Reader::Gone }
    }

    /// Says that the last piece was the last.
    pub(super) async fn end(self) {
        // A reader that is gone needs no end.
        let _ = self.0.send(None).await;
    }
}

/// Blocks its thread until there is something to read.
impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.current = piece,
                Some(None) => self.has_ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = self.current.len().min(buffer.len());
        if let Some(room) = buffer.get_mut(..length) {
            self.current.copy_to_slice(room);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut outlet: Outlet) -> io::Result<String> {
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            outlet.read_to_string(&mut text).map(|_| text)
        });
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn more_than_fits_comes_out_in_its_order() {
        let (inlet, outlet) = pipe();
        let pieces: Vec<String> = (0..100).map(|number| format!("{number}\n")).collect();

        let reading = tokio::spawn(read(outlet));
        for piece in &pieces {
            assert_eq!(inlet.push(Bytes::from(piece.clone())).await, Reader::Reads);
        }
        inlet.end().await;

        assert_eq!(reading.await.unwrap().unwrap(), pieces.concat());
    }

    #[tokio::test]
    async fn what_breaks_off_is_not_taken_for_the_whole() {
        let (inlet, outlet) = pipe();
        inlet.push(Bytes::from_static(b"ads.example\n")).await;
        drop(inlet);

        assert_eq!(read(outlet).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_reader_that_is_gone() {
        let (inlet, outlet) = pipe();
        drop(outlet);

        assert_eq!(inlet.push(Bytes::from_static(b"x")).await, Reader::Gone);
        inlet.end().await;
    }
}
