//! The text of files below `/proc` goes in, times and sizes come out (proc(5)). Kept apart from
//! reading them so that it can be tested with samples.

use std::{collections::BTreeMap, fs, io, time::Duration};

/// CPU time a process has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    /// What the scheduler counted for each of its threads, by number. One that has ended takes its
    /// count along, so sums of two moments cannot be compared.
    pub(super) threads: BTreeMap<String, Duration>,
    /// Ticks in user mode, its own.
    pub(super) user: u64,
    /// Ticks in the kernel, its own.
    pub(super) system: u64,
    /// Ticks of children that have ended, in either.
    pub(super) children: u64,
}

impl CpuTime {
    /// What the scheduler has counted since an earlier moment, for the threads that are still there.
    pub(super) fn run_since(&self, earlier: &Self) -> Duration {
        let since = |(thread, run): (&String, &Duration)| {
            run.saturating_sub(earlier.threads.get(thread).copied().unwrap_or_default())
        };
        self.threads.iter().map(since).sum()
    }
}

/// Ticks of the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MachineTime {
    /// All of them.
    pub(super) total: u64,
    /// Those the hypervisor gave to somebody else.
    pub(super) steal: u64,
}

/// Ticks a second: fixed in what the kernel tells programs, on every architecture we run on.
pub(super) const TICKS: u64 = 100;

/// Reads the CPU time of a process, all its threads together.
pub(super) fn cpu_time(process: u32) -> io::Result<CpuTime> {
    let mut threads = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?;
        // A thread may end while we look.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        let run = parse_schedstat(&text).unwrap_or_default();
        threads.insert(thread.file_name().to_string_lossy().into_owned(), run);
    }
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = parse_stat(&stat).ok_or(io::ErrorKind::InvalidData)?;
    Ok(CpuTime { threads, ..ticks })
}

/// Reads the ticks of the machine.
pub(super) fn machine_time() -> io::Result<MachineTime> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_machine(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads how much memory of a process is resident, in KiB.
pub(super) fn resident(process: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse_resident(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn parse_stat(text: &str) -> Option<CpuTime> {
    // The name may hold blanks and brackets; nothing behind it does.
    let (_, fields) = text.rsplit_once(')')?;
    // From the third field on: utime is the 14th, stime, cutime and cstime follow.
    let mut times = fields.split_whitespace().skip(11).map(str::parse);
    let mut next = || times.next()?.ok();
    let (user, system): (u64, u64) = (next()?, next()?);
    Some(CpuTime { threads: BTreeMap::new(), user, system, children: next()? + next()? })
}

fn parse_machine(text: &str) -> Option<MachineTime> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    // Guests are counted in the first two already.
    let ticks: Vec<u64> = fields.take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(MachineTime { total: ticks.iter().sum(), steal: *ticks.get(7)? })
}

fn parse_resident(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_begins_with_nanoseconds() {
        assert_eq!(parse_schedstat("227345 485916 13\n"), Some(Duration::from_nanos(227_345)));
        assert_eq!(parse_schedstat(""), None);
    }

    #[test]
    fn stat_is_read_behind_the_name_whatever_it_holds() {
        let text = "4242 (a (odd) name) S 1 4242 4242 0 -1 4194560 900 10 0 0 \
                    11 22 33 44 20 0 5 0 1234 5678 90 18446744073709551615 1 1 0";

        let ticks = parse_stat(text).unwrap();

        assert_eq!((ticks.user, ticks.system, ticks.children), (11, 22, 77));
    }

    #[test]
    fn steal_is_the_eighth_of_the_first_line() {
        let text = "cpu  100 2 30 400 5 0 6 7 0 0\ncpu0 50 1 15 200 2 0 3 3 0 0\n";

        assert_eq!(parse_machine(text), Some(MachineTime { total: 550, steal: 7 }));
        assert_eq!(parse_machine("intr 1 2 3"), None);
    }

    #[test]
    fn resident_memory_is_read_in_kibibytes() {
        let text = "Name:\tfloor\nVmPeak:\t    9999 kB\nVmRSS:\t    1234 kB\nThreads:\t1\n";

        assert_eq!(parse_resident(text), Some(1234));
    }

    #[test]
    fn a_thread_that_ends_takes_nothing_off() {
        let at = |threads: &[(&str, u64)]| CpuTime {
            threads: threads
                .iter()
                .map(|(thread, seconds)| ((*thread).to_owned(), Duration::from_secs(*seconds)))
                .collect(),
            ..CpuTime::default()
        };

        let run = at(&[("1", 5), ("3", 1)]).run_since(&at(&[("1", 3), ("2", 60)]));

        assert_eq!(run, Duration::from_secs(3));
    }

    #[test]
    fn this_very_process_can_be_read() {
        let process = std::process::id();

        assert!(cpu_time(process).unwrap().run_since(&CpuTime::default()) > Duration::ZERO);
        assert!(resident(process).unwrap() > 100);
        assert!(machine_time().unwrap().total > 0);
    }
}
