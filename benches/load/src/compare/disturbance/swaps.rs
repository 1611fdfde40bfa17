//! A list on disk is exchanged for another version, and the server is told, again and again, each
//! time once the version before is in force: as long as it goes on the server compiles.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Done, http, is_over};
use crate::peers::dnsward::write_list;

/// Rules of the list: as many as those have who take every list there is.
const RULES: u64 = 1_000_000;

/// The one rule that the second version has more than the first.
const DIFFERENCE: &str = "swapped.example.";

/// Between two looks whether a version is in force: looking costs the server something too.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a version may take: a release build needs about a second beside its queries, a debug
/// build on a busy machine many times that.
const PATIENCE: Duration = Duration::from_secs(180);

/// A list in two versions, which lie ready: exchanging them writes only names.
#[derive(Clone, Debug)]
pub(in crate::compare) struct Versions {
    pub(in crate::compare) list: PathBuf,
    versions: [PathBuf; 2],
}

/// The swaps of one server.
#[derive(Clone, Debug)]
pub(in crate::compare) struct Swaps {
    pub(in crate::compare) versions: Versions,
    pub(in crate::compare) metrics: SocketAddr,
    pub(in crate::compare) process: Pid,
}

/// What the server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    generation: u64,
    rules: u64,
}

impl Versions {
    /// Writes both, and the first as the list.
    pub(in crate::compare) fn write(directory: &Path) -> io::Result<Self> {
        let list = directory.join("swapped.txt");
        let versions = [directory.join("first.txt"), directory.join("second.txt")];
        let rules = usize::try_from(RULES).unwrap_or(usize::MAX);
        let [first, second] = &versions;
        write_list(first, rules, &[])?;
        write_list(second, rules, &[DIFFERENCE.to_owned()])?;
        let all = Self { list, versions };
        all.exchange(RULES)?;
        Ok(all)
    }

    /// Makes the version with so many rules the list, in one step.
    fn exchange(&self, rules: u64) -> io::Result<()> {
        let [first, second] = &self.versions;
        let (version, aside) =
            (if rules == RULES { first } else { second }, self.list.with_extension("new"));
        fs::hard_link(version, &aside)?;
        // Two names of one file cannot be exchanged: rename would leave both.
        fs::rename(aside, &self.list)
    }
}

impl Swaps {
    pub(super) fn go_on_until(&self, flag: &AtomicBool) -> io::Result<Done> {
        let (mut done, mut state) = (Done::default(), self.state()?);
        while !is_over(flag) {
            let rules = if state.rules == RULES { RULES + 1 } else { RULES };
            self.versions.exchange(rules)?;
            kill_process(self.process, Signal::HUP)?;
            state = self.wait_for(state.generation, rules)?;
            done.swaps += 1;
        }
        Ok(done)
    }

    /// Waits until a later generation has so many rules.
    fn wait_for(&self, before: u64, rules: u64) -> io::Result<State> {
        let begun = Instant::now();
        loop {
            let state = self.state()?;
            if state.generation > before && state.rules == rules {
                return Ok(state);
            }
            if begun.elapsed() > PATIENCE {
                let text = format!("{rules} rules are not in force, but {}", state.rules);
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            thread::sleep(PAUSE);
        }
    }

    fn state(&self) -> io::Result<State> {
        let text = http::read(self.metrics, "/metrics")?;
        let missing = || io::Error::other("the metrics tell neither generation nor rules");
        parse_state(&text).ok_or_else(missing)
    }
}

fn parse_state(metrics: &str) -> Option<State> {
    let value = |name: &str| {
        let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name)?.1.parse().ok()
    };
    Some(State { generation: value("dnsward_generation")?, rules: value("dnsward_rules")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_and_rules_are_found_among_the_metrics() {
        let text = "# HELP dnsward_rules Rules.\n# TYPE dnsward_rules gauge\n\
                    dnsward_list_rules{list=\"a\"} 7\ndnsward_rules 12\ndnsward_generation 3\n";

        assert_eq!(parse_state(text), Some(State { generation: 3, rules: 12 }));
        assert_eq!(parse_state("dnsward_rules 12\n"), None);
    }

    #[test]
    fn the_list_is_either_version_at_any_time() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let versions = Versions { list: at("list"), versions: [at("one"), at("two")] };
        fs::write(at("one"), "1").unwrap();
        fs::write(at("two"), "2").unwrap();

        let read = |rules| {
            versions.exchange(rules).unwrap();
            fs::read_to_string(&versions.list).unwrap()
        };

        assert_eq!([RULES, RULES + 1, RULES].map(read), ["1", "2", "1"]);
    }
}
