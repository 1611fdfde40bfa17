//! Queries go in and get an id, ids of answers go in and give back who waits. Kept apart so that what
//! makes an id free again stands on one page.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Debt;
use crate::random::random;
use crate::transport::Received;

/// Most ids in use at once: half of all there are, so that a random one is free after two tries.
pub(super) const MAX_IN_FLIGHT: usize = u16::MAX as usize / 2;

/// How long the id of a query that was given up stays out of use: longer than any resolver works on
/// one, so that a late answer never meets another query under its id.
const RESERVED: Duration = Duration::from_secs(10);

/// Random bytes asked for at once: one call to the system for 64 ids.
const SPARE: usize = 128;

/// Who waits for an answer.
struct Waiter {
    reply: oneshot::Sender<Received>,
    since: Instant,
    _debt: Debt,
}

/// The ids in use on one connection.
pub(super) struct Ledger {
    waiting: HashMap<u16, Waiter>,
    spare: [u8; SPARE],
    used: usize,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), spare: [0; SPARE], used: SPARE }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_IN_FLIGHT
    }

    /// Finds an id that is free and that nobody can foresee; to be called while it is not full.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub(super) fn enter(
        &mut self,
        reply: oneshot::Sender<Received>,
        debt: Debt,
    ) -> io::Result<u16> {
        let mut id = self.draw()?;
        while self.waiting.contains_key(&id) {
            id = self.draw()?;
        }
        self.waiting.insert(id, Waiter { reply, since: Instant::now(), _debt: debt });
        Ok(id)
    }

    /// Gives an answer to who waits for it, with the id 0; whether there is such a query.
    pub(super) fn settle(&mut self, answer: &[u8]) -> bool {
        let Some((id, rest)) = answer.split_first_chunk() else { return false };
        let Some(waiter) = self.waiting.remove(&u16::from_be_bytes(*id)) else { return false };
        if !waiter.reply.is_closed() {
            // A copy, because one small answer would keep all of the buffer it was read into.
            let body = Bytes::from([&[0, 0], rest].concat());
            // Whoever asked may be gone by now, which is no matter.
            let _ = waiter.reply.send(Received { body, age: Duration::ZERO });
        }
        true
    }

    /// Frees the ids of queries that were given up long ago.
    pub(super) fn sweep(&mut self) {
        let is_due = |waiter: &Waiter| waiter.since.elapsed() >= RESERVED;
        self.waiting.retain(|_, waiter| !(waiter.reply.is_closed() && is_due(waiter)));
    }

    fn draw(&mut self) -> io::Result<u16> {
        if self.used >= SPARE {
            (self.spare, self.used) = (random()?, 0);
        }
        let id = self.spare.get(self.used..).and_then(|spare| spare.first_chunk());
        self.used += size_of::<u16>();
        Ok(id.copied().map(u16::from_be_bytes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::super::Status;
    use super::*;

    fn enter(ledger: &mut Ledger) -> (u16, oneshot::Receiver<Received>) {
        let (reply, answer) = oneshot::channel();
        let id = ledger.enter(reply, Debt::owe(Arc::<Status>::default())).unwrap();
        (id, answer)
    }

    fn answer(id: u16) -> Vec<u8> {
        [&id.to_be_bytes(), [7; 10].as_slice()].concat()
    }

    #[test]
    fn ids_in_use_are_unique_until_half_of_them_are_taken() {
        let mut ledger = Ledger::new();
        let mut answers = Vec::new();
        let mut ids = HashSet::new();

        while !ledger.is_full() {
            let (id, answer) = enter(&mut ledger);
            ids.insert(id);
            answers.push(answer);
        }

        assert_eq!((ids.len(), answers.len()), (32_767, 32_767));
        assert!(ids.iter().all(|id| ledger.settle(&answer(*id))));
        assert!(answers.iter_mut().all(|answer| answer.try_recv().unwrap().body[..2] == [0, 0]));
    }

    #[test]
    fn ids_do_not_count_up() {
        let mut ledger = Ledger::new();
        let ids: Vec<_> = (0..200).map(|_| enter(&mut ledger).0).collect();
        let steps: HashSet<_> = ids.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();

        assert!(steps.len() > 150, "{} different steps", steps.len());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_told_as_such() {
        let mut ledger = Ledger::new();
        let (id, _waits) = enter(&mut ledger);

        assert!(!ledger.settle(&answer(!id)) && !ledger.settle(&[]));
        assert!(ledger.settle(&answer(id)));
        assert!(!ledger.settle(&answer(id)), "the same answer once more");
    }

    #[tokio::test(start_paused = true)]
    async fn the_id_of_a_query_that_was_given_up_is_free_after_10_s() {
        let mut ledger = Ledger::new();
        let ((given_up, dropped), (patient, _waits)) = (enter(&mut ledger), enter(&mut ledger));
        drop(dropped);

        tokio::time::advance(Duration::from_secs(9)).await;
        ledger.sweep();
        assert_eq!(ledger.waiting.len(), 2);

        tokio::time::advance(Duration::from_secs(1)).await;
        ledger.sweep();
        assert!(!ledger.settle(&answer(given_up)) && ledger.settle(&answer(patient)));
    }
}
