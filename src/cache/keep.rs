//! What is remembered goes into a file, and comes back from it in the next run.

use std::{
    io::{self, Read, Seek, Write},
    sync::Arc,
    time::Duration,
};

use super::{
    Bounds, Cache, Damage, Entry, Key, Moment,
    archive::{Reader, Record, Writer},
    weight,
};

/// Answers between two looks at the clock while a file is written.
const LOOK_AT_CLOCK: usize = 256;

/// Which answers of an earlier run are still of use.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The bounds of answers now.
    pub bounds: Bounds,
    /// The upstreams that are asked now; what others said may be why they are asked no more.
    pub upstreams: Vec<Arc<str>>,
}

impl Cache {
    /// Writes all answers to a file, unless it has become too late for that; how many there are.
    ///
    /// # Errors
    /// Where it cannot be written, or has become too late.
    pub fn save<W: Write>(
        &self,
        file: W,
        now: Moment,
        is_too_late: impl Fn() -> bool,
    ) -> io::Result<(u64, W)> {
        let mut writer = Writer::new(file, now, self.max_bytes())?;
        let mut saved = 0;
        for (number, (key, entry)) in self.entries.iter().enumerate() {
            if number % LOOK_AT_CLOCK == 0 && is_too_late() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let Some(key) = key.key().filter(|_| is_of_use(&entry, now)) else { continue };
            if writer.add(&key, &entry)? {
                saved += u64::from(key.is_of_answer());
            }
        }
        Ok((saved, writer.finish()?))
    }

    /// Takes in the answers of a file that are still of use, each where nothing newer is known; how
    /// many there are. A wish to forget something ends it.
    ///
    /// # Errors
    /// Where it is no whole file of ours.
    pub fn restore<R: Read + Seek>(
        &self,
        file: R,
        now: Moment,
        terms: &Terms,
    ) -> Result<u64, Damage> {
        let flushed = self.flushed();
        let mut reader = Reader::open(file, now)?;
        let (mut restored, mut room) = (0, self.max_bytes());
        while let Some(record) = reader.next()? {
            let Some((key, entry)) = take(record, terms).filter(|(_, e)| is_of_use(e, now)) else {
                continue;
            };
            room = room.saturating_sub(weight(key.name.as_wire().len(), &entry));
            if room == 0 {
                break;
            }
            if !key.is_of_answer() {
                self.denials.note(key.name.as_wire());
            }
            self.insert_older(&key, &Arc::new(entry));
            if self.flushed() != flushed {
                self.entries.remove(&key);
                break;
            }
            restored += u64::from(key.is_of_answer());
        }
        Ok(restored)
    }
}

/// The answer of a record, where all that it depends on is as it was.
fn take(record: Record<'_>, terms: &Terms) -> Option<(Key, Entry)> {
    let stored = record.stored?;
    let mut upstreams = terms.upstreams.iter();
    let upstream = upstreams.find(|known| known.as_ref() == record.upstream)?.clone();
    record.entry(stored, upstream, &terms.bounds).ok()
}

/// Whether an answer is good, or may be given as a stale one.
fn is_of_use(entry: &Entry, now: Moment) -> bool {
    !entry.is_useless(now.here) && entry.lifetime() > Duration::ZERO
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tokio::time::Instant;

    use super::*;
    use crate::cache::{Arrival, Name};

    const ADDRESS: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

    /// An address behind an alias, which is good for an hour.
    const ALIAS: &[u8] = b"\0\0\x81\xa0\0\x01\0\x02\0\0\0\0\x01b\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x04\x01c\xc0\x0e\
        \xc0\x24\0\x01\0\x01\0\0\x0e\x10\0\x04\x0a\0\0\x01";

    const NO_SUCH_NAME: &[u8] = b"\0\0\x81\x83\0\x01\0\0\0\x01\0\x01\x01n\x04test\0\0\x1c\0\x01\
        \0\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3c\
        \0\0\x29\x04\xd0\0\0\0\0\0\x0b\0\x0f\0\x07\0\x0fabuse";

    const HERE: &str = "https://one.example/dns-query";

    fn key(name: &str, qtype: u16) -> Key {
        let name = Name::parse(name).unwrap();
        Key {
            name,
            qtype,
            dnssec_ok: false,
            checking_disabled: false,
            route: crate::route::RouteId::default(),
        }
    }

    fn bounds() -> Bounds {
        let (min, max) = (Duration::ZERO, Duration::from_secs(86_400));
        Bounds { min, max, max_negative: max, stale: Duration::from_secs(600) }
    }

    fn terms(upstreams: &[&str]) -> Terms {
        Terms { bounds: bounds(), upstreams: upstreams.iter().map(|url| (*url).into()).collect() }
    }

    fn cache() -> Cache {
        Cache::new(1 << 20)
    }

    /// Three answers that have just come.
    fn filled(at: Instant) -> Cache {
        let cache = cache();
        for (key, answer) in [
            (key("a.test", 1), ADDRESS),
            (key("b.test", 1), ALIAS),
            (key("n.test", 28), NO_SUCH_NAME),
        ] {
            let arrival = Arrival { answer, age: Duration::ZERO, at, upstream: HERE.into() };
            let entry = Entry::new(&key, &arrival, &bounds()).unwrap();
            cache.insert(&key, Arc::new(entry));
        }
        cache
    }

    fn moment(here: Instant, wall: u64) -> Moment {
        Moment { here, wall: Duration::from_secs(wall) }
    }

    fn save(cache: &Cache, now: Moment) -> Vec<u8> {
        cache.save(Vec::new(), now, || false).unwrap().1
    }

    #[test]
    fn what_was_remembered_comes_back_as_it_was_and_as_old_as_it_is() {
        let start = Instant::now();
        let first = filled(start);
        let popular = first.get(&key("a.test", 1)).unwrap();
        popular.note_hit(start);
        popular.note_hit(start);
        let saved = save(&first, moment(start + Duration::from_secs(10), 1_000_010));

        // Another process, whose clock began anew, forty seconds later.
        let later = start + Duration::from_secs(5000);
        let second = cache();
        let restored =
            second.restore(Cursor::new(saved), moment(later, 1_000_050), &terms(&[HERE])).unwrap();

        assert_eq!(restored, 3);
        for key in [key("a.test", 1), key("b.test", 1), key("n.test", 28)] {
            let (before, now) = (first.get(&key).unwrap(), second.get(&key).unwrap());
            assert_eq!(now.age(later), 50, "{key:?}");
            assert_eq!((now.wire(), now.lifetime()), (before.wire(), before.lifetime()));
            assert_eq!((now.reasons(), now.block()), (before.reasons(), before.block()));
            assert_eq!(now.targets().aliases(), before.targets().aliases());
            assert_eq!(now.points_home(), before.points_home());
            assert!(now.ttls().eq(before.ttls()) && now.upstream() == before.upstream());
            assert_eq!(now.is_popular(), before.is_popular());
            assert_eq!(now.kept(), before.kept());
        }
        assert!(second.no_such_name(&key("n.test", 1), later).is_some());
    }

    #[test]
    fn what_is_of_no_use_any_more_stays_behind() {
        let start = Instant::now();
        let saved = || save(&filled(start), moment(start, 1_000_000));
        let kept = |now: u64, terms: &Terms| {
            let (cache, now) = (cache(), moment(start + Duration::from_secs(9), now));
            cache.restore(Cursor::new(saved()), now, terms).unwrap();
            ["a.test", "b.test"].map(|name| cache.get(&key(name, 1)).is_some())
        };
        let all = terms(&["https://other.example", HERE]);

        assert_eq!(kept(1_000_100, &all), [true, true], "one has expired and is stale");
        assert_eq!(kept(1_000_661, &all), [false, true], "one is too old even for that");
        assert_eq!(kept(1_010_000, &all), [false, false]);
        assert_eq!(kept(1_000_100, &terms(&["https://other.example"])), [false, false]);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_younger() {
        let start = Instant::now();
        let first = filled(start);
        let saved = || save(&first, moment(start + Duration::from_secs(30), 1_000_030));
        let later = start + Duration::from_secs(1000);

        let restore = |wall| {
            let cache = cache();
            cache.restore(Cursor::new(saved()), moment(later, wall), &terms(&[HERE])).unwrap();
            cache.get(&key("a.test", 1)).map(|entry| entry.age(later))
        };

        assert_eq!(restore(1_000_040), Some(40));
        assert_eq!(restore(1_000_010), Some(30), "as old as when the file was written");
        assert_eq!(restore(999_999), None, "it is from the future");
    }

    #[test]
    fn of_a_file_with_any_damage_nothing_is_believed() {
        let start = Instant::now();
        let whole = save(&filled(start), moment(start, 1_000_000));
        let restore = |octets: &[u8]| {
            let cache = cache();
            let now = moment(start, 1_000_000);
            let restored = cache.restore(Cursor::new(octets), now, &terms(&[HERE]));
            (restored.is_err(), cache.get(&key("a.test", 1)).is_some())
        };
        assert_eq!(restore(&whole), (false, true));

        for at in 0..whole.len() {
            assert_eq!(restore(&whole[..at]), (true, false), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert_eq!(restore(&damaged), (true, false), "damaged at {at}");
        }
        assert_eq!(restore(&[whole.as_slice(), b"more"].concat()), (true, false));
        let other_version = [&whole[..8], &[0, 99], &whole[10..]].concat();
        let other_version = Cursor::new(other_version);
        let refused = cache().restore(other_version, moment(start, 0), &terms(&[]));
        assert!(matches!(refused, Err(Damage::Version(99))));
    }

    #[test]
    fn what_is_damaged_under_a_right_sum_is_refused_or_means_the_same_every_time() {
        let start = Instant::now();
        let now = moment(start, 1_000_000);
        let whole = save(&filled(start), now);
        let end = whole.len() - 4;
        let restore = |octets: &[u8]| {
            let cache = cache();
            let restored = cache.restore(Cursor::new(octets), now, &terms(&[HERE]));
            restored.is_ok().then_some(cache)
        };
        let mut taken_in = 0;

        for at in 18..end {
            for change in [1, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                let sum = crc32fast::hash(&damaged[..end]);
                damaged[end..].copy_from_slice(&sum.to_be_bytes());
                let Some(first) = restore(&damaged) else { continue };
                let saved = save(&first, now);
                let again = restore(&saved).expect("it is ours");
                assert_eq!(save(&again, now).len(), saved.len(), "octet {at} by {change}");
                taken_in += 1;
            }
        }
        assert!(taken_in > 100, "{taken_in}");
    }

    #[test]
    fn what_has_landed_meanwhile_is_newer() {
        let start = Instant::now();
        let saved = save(&filled(start), moment(start, 1_000_000));
        let (later, cache) =
            (start + Duration::from_secs(20), filled(start + Duration::from_secs(20)));

        cache.restore(Cursor::new(saved), moment(later, 1_000_020), &terms(&[HERE])).unwrap();

        assert_eq!(cache.get(&key("a.test", 1)).unwrap().age(later), 0);
    }

    #[test]
    fn a_file_is_no_larger_than_the_cache_may_be_and_fills_no_more_than_there_is_room() {
        let start = Instant::now();
        let now = moment(start, 1_000_000);
        let saved = Cursor::new(save(&filled(start), now));
        let small = Cache::new(1);

        assert!(save(&small, now).len() < 32);
        assert_eq!(small.restore(saved, now, &terms(&[HERE])).unwrap(), 0);
    }

    #[test]
    fn a_writing_that_takes_too_long_is_given_up() {
        let cache = filled(Instant::now());

        let saved = cache.save(Vec::new(), moment(Instant::now(), 0), || true);

        assert_eq!(saved.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_name_is_forgotten_with_all_below_it_and_all_that_leads_there() {
        let cache = filled(Instant::now());
        let forget = |name| cache.forget(&Name::parse(name).unwrap());

        assert_eq!(forget("other.test"), 0);
        assert_eq!(forget("c.test"), 1, "an alias leads there");
        assert!(cache.get(&key("b.test", 1)).is_none() && cache.get(&key("a.test", 1)).is_some());
        assert_eq!(forget("n.test"), 1);
        assert!(cache.no_such_name(&key("n.test", 1), Instant::now()).is_none());
        assert_eq!((forget("test"), forget("test")), (1, 0));
        assert_eq!((cache.entries(), cache.oldest()), (0, None));
        assert_eq!(filled(Instant::now()).forget(&Name::ROOT), 3);
    }
}
