//! The addresses of a server come in as they were given, in the order to dial them they go out:
//! both families early, and last what failed lately. No clock in here, so that time is a value in
//! its tests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// How long an address that failed is dialled after the others: a path that is down comes back in
/// minutes, and meanwhile nobody misses it.
const FAILED_FOR: Duration = Duration::from_secs(5 * 60);

/// Failures that are remembered of one server; the oldest is forgotten for another.
const MAX_FAILURES: usize = 64;

/// What failed lately.
#[derive(Default)]
pub(crate) struct Order {
    failures: VecDeque<(SocketAddr, Instant)>,
}

impl Order {
    /// Whether nothing has failed, as far as is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// The order to dial these in.
    pub(crate) fn sort(&self, addresses: &[SocketAddr], now: Instant) -> Vec<SocketAddr> {
        let mut sorted = interleave(addresses);
        // Stable, and whatever did not fail comes first; then what failed the longest ago.
        sorted.sort_by_key(|address| self.failed_at(*address, now));
        sorted
    }

    /// Notes that an address did not connect, was overtaken by one that had a later start, or said
    /// nothing.
    pub(crate) fn note_failure(&mut self, address: SocketAddr, now: Instant) {
        self.note_success(address);
        if self.failures.len() == MAX_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back((address, now));
    }

    /// Notes that a server was found at an address.
    pub(crate) fn note_success(&mut self, address: SocketAddr) {
        self.failures.retain(|(failed, _)| *failed != address);
    }

    fn failed_at(&self, address: SocketAddr, now: Instant) -> Option<Instant> {
        let is_it = |(failed, at): &&(SocketAddr, Instant)| {
            *failed == address && now.saturating_duration_since(*at) < FAILED_FOR
        };
        self.failures.iter().find(is_it).map(|(_, at)| *at)
    }
}

/// Takes turns between the families, beginning with that of the first address (RFC 8305 section 4):
/// where one family leads nowhere, the second address to be dialled is of the other.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut interleaved = Vec::with_capacity(addresses.len());
    while interleaved.len() < addresses.len() {
        interleaved.extend(first.next());
        interleaved.extend(second.next());
    }
    interleaved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1` is 192.0.2.1, `a` is 2001:db8::a; their order is what counts.
    fn addresses(short: &str) -> Vec<SocketAddr> {
        let long = |letter: char| match letter.is_ascii_digit() {
            true => format!("192.0.2.{letter}:443"),
            false => format!("[2001:db8::{letter}]:443"),
        };
        short.chars().map(|letter| long(letter).parse().expect("an address")).collect()
    }

    #[test]
    fn the_families_take_turns() {
        for (given, dialled) in [
            ("", ""),
            ("1", "1"),
            ("a", "a"),
            ("123", "123"),
            ("abc", "abc"),
            ("12ab", "1a2b"),
            ("ab12", "a1b2"),
            ("abc1", "a1bc"),
            ("1abc", "1abc"),
            ("1a2b3", "1a2b3"),
        ] {
            let order = Order::default();
            assert_eq!(order.sort(&addresses(given), Instant::now()), addresses(dialled));
        }
    }

    /// Failure story 11: an address that leads nowhere costs one connection its time, not each.
    #[test]
    fn t31_what_failed_lately_is_dialled_last() {
        let (mut order, start) = (Order::default(), Instant::now());
        let (given, second) = (addresses("12ab"), Duration::from_secs(1));
        order.note_failure(given[0], start);
        assert_eq!(order.sort(&given, start), addresses("a2b1"));

        order.note_failure(given[2], start + second);
        assert_eq!(order.sort(&given, start + second), addresses("2b1a"));

        // Again, and later than the other.
        order.note_failure(given[0], start + 2 * second);
        assert_eq!(order.sort(&given, start + 2 * second), addresses("2ba1"));

        order.note_success(given[2]);
        assert_eq!(order.sort(&given, start + 2 * second), addresses("a2b1"));
        assert_eq!(order.sort(&given, start + 2 * second + FAILED_FOR), addresses("1a2b"));
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_fail() {
        let (mut order, now) = (Order::default(), Instant::now());

        for port in 1..10_000 {
            order.note_failure(SocketAddr::from(([192, 0, 2, 1], port)), now);
        }

        assert_eq!(order.failures.len(), MAX_FAILURES);
    }
}
