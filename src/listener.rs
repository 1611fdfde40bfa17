//! Where queries come in: sockets of both transports, each served by a thread of the data plane.
//!
//! A listener reads packets, gives them to the pipeline and sends what comes out. It knows
//! nothing of what is answered, only of sizes, order and time.

#[cfg(test)]
mod allocations;
pub mod tcp;
pub mod udp;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use tokio::time::Instant;

use crate::{
    answer,
    pipeline::{Pending, Progress, Worker},
    query::{Client, Complaint, Query, Unreadable},
    ratelimit::Pace,
};

/// Octets in which nearly every answer fits.
const USUAL_ANSWER: usize = 512;

/// Answers one packet as a listener does, however long that takes; nothing where silence is right.
pub async fn answer_packet(worker: &Rc<Worker>, packet: &[u8], client: Client) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(USUAL_ANSWER);
    worker.read_clock();
    match take(worker, packet, &client, &mut out) {
        Taken::Silence => None,
        Taken::Answer => Some(out),
        Taken::Wait(pending) => finish(pending).await,
    }
}

/// What became of a packet without waiting.
pub enum Taken {
    /// Nothing is to be sent.
    Silence,
    /// The answer is written.
    Answer,
    /// It will be.
    Wait(Box<Pending>),
}

/// Reads one packet and answers it as far as that needs no waiting.
pub fn take(worker: &Rc<Worker>, packet: &[u8], client: &Client, out: &mut Vec<u8>) -> Taken {
    // It is not moved from where it is written: it is large, for the name in it.
    let mut read = Query::read(packet, client.clone());
    let query = match &mut read {
        Ok(query) => {
            worker.pipeline.check_cookie(&mut query.edns, query.client.address);
            &*query
        }
        Err(Unreadable::Ignore) => return ignore(worker),
        Err(Unreadable::Complain(complaint)) => {
            return complain(worker, packet, complaint, client, out);
        }
    };
    // One query that meets a defect of ours must not end the listener for all others.
    let begun = catch_unwind(AssertUnwindSafe(|| worker.begin(query, out)));
    match begun {
        Ok(Progress::Wait(pending)) => Taken::Wait(pending),
        Ok(Progress::Done) => {
            answer::fit(query, out);
            Taken::Answer
        }
        Ok(Progress::Silence) => Taken::Silence,
        Err(_) => {
            tracing::error!(qtype = query.qtype, "a query met a defect of ours and gets no answer");
            Taken::Silence
        }
    }
}

/// Counts a packet that is no query and gets no answer.
fn ignore(worker: &Worker) -> Taken {
    worker.pipeline.metrics.count_malformed();
    Taken::Silence
}

/// Says what is wrong with a packet that is no query.
fn complain(
    worker: &Worker,
    packet: &[u8],
    complaint: &mut Complaint,
    sender: &Client,
    out: &mut Vec<u8>,
) -> Taken {
    worker.pipeline.metrics.count_malformed();
    worker.pipeline.check_cookie(&mut complaint.edns, sender.address);
    let (snapshot, now) = (worker.pipeline.published.load(), Instant::now());
    // Who asks nothing is not sent to where it could ask.
    if worker.pipeline.pace(sender, complaint.edns.as_ref(), &snapshot, now) != Pace::Fine {
        return Taken::Silence;
    }
    answer::complaint(packet, complaint, out);
    Taken::Answer
}

/// Waits for the answer that a packet did not get at once; nothing where silence is right.
async fn finish(mut pending: Box<Pending>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(USUAL_ANSWER);
    if let Progress::Silence = pending.finish(&mut out).await {
        return None;
    }
    answer::fit(pending.query(), &mut out);
    Some(out)
}
