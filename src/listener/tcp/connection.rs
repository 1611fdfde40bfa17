//! One connection: frames come in, answers go out as they become ready, until one side is done.

mod alarm;
mod end;

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    sync::futures::Notified,
    task::yield_now,
    time::{Instant, timeout_at},
};

use super::{
    desk::{Desk, READ, Replies},
    dialogue::Dialogue,
    seats::Seat,
};
use alarm::Alarm;

/// Longest that a client may take to accept what one read of it asked for.
const WRITE: Duration = Duration::from_secs(10);

/// Reads of what has arrived before the end, more than the kernel keeps for a connection.
const LAST_READS: usize = 64;

/// Octets in one read after which others of the thread have their turn: a client that sends without
/// end must not keep the thread to itself.
const MUCH: usize = READ / 4;

/// A connection while it is served.
pub(super) struct Connection {
    stream: TcpStream,
    dialogue: Dialogue,
    seat: Seat,
    desk: Rc<Desk>,
    /// Framed answers that the kernel has not taken yet.
    unwritten: Vec<u8>,
    /// When the client was last here.
    last_active: Instant,
}

/// What happened first.
enum Event {
    /// So many octets.
    Read(usize),
    Answers,
    /// The client sends no more.
    End,
    Late,
    Told(Word),
}

/// What a connection listens to for words of others, as long as it is served.
struct Ears<'e, 'n> {
    unseated: Pin<&'e mut Notified<'n>>,
    ended: Pin<&'e mut Notified<'n>>,
}

/// What a connection is told by others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Unseated,
    Drain,
}

impl Connection {
    /// A connection on which this has been said.
    pub(super) fn new(stream: TcpStream, dialogue: Dialogue, seat: Seat, desk: Rc<Desk>) -> Self {
        Self { stream, dialogue, seat, desk, unwritten: Vec::new(), last_active: Instant::now() }
    }

    /// The same where these framed answers are still to be written.
    pub(super) fn owing(self, unwritten: Vec<u8>) -> Self {
        Self { unwritten, ..self }
    }

    /// Serves the connection to its end. A client that goes away is no event worth a line.
    pub(super) async fn serve(&mut self) {
        if let Err(error) = self.serve_until_done().await {
            tracing::debug!(client = %self.dialogue.client(), %error, "a connection ended early");
        }
    }

    async fn serve_until_done(&mut self) -> io::Result<()> {
        let (place, desk) = (self.seat.place(), self.desk.clone());
        let (unseated, ended) = (pin!(place.told()), pin!(desk.end.told()));
        let mut ears = Ears { unseated, ended };
        let mut alarm = Alarm::default();
        let mut is_draining = false;
        self.go_on().await?;
        if self.dialogue.has_unread() {
            // What came behind a PROXY header has not been looked at, whole or not.
            self.take_unread()?;
        }
        loop {
            self.go_on().await?;
            if !self.dialogue.is_open() && !self.dialogue.is_owed_an_answer() {
                return Box::pin(end::close(&mut self.stream, &self.seat)).await;
            }
            self.last_active = Instant::now();
            match poll_fn(|cx| self.poll_event(cx, &mut ears, &mut alarm)).await? {
                Event::Answers if is_draining => {
                    // What is unwritten is written first: each read brings more.
                    self.go_on().await?;
                    Box::pin(self.read_what_is_there(LAST_READS)).await?;
                }
                Event::Read(length) if length >= MUCH => yield_now().await,
                Event::Read(_) | Event::Answers => {}
                // Nothing is unread or unwritten, and nobody waits for us to say so.
                Event::End if !self.dialogue.is_owed_an_answer() => return Ok(()),
                Event::End | Event::Late => self.dialogue.stop_listening(),
                Event::Told(word) => {
                    is_draining = word == Word::Drain;
                    // What came while it was chosen is not lost.
                    let times = if is_draining { LAST_READS } else { 1 };
                    Box::pin(self.read_what_is_there(times)).await?;
                    if !is_draining && !self.dialogue.is_owed_an_answer() {
                        // Its descriptor may be needed too.
                        return Ok(());
                    }
                    self.dialogue.stop_listening();
                }
            }
        }
    }

    /// What others say and answers that are ready come first: a client that never stops sending
    /// must not keep them off.
    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        ears: &mut Ears<'_, '_>,
        alarm: &mut Alarm,
    ) -> Poll<io::Result<Event>> {
        if self.dialogue.is_open()
            && let Poll::Ready(word) = self.poll_word(cx, ears)
        {
            return Poll::Ready(Ok(Event::Told(word)));
        }
        if self.dialogue.is_owed_an_answer() && self.poll_answers(cx)?.is_ready() {
            return Poll::Ready(Ok(Event::Answers));
        }
        if self.dialogue.wants_more()
            && let Poll::Ready(length) = self.poll_read(cx)?
        {
            return Poll::Ready(Ok(if length == 0 { Event::End } else { Event::Read(length) }));
        }
        let Some(late_at) = self.dialogue.late_at(self.last_active) else { return Poll::Pending };
        alarm.poll_at(cx, late_at).map(|()| Ok(Event::Late))
    }

    fn poll_word(&self, cx: &mut Context<'_>, ears: &mut Ears<'_, '_>) -> Poll<Word> {
        // What was said before there were ears to hear it is only marked.
        if self.seat.is_needed() || ears.unseated.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Word::Unseated);
        }
        if self.desk.end.has_come() || ears.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Word::Drain);
        }
        Poll::Pending
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let desk = self.desk.clone();
        let replies = &mut desk.lend().replies;
        self.dialogue.poll_answers(cx, replies).map(|()| self.send(replies))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.read(|stream, free| {
            let mut free = ReadBuf::new(free);
            match Pin::new(stream).poll_read(cx, &mut free) {
                Poll::Ready(read) => read.map(|()| free.filled().len()),
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    /// Reads once and answers what has come.
    fn read(
        &mut self,
        read: impl FnOnce(&mut TcpStream, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let desk = self.desk.clone();
        let buffers = &mut *desk.lend();
        let length = self.dialogue.read(buffers, |free| read(&mut self.stream, free))?;
        self.send(&mut buffers.replies)?;
        Ok(length)
    }

    /// Reads what has arrived, so many times at most, without waiting for more.
    async fn read_what_is_there(&mut self, times: usize) -> io::Result<()> {
        for _ in 0..times {
            // What has no room now is read when an answer has left.
            if !self.dialogue.can_take_more() {
                break;
            }
            // Others of this thread have their turn. Then the kernel itself is asked: what the
            // runtime knows of the stream may be older.
            yield_now().await;
            match self.read(receive_now) {
                Ok(0) => break,
                Ok(_) => self.go_on().await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what the kernel had no room for, and takes what there was no room for meanwhile;
    /// nothing is read until then, which slows down who does not listen.
    async fn go_on(&mut self) -> io::Result<()> {
        let mut written_by = None;
        loop {
            if !self.unwritten.is_empty() {
                let by = *written_by.get_or_insert_with(|| Instant::now() + WRITE);
                Box::pin(self.write_by(by)).await?;
            }
            if !self.dialogue.can_go_on() {
                return Ok(());
            }
            self.take_unread()?;
        }
    }

    /// Takes what was read before, as far as there is room.
    fn take_unread(&mut self) -> io::Result<()> {
        let desk = self.desk.clone();
        let replies = &mut desk.lend().replies;
        self.dialogue.go_on(replies)?;
        self.send(replies)
    }

    /// Notes that the client was here and gives it its answers, as far as the kernel takes them.
    fn send(&mut self, replies: &mut Replies) -> io::Result<()> {
        // Before the client can know: it may open its next connection when it has its answer.
        self.seat.note_use(self.dialogue.is_owed_an_answer());
        debug_assert!(self.unwritten.is_empty(), "answers would be lost");
        let sent = replies.send(|framed| self.stream.try_write(framed));
        self.unwritten = sent?;
        if !self.unwritten.is_empty() {
            self.seat.note_use(true);
        }
        Ok(())
    }

    async fn write_by(&mut self, deadline: Instant) -> io::Result<()> {
        let unwritten = mem::take(&mut self.unwritten);
        match timeout_at(deadline, self.stream.write_all(&unwritten)).await {
            Ok(written) => written?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        self.seat.note_use(self.dialogue.is_owed_an_answer());
        Ok(())
    }
}

/// Reads what the kernel has.
fn receive_now(stream: &mut TcpStream, free: &mut [u8]) -> io::Result<usize> {
    let (received, _) = recv(stream, free, RecvFlags::DONTWAIT)?;
    Ok(received)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{io::AsyncReadExt as _, net::TcpListener, time::sleep};

    use super::{
        super::{
            Seats,
            dialogue::{IDLE, MESSAGE},
        },
        *,
    };
    use crate::{
        config::Config,
        pipeline::{Pipeline, Worker},
        query::{Client, Transport},
    };

    /// The server's end of a connection, ready to serve.
    struct Ready {
        stream: TcpStream,
        dialogue: Dialogue,
        seat: Seat,
        desk: Rc<Desk>,
    }

    impl Ready {
        async fn serve(self) {
            let Self { stream, dialogue, seat, desk } = self;
            Connection::new(stream, dialogue, seat, desk).serve().await;
        }
    }

    /// Both ends of a connection, and the seats.
    async fn pair() -> (TcpStream, Ready, Arc<Seats>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (pipeline, _engine) = Pipeline::new(&Arc::new(Config::default())).unwrap();
        let seats = Arc::new(Seats::new(Arc::default()));
        let seat = seats.take(1, None).unwrap();
        let peer = Client::at(peer.ip(), Transport::Tcp);
        let desk = Desk::new(Worker::new(pipeline));
        let dialogue = Dialogue::new(desk.worker.clone(), peer, Vec::new());
        (client, Ready { stream, dialogue, seat, desk }, seats)
    }

    /// A query for `x.localhost` A in its frame.
    const QUERY: &[u8] = b"\0\x1d\0\0\x01\0\0\x01\0\0\0\0\0\0\x01x\x09localhost\0\0\x01\0\x01";

    #[tokio::test(start_paused = true)]
    async fn r13_a_silent_client_is_let_go_after_half_a_minute() {
        let (mut client, connection, _seats) = pair().await;
        let started = Instant::now();

        connection.serve().await;

        assert_eq!(started.elapsed().as_secs(), IDLE.as_secs());
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn r10_a_message_that_drips_is_let_go_ten_seconds_after_its_first_octet() {
        let (mut client, connection, _seats) = pair().await;
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

        connection.serve().await;

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
        let started = Instant::now();
        client.write_all(QUERY).await.unwrap();
        let serving = tokio::task::LocalSet::new();
        let served = serving.run_until(connection.serve());
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
        let flood = QUERY.repeat(1000);
        let (kept_open, mut sender) = client.into_split();
        let sending = tokio::spawn(async move { while sender.write_all(&flood).await.is_ok() {} });

        connection.serve().await;

        drop(kept_open);
        sending.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn r16_a_client_that_is_slow_to_take_its_answers_keeps_its_seat_for_a_while() {
        let (client, connection, seats) = pair().await;
        let flood = QUERY.repeat(1000);
        let (kept_open, mut sender) = client.into_split();
        let sending = tokio::spawn(async move { while sender.write_all(&flood).await.is_ok() {} });
        let started = Instant::now();
        let next = async {
            sleep(Duration::from_secs(3)).await;
            assert!(seats.take(1, None).is_none(), "it is owed answers");
        };

        tokio::join!(connection.serve(), next);

        assert!(started.elapsed() >= WRITE, "{:?}", started.elapsed());
        assert!(seats.take(1, None).is_some(), "and no longer");
        drop(kept_open);
        sending.await.unwrap();
    }
}
