//! Times at which a client is too late go in, one alarm comes out when the last of them has passed.
//!
//! With every message the time moves on. The timer does not: it is set anew when it goes off too
//! early, about twice a minute, however busy the connection is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that may go off early, and then sleeps on.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready when this time has come; whoever calls is woken then.
    pub(super) fn poll_at(&mut self, cx: &mut Context<'_>, time: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(time)));
        if time < sleep.deadline() {
            sleep.as_mut().reset(time);
        }
        ready!(sleep.as_mut().poll(cx));
        if time <= sleep.deadline() {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(time);
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_off_at_the_last_time_it_was_given() {
        let started = Instant::now();
        let mut alarm = Alarm::default();
        let is_late = async |alarm: &mut Alarm, seconds| {
            let time = started + Duration::from_secs(seconds);
            poll_fn(|cx| Poll::Ready(alarm.poll_at(cx, time).is_ready())).await
        };

        assert!(!is_late(&mut alarm, 30).await);
        advance(Duration::from_secs(20)).await;
        assert!(!is_late(&mut alarm, 50).await);
        assert!(!is_late(&mut alarm, 25).await, "an earlier one");
        advance(Duration::from_secs(5)).await;
        assert!(!is_late(&mut alarm, 55).await, "it goes off too early");
        poll_fn(|cx| alarm.poll_at(cx, started + Duration::from_secs(55))).await;

        assert_eq!(started.elapsed().as_secs(), 55);
    }
}
