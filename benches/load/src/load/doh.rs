//! Queries go out as HTTP/2 POST requests over TLS (RFC 8484), answers come back as bodies. All of
//! it on the calling thread, on connections that are kept.

mod server;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;

pub use server::{DohServer, DohServerError};

use super::{
    LoadError, Watch,
    course::{Course, Departure, Seats},
    flights::LOST_AFTER,
    plan::Plan,
    tally::Tally,
};

/// Media type of requests and answers (RFC 8484 section 6).
const MEDIA_TYPE: &str = "application/dns-message";

pub(super) fn run(
    plan: &Plan,
    server: &DohServer,
    watch: &mut dyn Watch,
) -> Result<Tally, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut lanes = Vec::new();
        for _ in 0..plan.lanes.get() {
            lanes.push(server.connect().await?);
        }
        let course = Course::new(plan, Seats::Shared, watch);
        Run { server, lanes, course }.go().await
    })
}

struct Run<'run> {
    server: &'run DohServer,
    lanes: Vec<Lane>,
    course: Course<'run>,
}

/// One kept connection. Its other half runs as a task of the same thread.
type Lane = SendRequest<Full<Bytes>>;

/// What became of one request.
struct Outcome {
    lane: usize,
    id: u16,
    /// None when the exchange broke off.
    body: Option<Bytes>,
}

impl Run<'_> {
    async fn go(mut self) -> Result<Tally, LoadError> {
        // Bounded by the ids in flight, and those that were given up by their own time limit.
        let mut waiting = FuturesUnordered::new();
        loop {
            let now = self.course.tick();
            if self.course.is_over() {
                return Ok(self.course.finish());
            }
            while let Some(departure) = self.course.depart(now) {
                let Some(lane) = self.lanes.get(departure.lane) else { continue };
                waiting.push(exchange(lane.clone(), self.request(&departure), departure));
            }
            // Lets the connections read and write, and looks after timers.
            tokio::task::yield_now().await;
            let patience = self.course.patience();
            if patience > Duration::ZERO
                && let Ok(Some(outcome)) = tokio::time::timeout(patience, waiting.next()).await
            {
                self.settle(outcome).await?;
            }
            while let Some(Some(outcome)) = waiting.next().now_or_never() {
                self.settle(outcome).await?;
            }
        }
    }

    fn request(&self, departure: &Departure<'_>) -> Option<Request<Full<Bytes>>> {
        let mut body = Vec::with_capacity(usize::from(departure.question.octets()));
        departure.question.write(departure.id, &mut body);
        let request = Request::post(self.server.url())
            .header("accept", MEDIA_TYPE)
            .header("content-type", MEDIA_TYPE)
            .body(Full::from(body));
        request.ok()
    }

    async fn settle(&mut self, outcome: Outcome) -> Result<(), LoadError> {
        let Outcome { lane, id, body } = outcome;
        match body {
            Some(body) => self.course.arrive(lane, &body),
            None => self.course.give_up(lane, id),
        }
        let Some(place) = self.lanes.get_mut(lane) else { return Ok(()) };
        if place.is_closed() {
            self.course.count_reconnect();
            *place = self.server.connect().await?;
        }
        Ok(())
    }
}

async fn exchange(
    lane: Lane,
    request: Option<Request<Full<Bytes>>>,
    departure: Departure<'_>,
) -> Outcome {
    let (id, number) = (departure.id, departure.lane);
    let answered = tokio::time::timeout(LOST_AFTER, ask(lane, request, id));
    Outcome { lane: number, id, body: answered.await.ok().flatten() }
}

async fn ask(mut lane: Lane, request: Option<Request<Full<Bytes>>>, id: u16) -> Option<Bytes> {
    lane.ready().await.ok()?;
    let response = lane.send_request(request?).await.ok()?;
    if response.status() != StatusCode::OK {
        // An answer with nothing but its id is judged wrong, as it should be.
        return Some(Bytes::copy_from_slice(&id.to_be_bytes()));
    }
    Some(response.into_body().collect().await.ok()?.to_bytes())
}
