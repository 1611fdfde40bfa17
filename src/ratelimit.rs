//! A client's address goes in, whether it asks too often over UDP comes out.
//!
//! Whoever floods a server with forged addresses makes it flood those addresses. So answers over
//! UDP to one prefix are limited, and what is over the limit is half dropped and half sent to TCP,
//! where addresses cannot be forged: somebody real is served there, and nobody is flooded. A
//! client that shows a cookie is real too.
//!
//! Memory and time are fixed: each prefix has a place in one table by its keyed hash, which holds
//! the time at which it has used up what it may (the generic cell rate algorithm). Two prefixes
//! that meet in one place share its rate.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::time::Instant;

use crate::config::RateLimit;

/// Places in the table, 1 MiB: a thousand busy prefixes meet in one by a chance of 1.5 %.
const PLACES: usize = 65_536;

/// How long a client may ask at any speed, in nanoseconds, before its rate counts: a page that
/// needs fifty names asks for them at once.
const BURST: u64 = 1_000_000_000;

/// One of so many queries over the limit gets an answer that sends it to TCP.
const SLIP: u64 = 2;

/// What is to be done about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It is within the limit.
    Fine,
    /// It is over it, and is told to come in a way that proves its address.
    Slip,
    /// It is over it and gets no answer.
    Drop,
}

/// The limiter; free of charge and memory until it is first used.
#[derive(Debug)]
pub struct RateLimiter {
    places: OnceLock<Box<[Place]>>,
    /// Its keys are random, so that nobody can choose whom to meet.
    hasher: RandomState,
    started: Instant,
    slipped: AtomicU64,
    dropped: AtomicU64,
}

/// One prefix, or those that meet here.
#[derive(Debug, Default)]
struct Place {
    /// Nanoseconds since `started` at which it has used up what it may.
    used_up: AtomicU64,
    /// Queries over the limit. Each place has its own count, so that a flood does not choose who
    /// else gets no answer.
    over: AtomicU64,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self {
            places: OnceLock::new(),
            hasher: RandomState::new(),
            started: Instant::now(),
            slipped: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }
}

impl RateLimiter {
    /// Counts a query of a client and says what is to be done about it. Costs one hash and one
    /// exchange of a word.
    pub fn pace(&self, client: IpAddr, settings: &RateLimit, now: Instant) -> Pace {
        let rate = settings.queries_per_second;
        if rate == 0 || settings.exempt.iter().any(|network| network.contains(&client)) {
            return Pace::Fine;
        }
        let now = now.saturating_duration_since(self.started).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let cost = (BURST / rate).max(1);
        let Some(place) = self.place(prefix(client, settings)) else { return Pace::Fine };
        if place.has_room(now, cost) {
            return Pace::Fine;
        }
        if place.over.fetch_add(1, Ordering::Relaxed).is_multiple_of(SLIP) {
            self.slipped.fetch_add(1, Ordering::Relaxed);
            Pace::Slip
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            Pace::Drop
        }
    }

    /// Queries over the limit that were sent to TCP.
    pub fn slipped(&self) -> u64 {
        self.slipped.load(Ordering::Relaxed)
    }

    /// Queries over the limit that got no answer.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn place(&self, prefix: (bool, u128)) -> Option<&Place> {
        let empty = || (0..PLACES).map(|_| Place::default()).collect();
        let hash = self.hasher.hash_one(prefix) % PLACES as u64;
        self.places.get_or_init(empty).get(usize::try_from(hash).ok()?)
    }
}

impl Place {
    /// Whether a query that costs so much finds room, of which there is less then.
    fn has_room(&self, now: u64, cost: u64) -> bool {
        let spend = |used_up: u64| {
            let next = used_up.max(now).saturating_add(cost);
            (next <= now.saturating_add(BURST)).then_some(next)
        };
        self.used_up.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}

/// The prefix of an address that makes it one client: its family and the bits of it.
fn prefix(client: IpAddr, settings: &RateLimit) -> (bool, u128) {
    let (bits, unused) = match client {
        IpAddr::V4(address) => (address.to_bits().into(), 32 - settings.prefix_v4.min(32)),
        IpAddr::V6(address) => (address.to_bits(), 128 - settings.prefix_v6.min(128)),
    };
    let unused = u32::try_from(unused).unwrap_or(0);
    (client.is_ipv4(), u128::checked_shr(bits, unused).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(queries_per_second: u64) -> RateLimit {
        RateLimit { queries_per_second, prefix_v4: 24, prefix_v6: 56, exempt: Vec::new() }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many queries at one time are within the limit.
    fn within(limiter: &RateLimiter, client: &str, queries: usize, now: Instant) -> usize {
        let pace = |_: &usize| limiter.pace(address(client), &settings(10), now) == Pace::Fine;
        (0..queries).filter(pace).count()
    }

    #[test]
    fn r102_a_second_of_queries_may_come_at_once_and_the_rest_at_their_rate() {
        let limiter = RateLimiter::default();
        let start = Instant::now();

        assert_eq!(within(&limiter, "192.0.2.1", 100, start), 10);
        assert_eq!(within(&limiter, "192.0.2.1", 100, start + Duration::from_millis(500)), 5);
        assert_eq!(within(&limiter, "192.0.2.1", 100, start + Duration::from_secs(3600)), 10);
    }

    #[test]
    fn r102_a_prefix_is_one_client_and_another_prefix_another() {
        let limiter = RateLimiter::default();
        let start = Instant::now();

        assert_eq!(within(&limiter, "192.0.2.1", 100, start), 10);
        assert_eq!(within(&limiter, "192.0.2.200", 100, start), 0);
        assert_eq!(within(&limiter, "192.0.3.1", 100, start), 10);
        assert_eq!(within(&limiter, "2001:db8:0:100::1", 100, start), 10);
        assert_eq!(within(&limiter, "2001:db8:0:1ff::1", 100, start), 0);
        assert_eq!(within(&limiter, "2001:db8:0:200::1", 100, start), 10);
    }

    #[test]
    fn r102_every_second_query_over_the_limit_is_sent_to_tcp() {
        let limiter = RateLimiter::default();
        let now = Instant::now();
        within(&limiter, "192.0.2.1", 10, now);

        let paces = [(); 4].map(|()| limiter.pace(address("192.0.2.1"), &settings(10), now));

        assert_eq!(paces, [Pace::Slip, Pace::Drop, Pace::Slip, Pace::Drop]);
        assert_eq!((limiter.slipped(), limiter.dropped()), (2, 2));
    }

    #[test]
    fn without_a_rate_and_for_the_exempt_there_is_no_limit() {
        let limiter = RateLimiter::default();
        let now = Instant::now();
        let exempt = RateLimit { exempt: vec!["192.0.2.0/24".parse().unwrap()], ..settings(1) };

        for settings in [settings(0), exempt] {
            let paces = [(); 50].map(|()| limiter.pace(address("192.0.2.1"), &settings, now));
            assert_eq!(paces, [Pace::Fine; 50]);
        }
    }

    #[test]
    fn the_extremes_of_prefixes_are_served() {
        for bits in [0, 32, 128] {
            let settings = RateLimit { prefix_v4: bits.min(32), prefix_v6: bits, ..settings(1) };
            let limiter = RateLimiter::default();
            for client in ["255.255.255.255", "ffff::1"] {
                let now = Instant::now();
                assert_eq!(limiter.pace(address(client), &settings, now), Pace::Fine, "{bits}");
                assert_ne!(limiter.pace(address(client), &settings, now), Pace::Fine, "{bits}");
            }
        }
    }
}
