//! DNS over UDP: each query goes out from a socket of its own and waits for the one datagram that
//! answers it; what does not fit comes over TCP.
//!
//! Nobody on the way is authenticated, so a query carries all that a forger would have to guess: a
//! random port, a random id, and letters in random case (RFC 5452, draft-vixie-dnsext-dns0x20).

mod disguise;
mod habits;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use self::disguise::{Disguise, Likeness};
use self::habits::Habits;
use super::Received;
use crate::addresses::Addresses;
use crate::error::Failure;
use crate::message::{MAX_MESSAGE, Query, is_truncated};
use crate::observer::{Event, SendKind, Witness};
use crate::pool::Pool;

/// Largest query sent as a datagram: no path of today breaks it into fragments, which could be
/// forged without guessing anything (the DNS flag day of 2020).
const MAX_QUERY: usize = 1232;

/// Datagrams that answer nothing, until a query is given up: a forger gets this many guesses at
/// 32 bits and more, and an honest server sends none.
const MAX_WRONG: u32 = 10;

/// The datagram side of one server.
///
/// There are as many sockets as queries under way, so that the server's room bounds them too.
pub(crate) struct Datagrams {
    server: Arc<str>,
    addresses: Arc<Addresses>,
    /// For what does not fit in a datagram.
    pool: Arc<Pool>,
    /// Within this time a datagram that brings no answer is sent again.
    patience: Duration,
    habits: Mutex<Habits>,
    witness: Witness,
}

impl Datagrams {
    pub(crate) fn new(
        server: Arc<str>,
        addresses: Arc<Addresses>,
        pool: Arc<Pool>,
        patience: Duration,
        witness: Witness,
    ) -> Self {
        Self { server, addresses, pool, patience, habits: Mutex::new(Habits::new()), witness }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn network_changed(&self) {
        self.habits().forget_paths();
        self.pool.network_changed();
    }

    /// Asks the first address that can be reached, and over TCP if the answer does not fit.
    pub(crate) async fn exchange(&self, query: &Query) -> Result<(Received, Duration), Failure> {
        if query.wire().len() > MAX_QUERY {
            return self.pool.exchange(query).await;
        }
        let (body, round_trip) = self.ask_any(query).await?;
        if is_truncated(&body)
            && let Ok(whole) = self.pool.exchange(query).await
        {
            return Ok(whole);
        }
        // Without TCP a part of the answer is still more than nothing, and it says that it is one.
        Ok((Received { body, age: Duration::ZERO }, round_trip))
    }

    async fn ask_any(&self, query: &Query) -> Result<(Bytes, Duration), Failure> {
        let mut last = None;
        let given = self.addresses.list().await?;
        let sorted = self.habits().sort(given, Instant::now());
        for address in sorted.iter() {
            match self.ask(*address, query).await {
                Err(failure @ Failure::Connect { .. }) => {
                    self.habits().note_failure(*address, Instant::now());
                    last = Some(failure);
                }
                outcome => return outcome,
            }
        }
        self.addresses.doubt();
        // A server has one address at least, so that there is a failure if there is no answer.
        Err(last.unwrap_or(Failure::NoAnswer(Duration::ZERO)))
    }

    async fn ask(&self, address: SocketAddr, query: &Query) -> Result<(Bytes, Duration), Failure> {
        let unreachable = |error| Failure::Connect { address, cause: Arc::new(error) };
        let mut sending = Sending {
            address,
            socket: open(address).await.map_err(unreachable)?,
            disguise: Disguise::new(query, self.habits().is_mixing()).map_err(unreachable)?,
            times: 0,
            wrong: 0,
        };
        let asked = Instant::now();
        let body = self.wait(&mut sending, asked).await.map_err(|trouble| match trouble {
            Trouble::System(error) => unreachable(error),
            Trouble::Spoofed(wrong) => Failure::Spoofed(wrong),
        })?;
        let round_trip = asked.elapsed();
        // Which one of several was answered is anybody's guess (Karn's algorithm).
        if sending.times == 1 {
            self.habits().note_round_trip(round_trip);
        }
        Ok((body, round_trip))
    }

    /// Sends until there is an answer. Who asked gives up, not this.
    async fn wait(&self, sending: &mut Sending<'_>, asked: Instant) -> Result<Bytes, Trouble> {
        let mut pause = self.habits().pause();
        sending.send().await?;
        let mut alarm = pin!(sleep_until(asked + pause));
        loop {
            let is_patient = asked.elapsed() < self.patience;
            tokio::select! {
                biased;
                heard = sending.hear() => match heard? {
                    Heard::Answer(body) => {
                        self.habits().note_echo(sending.address, Instant::now());
                        return Ok(body);
                    }
                    Heard::OtherCase => self.note_other_case(sending).await?,
                    Heard::Nothing => {}
                },
                () = &mut alarm, if is_patient => {
                    // Whoever asks next, be it for this very query, asks another address first.
                    self.habits().note_silence(sending.address, asked, Instant::now());
                    self.repeat(sending).await?;
                    pause *= 2;
                    alarm.as_mut().reset(Instant::now() + pause);
                }
            }
        }
    }

    /// Sends again at once: an answer was here, and this is quicker than to wait for another.
    async fn note_other_case(&self, sending: &mut Sending<'_>) -> io::Result<()> {
        let has_given_in = self.habits().note_other_case();
        if has_given_in {
            let server = &self.server;
            warn!(%server, "server changes the case of names, no longer using it against forgery");
        }
        self.repeat(sending).await
    }

    async fn repeat(&self, sending: &mut Sending<'_>) -> io::Result<()> {
        if !self.habits().is_mixing() {
            sending.disguise.drop_case();
        }
        self.witness.note(&Event::Sent(SendKind::Repeat));
        sending.send().await
    }

    fn habits(&self) -> MutexGuard<'_, Habits> {
        self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One query on its way, as often as it takes.
struct Sending<'a> {
    address: SocketAddr,
    socket: UdpSocket,
    disguise: Disguise<'a>,
    times: u32,
    wrong: u32,
}

/// What a datagram brought.
enum Heard {
    Answer(Bytes),
    /// The right answer, but for the case of its letters.
    OtherCase,
    /// Something else, or it was none after all.
    Nothing,
}

/// Why no datagram will bring the answer.
enum Trouble {
    System(io::Error),
    /// After so many wrong ones.
    Spoofed(u32),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Sending<'_> {
    async fn send(&mut self) -> io::Result<()> {
        self.times += 1;
        self.socket.send(self.disguise.wire()).await.map(drop)
    }

    /// Waits for one datagram. Dropped before it came, it loses nothing.
    async fn hear(&mut self) -> Result<Heard, Trouble> {
        // That nobody listens there comes as an error alone, which no reader is woken for.
        let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            self.take_error()?;
        }
        // Taken only now, so that those who wait hold no room for what may come.
        let mut datagram = Vec::with_capacity(MAX_MESSAGE);
        match self.socket.try_recv_buf(&mut datagram) {
            Ok(_length) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::Nothing),
            Err(error) => return Err(error.into()),
        }
        let likeness = self.disguise.compare(&datagram);
        if let Likeness::Same = likeness {
            return Ok(Heard::Answer(self.disguise.take_off(&datagram)));
        }
        self.wrong += 1;
        if self.wrong >= MAX_WRONG {
            return Err(Trouble::Spoofed(self.wrong));
        }
        Ok(if let Likeness::OtherCase = likeness { Heard::OtherCase } else { Heard::Nothing })
    }

    /// What the system has against this socket; waits for the next error if that is nothing.
    fn take_error(&self) -> io::Result<()> {
        let nothing = || io::Error::from(io::ErrorKind::WouldBlock);
        let look = || Err(self.socket.take_error()?.unwrap_or_else(nothing));
        match self.socket.try_io(Interest::ERROR, look) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            outcome => outcome,
        }
    }
}

/// A socket that hears this address only, at a port of the kernel's random choice.
async fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
