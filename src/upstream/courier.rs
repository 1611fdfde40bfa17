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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot::{self, Receiver};

    use super::*;
    use crate::upstream::{Failure, places::Places};

    /// A bag, and those who wait for what is put into it.
    #[derive(Default)]
    struct Bench {
        bag: Bag,
        waiting: Vec<Receiver<Resolved>>,
    }

    impl Bench {
        /// Puts something in for each of so many who wait on one thread.
        fn put(&mut self, courier: &Courier, waiters: usize) {
            let places = Arc::new(Places::new(2 * waiters));
            for _ in 0..waiters {
                let (reply, waiting) = oneshot::channel();
                let place = places.spare().unwrap();
                let waiter = Waiter { reply, courier: courier.clone(), _place: place };
                self.bag.put(waiter, Err(Failure::Timeout));
                self.waiting.push(waiting);
            }
        }

        /// How many have been told since the last look.
        fn told(&mut self) -> usize {
            let before = self.waiting.len();
            self.waiting.retain_mut(|waiting| waiting.try_recv().is_err());
            before - self.waiting.len()
        }
    }

    #[test]
    fn all_who_wait_on_a_thread_are_in_one_batch_of_each_delivery() {
        let [(one, mut to_one), (other, mut to_other)] = [(); 2].map(|()| Courier::to_mailbox(9));
        let mut bench = Bench::default();
        bench.put(&one, 2);
        bench.put(&other, 1);
        bench.put(&one.clone(), 1);

        bench.bag.deliver();
        bench.bag.deliver();
        bench.put(&one, 2);
        bench.bag.deliver();

        let sizes = |mailbox: &mut Mailbox| {
            let batches = std::iter::from_fn(|| mailbox.batches.try_recv().ok());
            batches.map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!((sizes(&mut to_one), sizes(&mut to_other)), (vec![3, 2], vec![1]));
    }

    #[tokio::test]
    async fn each_who_waits_is_told_when_their_own_thread_looks_into_its_mailbox() {
        let (courier, mailbox) = Courier::to_mailbox(9);
        let mut bench = Bench::default();
        bench.put(&courier, 3);

        bench.bag.deliver();
        assert_eq!(bench.told(), 0);
        bench.bag = Bag::default();
        drop(courier);
        mailbox.deliver().await;

        assert_eq!(bench.told(), 3);
    }

    #[test]
    fn without_a_mailbox_each_is_told_at_the_next_delivery() {
        let mut bench = Bench::default();
        bench.put(&Courier::default(), 2);

        bench.bag.deliver();

        assert_eq!(bench.told(), 2);
        assert!(bench.bag.batches.is_empty());
    }

    #[test]
    fn a_thread_that_is_gone_leaves_nothing_behind() {
        let [(here, _mailbox), (gone, dropped)] = [(); 2].map(|()| Courier::to_mailbox(9));
        let mut bench = Bench::default();
        drop(dropped);
        bench.put(&gone, 2);
        bench.put(&here, 1);

        bench.bag.deliver();

        let [(courier, batch)] = &bench.bag.batches[..] else { panic!("one thread is left") };
        assert!(courier.is_same(&here) && batch.is_empty());
        assert_eq!(bench.told(), 0);
    }
}
