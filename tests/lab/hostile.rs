//! An honest answer goes in, what a hostile, broken or unlucky upstream makes of it comes out.
//!
//! The first part is how an upstream turns from hostile to honest and how it misbehaves in HTTP;
//! the table of everything it tries with messages is in `tricks`.

mod tricks;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use hickory_proto::op::Message;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use tokio::sync::Notify;

pub(crate) use tricks::{POISON, TRICKS, VICTIM};

/// The body of any response.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a stream that is not answered ends with.
#[derive(Debug, thiserror::Error)]
#[error("the stream is reset")]
pub(super) struct Reset;

/// How a connection may end before its time.
#[derive(Default)]
pub(super) struct Ending {
    /// It takes no more requests (GOAWAY, RFC 9113 section 6.8).
    pub(super) farewell: Notify,
    /// It is gone without a word.
    pub(super) cut: Notify,
}

/// A trick that an upstream plays until it turns honest.
#[derive(Clone)]
pub(crate) struct Hostility {
    trick: &'static Trick,
    is_over: Arc<AtomicBool>,
}

/// One line of the table: what the upstream does, and what a client must see of it.
pub(crate) struct Trick {
    pub(crate) name: &'static str,
    deed: Deed,
    pub(crate) expected: Expected,
}

/// What a client is told while the upstream misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The right addresses: the trick does no harm.
    Right,
    /// No address: an answer without any, or a failure.
    Nothing,
    /// SERVFAIL with the reason that no upstream answered, or answered well.
    Failure,
}

/// What an upstream does to its answer.
enum Deed {
    /// Changes the message.
    Message(fn(&mut Message)),
    /// Changes its octets.
    Octets(fn(&mut Vec<u8>)),
    /// Misbehaves one layer below.
    Http(Http),
}

/// Ways to misbehave in HTTP.
#[derive(Clone, Copy)]
enum Http {
    Status(u16),
    ContentType(&'static str),
    Encoding,
    HeaderFlood,
    Drip,
    Stall,
    Endless,
    Reset,
    Farewell,
    FarewellAlone,
    Cut,
    Hang,
}

impl Hostility {
    /// An upstream that plays this trick from the start.
    pub(crate) fn new(trick: &'static Trick) -> Self {
        Self { trick, is_over: Arc::default() }
    }

    /// From now on the upstream is honest.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn trick(&self) -> Option<&'static Trick> {
        (!self.is_over.load(Ordering::SeqCst)).then_some(self.trick)
    }
}

impl Trick {
    /// Whether an answer can be told to be no good without what was asked.
    pub(crate) fn can_be_told(&self) -> bool {
        let needs_the_question = ["an alias of itself", "aliases in a circle"];
        self.expected == Expected::Failure && !needs_the_question.contains(&self.name)
            || matches!(self.deed, Deed::Http(_))
    }

    /// Plays it on an answer.
    pub(super) async fn play(
        &self,
        mut answer: Message,
        ending: &Ending,
    ) -> Result<Response<Body>, Reset> {
        match self.deed {
            Deed::Message(change) => {
                change(&mut answer);
                Ok(response(answer.to_vec().unwrap()))
            }
            Deed::Octets(change) => {
                let mut octets = answer.to_vec().unwrap();
                change(&mut octets);
                Ok(response(octets))
            }
            Deed::Http(http) => http.play(answer.to_vec().unwrap(), ending).await,
        }
    }
}

impl Http {
    async fn play(self, octets: Vec<u8>, ending: &Ending) -> Result<Response<Body>, Reset> {
        let mut good = response(octets.clone());
        match self {
            Self::Status(status) => {
                *good.status_mut() = StatusCode::from_u16(status).unwrap();
                good.headers_mut().insert("location", "https://127.0.0.1:9/".parse().unwrap());
            }
            Self::ContentType(content_type) => {
                good.headers_mut().insert("content-type", content_type.parse().unwrap());
            }
            Self::Encoding => {
                good.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
                *good.body_mut() = whole(b"\x1f\x8b\x08\0\0\0\0\0\0\xff".repeat(100));
            }
            Self::HeaderFlood => {
                for _ in 0..1000 {
                    good.headers_mut().append("x-flood", "x".repeat(1000).parse().unwrap());
                }
            }
            Self::Drip => *good.body_mut() = streamed(drip(octets)),
            Self::Stall => {
                let begin = stream::iter([octets.into_iter().take(20).collect()]);
                *good.body_mut() = streamed(begin.chain(stream::pending()));
            }
            Self::Endless => *good.body_mut() = streamed(stream::repeat(vec![0; 16_384])),
            Self::Reset => return Err(Reset),
            Self::Farewell => ending.farewell.notify_one(),
            Self::FarewellAlone => {
                ending.farewell.notify_one();
                std::future::pending().await
            }
            Self::Cut => {
                ending.cut.notify_one();
                std::future::pending().await
            }
            Self::Hang => std::future::pending().await,
        }
        Ok(good)
    }
}

/// A response with a DNS message, or what is said to be one.
fn response(octets: Vec<u8>) -> Response<Body> {
    let builder = Response::builder().header("content-type", "application/dns-message");
    builder.body(whole(octets)).unwrap()
}

fn whole(octets: Vec<u8>) -> Body {
    Full::from(octets).boxed_unsync()
}

fn streamed(chunks: impl Stream<Item = Vec<u8>> + Send + 'static) -> Body {
    let frame = |chunk: Vec<u8>| Ok(Frame::data(Bytes::from(chunk)));
    StreamBody::new(chunks.map(frame)).boxed_unsync()
}

/// One octet at a time, so slowly that the whole takes longer than anybody waits.
fn drip(octets: Vec<u8>) -> impl Stream<Item = Vec<u8>> + Send {
    let clock = tokio::time::interval(Duration::from_millis(100));
    stream::unfold((octets.into_iter(), clock), |(mut octets, mut clock)| async move {
        clock.tick().await;
        let octet = octets.next()?;
        Some((vec![octet], (octets, clock)))
    })
}
