//! What landed goes in, those who wait for it are told: at once, or on their own thread together
//! with all that landed meanwhile. Waking a thread costs a system call, and upstreams' answers come
//! many at a time.

use tokio::sync::mpsc;

use super::{Resolved, flights::Waiter};

/// How those who wait on one thread are told; clones are the same.
#[derive(Clone, Default)]
pub struct Courier {
    /// Where the thread takes in what is for it; nothing where each is told by itself.
    mailbox: Option<mpsc::Sender<Vec<Landing>>>,
}

/// Where one thread takes in what landed.
pub struct Mailbox {
    batches: mpsc::Receiver<Vec<Landing>>,
}

/// One who waited, and for what.
pub(super) struct Landing {
    waiter: Waiter,
    resolved: Resolved,
}

/// What landed since the last delivery.
#[derive(Default)]
pub(super) struct Bag {
    /// A few at most: one for each thread that answers.
    batches: Vec<(Courier, Vec<Landing>)>,
}

impl Courier {
    /// A courier to a mailbox that has room for so many who wait.
    pub fn to_mailbox(limit: usize) -> (Self, Mailbox) {
        let (mailbox, batches) = mpsc::channel(limit);
        (Self { mailbox: Some(mailbox) }, Mailbox { batches })
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.mailbox, &other.mailbox) {
            (Some(one), Some(other)) => one.same_channel(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Mailbox {
    /// Tells those who wait on this thread, until nobody is left who could be asked.
    pub async fn deliver(mut self) {
        while let Some(batch) = self.batches.recv().await {
            batch.into_iter().for_each(Landing::tell);
        }
    }
}

impl Landing {
    fn tell(self) {
        // Whoever is gone has been answered by its deadline.
        let _ = self.waiter.reply.send(self.resolved);
    }
}

impl Bag {
    pub(super) fn put(&mut self, waiter: Waiter, resolved: Resolved) {
        let courier = waiter.courier.clone();
        let landing = Landing { waiter, resolved };
        match self.batches.iter_mut().find(|(known, _)| known.is_same(&courier)) {
            Some((_, batch)) => batch.push(landing),
            None => self.batches.push((courier, vec![landing])),
        }
    }

    pub(super) fn deliver(&mut self) {
        for (courier, batch) in &mut self.batches {
            let batch = std::mem::take(batch);
            match &courier.mailbox {
                // It has room for all who wait; it is gone only with those.
                Some(mailbox) if !batch.is_empty() => drop(mailbox.try_send(batch)),
                Some(_) => {}
                None => batch.into_iter().for_each(Landing::tell),
            }
        }
        // Threads that are gone, such as those of a test, leave nothing behind.
        self.batches.retain(|(courier, _)| {
            courier.mailbox.as_ref().is_some_and(|mailbox| !mailbox.is_closed())
        });
    }
}
