//! One connection: frames come in, answers go out as they become ready, until one side is done.

use std::{io, rc::Rc, time::Duration};

use futures_util::{StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    super::{Taken, finish, take},
    IDLE_SECONDS,
    frame::{Frame, PREFIX},
    proxy::SIGNATURE,
    seats::Seat,
};
use crate::{metrics::ProxyHeader, pipeline::Worker, query::Client, server::Drain};

/// Bytes read at a time: a hundred usual queries.
const READ: usize = 4096;

/// Longest silence of a client that is owed nothing.
const IDLE: Duration = Duration::from_secs(IDLE_SECONDS as u64);

/// Longest from the first octet of a message to its last, however they drip.
const MESSAGE: Duration = Duration::from_secs(10);

/// Longest that a client may take to accept what one read of it asked for.
const WRITE: Duration = Duration::from_secs(10);

/// Longest that a closed connection waits for the client to close it too.
const LINGER: Duration = Duration::from_millis(500);

/// Reads of what has arrived before the end, more than the kernel keeps for a connection.
const LAST_READS: usize = 64;

/// Answers that are collected before they are written: two of the largest messages.
const MAX_UNWRITTEN: usize = 128 * 1024;

/// A connection while it is served.
pub(super) struct Connection {
    stream: TcpStream,
    client: Client,
    seat: Seat,
    worker: Rc<Worker>,
    /// What was read and not yet understood.
    unread: Vec<u8>,
    /// When the message that has not arrived whole began to.
    begun: Option<Instant>,
    /// Framed answers on their way out.
    unwritten: Vec<u8>,
    /// Answers that wait for an upstream.
    waiting: FuturesUnordered<LocalBoxFuture<'static, Vec<u8>>>,
    /// Whether anything the client may still send will be answered.
    is_open: bool,
    /// When the client must have accepted what is being written.
    written_by: Instant,
}

/// What happened first.
enum Event {
    Read(usize),
    Answer(Vec<u8>),
    Late,
    Unseated,
    Drain,
}

impl Connection {
    /// A connection of this client, of which `unread` was read already.
    pub(super) fn new(
        stream: TcpStream,
        client: Client,
        unread: Vec<u8>,
        seat: Seat,
        worker: Rc<Worker>,
    ) -> Self {
        Self {
            stream,
            client,
            seat,
            worker,
            unread,
            begun: None,
            unwritten: Vec::new(),
            waiting: FuturesUnordered::new(),
            is_open: true,
            written_by: Instant::now() + WRITE,
        }
    }

    /// Serves the connection to its end. A client that goes away is no event worth a line.
    pub(super) async fn serve(mut self, mut drain: Drain) {
        if let Err(error) = self.serve_until_done(&mut drain).await {
            tracing::debug!(client = %self.client, %error, "a connection ended early");
        }
    }

    async fn serve_until_done(&mut self, drain: &mut Drain) -> io::Result<()> {
        let mut is_draining = false;
        let mut last_active = Instant::now();
        self.take_frames().await?;
        self.seat.note_use(!self.waiting.is_empty());
        self.write().await?;
        loop {
            let event = self.next_event(last_active, drain).await?;
            self.written_by = Instant::now() + WRITE;
            match event {
                Event::Read(0) | Event::Late => self.is_open = false,
                Event::Unseated => {
                    // What came while it was chosen is not lost.
                    self.read_what_is_there(1).await?;
                    if self.waiting.is_empty() && self.unwritten.is_empty() {
                        // It is owed nothing, and its descriptor may be needed too.
                        return Ok(());
                    }
                    self.is_open = false;
                }
                Event::Read(_) => self.take_frames().await?,
                Event::Answer(answer) => {
                    self.queue(&answer);
                    self.take_frames().await?;
                    if is_draining {
                        self.read_what_is_there(LAST_READS).await?;
                    }
                }
                Event::Drain => {
                    self.read_what_is_there(LAST_READS).await?;
                    (self.is_open, is_draining) = (false, true);
                }
            }
            last_active = Instant::now();
            // Before the client can know: it may open its next connection when it has its answer.
            self.seat.note_use(!self.waiting.is_empty());
            self.write().await?;
            if !self.is_open && self.waiting.is_empty() {
                return self.close().await;
            }
        }
    }

    async fn next_event(&mut self, last_active: Instant, drain: &mut Drain) -> io::Result<Event> {
        let reads = self.is_open && self.has_room();
        if !reads {
            // The time that we do not read is none that the client takes.
            self.begun = self.begun.map(|_| Instant::now());
        }
        let late_at = self.begun.map_or(last_active + IDLE, |begun| begun + MESSAGE);
        let may_be_late = reads && (self.begun.is_some() || self.waiting.is_empty());
        self.unread.reserve(READ);
        tokio::select! {
            read = self.stream.read_buf(&mut self.unread), if reads => Ok(Event::Read(read?)),
            Some(answer) = self.waiting.next() => Ok(Event::Answer(answer)),
            () = sleep_until(late_at), if may_be_late => Ok(Event::Late),
            () = self.seat.is_needed(), if self.is_open => Ok(Event::Unseated),
            () = drain.started(), if self.is_open => Ok(Event::Drain),
        }
    }

    /// Takes the whole frames that were read, as long as there is room for what they ask.
    async fn take_frames(&mut self) -> io::Result<()> {
        let mut out = Vec::with_capacity(512);
        let mut at = 0;
        if self.unread.starts_with(&SIGNATURE) {
            self.worker.pipeline.metrics.count_proxy_header(ProxyHeader::Unexpected);
            return Err(io::Error::other("a PROXY header from who must not send one"));
        }
        let unread = std::mem::take(&mut self.unread);
        self.worker.read_clock();
        while self.has_room()
            && let Frame::Whole(message) = Frame::at(&unread, at)
        {
            at += PREFIX + message.len();
            match take(&self.worker, message, &self.client, &mut out) {
                Taken::Silence => {}
                Taken::Answer => self.queue(&out),
                Taken::Wait(pending) => self.waiting.push(Box::pin(async move {
                    let mut out = Vec::with_capacity(512);
                    finish(*pending, &mut out).await;
                    out
                })),
            }
            if self.unwritten.len() >= MAX_UNWRITTEN {
                self.write().await?;
            }
        }
        self.look_at_the_rest(&unread, at);
        self.unread = unread;
        self.unread.drain(..at);
        self.unread.shrink_to(READ);
        Ok(())
    }

    /// Notes when a message began that is not whole yet; after a broken one, nothing is read.
    fn look_at_the_rest(&mut self, unread: &[u8], taken: usize) {
        match Frame::at(unread, taken) {
            Frame::Begun if taken == 0 => self.begun = self.begun.or_else(|| Some(Instant::now())),
            Frame::Begun => self.begun = Some(Instant::now()),
            Frame::Broken => self.is_open = false,
            Frame::Nothing | Frame::Whole(_) => self.begun = None,
        }
    }

    /// Whether another answer may wait: `dns.limits.in_flight_per_connection`.
    fn has_room(&self) -> bool {
        let snapshot = self.worker.pipeline.published.load();
        self.waiting.len() < snapshot.config.dns.limits.in_flight_per_connection
    }

    /// Reads what has arrived, so many times at most, without waiting for more.
    async fn read_what_is_there(&mut self, times: usize) -> io::Result<()> {
        for _ in 0..times {
            // What has no room now is read when an answer has left.
            if !self.has_room() {
                break;
            }
            // The kernel is asked once more what has arrived, before anything is believed; and
            // others of this thread have their turn.
            yield_now().await;
            self.unread.reserve(READ);
            match self.stream.try_read_buf(&mut self.unread) {
                Ok(0) => return Ok(()),
                Ok(_) => self.take_frames().await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that no more comes, then waits a moment for the client to agree: closing with unread
    /// bytes would make the kernel take back answers that the client has not read yet.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let ended = async {
            loop {
                self.unread.clear();
                if self.stream.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        // A client that does not agree in time loses nothing but its connection.
        tokio::select! {
            () = ended => {}
            () = sleep(LINGER) => {}
            () = self.seat.is_needed() => {}
        }
        Ok(())
    }

    fn queue(&mut self, answer: &[u8]) {
        // An answer is cut to what a frame holds before it gets here.
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        self.unwritten.extend_from_slice(&length.to_be_bytes());
        self.unwritten.extend_from_slice(answer);
    }

    /// Writes what is ready; meanwhile nothing is read, which slows down who does not listen.
    async fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let written = match self.stream.try_write(&self.unwritten) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            written => written?,
        };
        let rest = self.unwritten.get(written..).unwrap_or_default();
        if !rest.is_empty() {
            self.seat.note_use(true);
            match timeout_at(self.written_by, self.stream.write_all(rest)).await {
                Ok(written) => written?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
            self.seat.note_use(!self.waiting.is_empty());
        }
        self.unwritten.clear();
        self.unwritten.shrink_to(READ);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::{super::Seats, *};
    use crate::{config::Config, pipeline::Pipeline, query::Transport, server::drain};

    /// Both ends of a connection, the server's end ready to serve, and the seats.
    async fn pair() -> (TcpStream, Connection, Arc<Seats>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (pipeline, _engine) = Pipeline::new(&Arc::new(Config::default())).unwrap();
        let seats = Arc::new(Seats::new(Arc::default()));
        let seat = seats.take(1, None).unwrap();
        let peer = Client::at(peer.ip(), Transport::Tcp);
        (client, Connection::new(stream, peer, Vec::new(), seat, Worker::new(pipeline)), seats)
    }

    /// A query for `x.localhost` A in its frame.
    const QUERY: &[u8] = b"\0\x1d\0\0\x01\0\0\x01\0\0\0\0\0\0\x01x\x09localhost\0\0\x01\0\x01";

    #[tokio::test(start_paused = true)]
    async fn r13_a_silent_client_is_let_go_after_half_a_minute() {
        let (mut client, connection, _seats) = pair().await;
        let (_trigger, drain) = drain::channel();
        let started = Instant::now();

        connection.serve(drain).await;

        assert_eq!(started.elapsed().as_secs(), IDLE.as_secs());
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn r10_a_message_that_drips_is_let_go_ten_seconds_after_its_first_octet() {
        let (mut client, connection, _seats) = pair().await;
        let (_trigger, drain) = drain::channel();
        let started = Instant::now();
        let dripping = tokio::spawn(async move {
            client.write_all(QUERY).await.unwrap();
            for octet in QUERY {
                if client.write_all(&[*octet]).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(3)).await;
            }
            client
        });

        connection.serve(drain).await;

        let took = started.elapsed();
        assert!(took >= MESSAGE && took < MESSAGE + Duration::from_secs(3), "{took:?}");
        let mut client = dripping.await.unwrap();
        let mut answers = Vec::new();
        let _ = client.read_to_end(&mut answers).await;
        assert!(answers.starts_with(b"\0"), "what came whole was answered");
    }

    #[tokio::test(start_paused = true)]
    async fn r16_an_idle_client_leaves_when_its_seat_is_needed() {
        let (mut client, connection, seats) = pair().await;
        let (_trigger, drain) = drain::channel();
        let started = Instant::now();
        client.write_all(QUERY).await.unwrap();
        let serving = tokio::task::LocalSet::new();
        let served = serving.run_until(connection.serve(drain));
        let next = async {
            client.read_exact(&mut [0; 31]).await.unwrap();
            seats.take(1, None).expect("the idle one leaves")
        };

        let ((), _seat) = tokio::join!(served, next);

        assert!(started.elapsed() < IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answers_is_let_go() {
        let (client, connection, _seats) = pair().await;
        let (_trigger, drain) = drain::channel();
        let flood = QUERY.repeat(1000);
        let (kept_open, mut sender) = client.into_split();
        let sending = tokio::spawn(async move { while sender.write_all(&flood).await.is_ok() {} });

        connection.serve(drain).await;

        drop(kept_open);
        sending.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn r16_a_client_that_is_slow_to_take_its_answers_keeps_its_seat_for_a_while() {
        let (client, connection, seats) = pair().await;
        let (_trigger, drain) = drain::channel();
        let flood = QUERY.repeat(1000);
        let (kept_open, mut sender) = client.into_split();
        let sending = tokio::spawn(async move { while sender.write_all(&flood).await.is_ok() {} });
        let started = Instant::now();
        let next = async {
            sleep(Duration::from_secs(3)).await;
            assert!(seats.take(1, None).is_none(), "it is owed answers");
        };

        tokio::join!(connection.serve(drain), next);

        assert!(started.elapsed() >= WRITE, "{:?}", started.elapsed());
        assert!(seats.take(1, None).is_some(), "and no longer");
        drop(kept_open);
        sending.await.unwrap();
    }
}
