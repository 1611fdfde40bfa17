//! What is known of each server goes in, whom to ask comes out. Kept apart because it decides by
//! values and dice alone, so that thousands of choices are one test.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Of so many choices one is left to the dice, so that a server that became better is noticed.
const EXPLORED: u64 = 50;

/// What is known of one server when somebody is to be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) standing: Standing,
    /// Whether this query was sent there before.
    pub(crate) was_asked: bool,
    /// Seconds that a query is likely to take, more where many are under way.
    pub(crate) cost: f64,
    /// Whether its breaker waits for a probe.
    pub(crate) is_due: bool,
    /// Whether nothing is known of it yet.
    pub(crate) is_untried: bool,
    /// How long to wait for its answer before somebody else is asked too.
    pub(crate) hedge_after: Duration,
}

/// Whether a server should be asked; the smaller is the better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Standing {
    /// Nothing speaks against it.
    Fit,
    /// It wants fewer queries, has as many as it may have, or could not be reached a moment ago.
    Busy,
    /// Its breaker is open, and has been or will be half-open at this moment.
    Open(Instant),
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) server: usize,
    pub(crate) look: Look,
    /// The first one whose breaker waits for a probe.
    pub(crate) due: Option<usize>,
}

/// Random numbers that nobody has to be unable to guess; a sequence by its seed.
pub(crate) struct Dice(AtomicU64);

/// Chooses by the power of two choices: of two random servers of the best kind, the cheaper one.
/// Always the cheapest of all would be everybody's choice at once. A server not looked at cannot
/// be chosen.
pub(crate) fn choose(
    count: usize,
    look: impl Fn(usize) -> Option<Look>,
    dice: &Dice,
) -> Option<Choice> {
    let mut found = Found::default();
    for server in 0..count {
        if let Some(look) = look(server) {
            found.add(server, look);
        }
    }
    let (first, second) = (found.first?, found.second);
    let Seen { server, look } = match second {
        None => first,
        Some(second) => found.pick(first, second, count, look, dice),
    };
    Some(Choice { server, look, due: found.due })
}

/// One server that was looked at.
#[derive(Clone, Copy)]
struct Seen {
    server: usize,
    look: Look,
}

/// The servers of the best kind so far.
#[derive(Default)]
struct Found {
    first: Option<Seen>,
    second: Option<Seen>,
    peers: usize,
    due: Option<usize>,
}

impl Found {
    fn add(&mut self, server: usize, look: Look) {
        if look.is_due {
            self.due.get_or_insert(server);
        }
        let seen = Seen { server, look };
        match self.first {
            Some(first) if first.look.kind() < look.kind() => {}
            Some(first) if first.look.kind() == look.kind() => {
                self.peers += 1;
                self.second.get_or_insert(seen);
            }
            _ => (self.first, self.second, self.peers) = (Some(seen), None, 1),
        }
    }

    fn pick(
        &self,
        first: Seen,
        second: Seen,
        count: usize,
        look: impl Fn(usize) -> Option<Look>,
        dice: &Dice,
    ) -> Seen {
        let (mut first, mut second) = (first, second);
        if self.peers > 2 {
            let nth = |number: usize| {
                let peers =
                    (0..count).filter_map(|server| Some(Seen { server, look: look(server)? }));
                peers.filter(|peer| peer.look.kind() == first.look.kind()).nth(number)
            };
            let (one, other) = dice.pair(self.peers);
            (first, second) = (nth(one).unwrap_or(first), nth(other).unwrap_or(second));
        }
        let (cheap, dear) =
            if second.look.cost < first.look.cost { (second, first) } else { (first, second) };
        if cheap.look.is_untried || dice.below(EXPLORED) != 0 || dice.below(2) != 0 {
            cheap
        } else {
            dear
        }
    }
}

impl Look {
    /// Servers of the same kind are told apart by cost; among those that are left alone, the one
    /// comes first that may be probed first.
    fn kind(&self) -> (Standing, bool) {
        (self.standing, self.was_asked)
    }
}

impl Dice {
    /// The step of `SplitMix64`, whose state is a mere counter and so needs no lock.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Another sequence each time.
    pub(crate) fn unforeseen() -> Self {
        Self::new(RandomState::new().hash_one(0))
    }

    pub(crate) fn roll(&self) -> u64 {
        let state = self.0.fetch_add(Self::STEP, Ordering::Relaxed).wrapping_add(Self::STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below 1.
    pub(crate) fn fraction(&self) -> f64 {
        // 53 bits are what an f64 holds without rounding.
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below another. So few of 2^64 rolls are left over that nobody can tell.
    fn below(&self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// Two different numbers below another, the smaller one first.
    fn pair(&self, limit: usize) -> (usize, usize) {
        let below = |limit: usize| usize::try_from(self.below(limit as u64)).unwrap_or_default();
        let (one, other) = (below(limit), below(limit.saturating_sub(1)));
        if other < one { (other, one) } else { (one, other + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(cost: f64) -> Look {
        Look {
            standing: Standing::Fit,
            was_asked: false,
            cost,
            is_due: false,
            is_untried: false,
            hedge_after: Duration::ZERO,
        }
    }

    fn shares(looks: &[Look]) -> Vec<usize> {
        let dice = Dice::new(1);
        let mut shares = vec![0; looks.len()];
        for _ in 0..10_000 {
            let choice = choose(looks.len(), |server| Some(looks[server]), &dice);
            shares[choice.expect("somebody is there").server] += 1;
        }
        shares
    }

    #[test]
    fn t57_of_two_random_servers_the_cheaper_one_is_asked() {
        let shares = shares(&[fit(0.9), fit(0.1), fit(0.3), fit(0.2)]);

        // One of six pairs each without and with the cheapest: 1/2, 1/3, 1/6 and nothing; besides,
        // one choice in a hundred goes to the dearer one of the pair.
        for (share, expected) in shares.iter().zip([50, 4967, 1700, 3283]) {
            assert!(share.abs_diff(expected) < 200, "{shares:?}");
        }
    }

    #[test]
    fn t57_one_choice_in_a_hundred_goes_to_the_dearer_of_two() {
        let [cheap, dear] = shares(&[fit(0.1), fit(0.9)])[..] else { panic!("two servers") };

        assert!((60..140).contains(&dear), "{cheap} and {dear}");
    }

    #[test]
    fn servers_that_cost_the_same_are_asked_as_they_were_given() {
        let untried = Look { is_untried: true, ..fit(0.001) };

        assert_eq!(shares(&[untried, untried]), [10_000, 0]);
    }

    #[test]
    fn who_is_fit_comes_before_who_is_busy_and_then_who_opens_first() {
        let now = Instant::now();
        let open = |after| Standing::Open(now + Duration::from_secs(after));
        let by = |standing, was_asked| Look { standing, was_asked, ..fit(0.1) };
        let mut looks = vec![
            by(open(9), false),
            by(open(2), false),
            by(Standing::Busy, true),
            by(Standing::Busy, false),
            by(Standing::Fit, true),
            by(Standing::Fit, false),
        ];
        for expected in [5, 4, 3, 2, 1, 0] {
            let choice = choose(looks.len(), |server| Some(looks[server]), &Dice::new(1));
            assert_eq!(choice.map(|choice| choice.server), Some(expected));
            looks.pop();
        }
    }

    #[test]
    fn who_waits_for_a_probe_is_named_beside_the_choice() {
        let now = Instant::now();
        let open = Look { standing: Standing::Open(now), is_due: true, ..fit(0.1) };
        let looks = [fit(0.1), open];

        let choice = choose(2, |server| Some(looks[server]), &Dice::new(1));

        assert_eq!(choice.map(|choice| (choice.server, choice.due)), Some((0, Some(1))));
    }

    #[test]
    fn a_lone_server_is_always_chosen_and_nobody_is_nobody() {
        let alone = choose(1, |_| Some(fit(9.0)), &Dice::new(1));
        assert_eq!(alone.map(|choice| choice.server), Some(0));

        assert!(choose(3, |_| None, &Dice::new(1)).is_none());
    }

    #[test]
    fn a_pair_is_never_twice_the_same() {
        let dice = Dice::new(7);
        for limit in 2..9 {
            for _ in 0..1000 {
                let (one, other) = dice.pair(limit);
                assert!(one < other && other < limit);
            }
        }
    }
}
