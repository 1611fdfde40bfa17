//! Which machine this is, and how we take our place on it: numbers without it mean nothing.

use std::fs;

use rustix::{
    process::{Pid, Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

use super::{CompareError, tried};

/// Keeps this thread, and all it starts, on one CPU.
///
/// # Errors
/// When there is no such CPU.
pub fn pin(cpu: usize) -> Result<(), CompareError> {
    pin_thread(None, cpu)
}

/// Moves those threads of a process to a CPU whose names do not begin so, and all they start.
///
/// # Errors
/// When there is no such CPU, or the process cannot be read.
pub(super) fn move_threads_but(spared: &str, process: Pid, cpu: usize) -> Result<(), CompareError> {
    for task in fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()))? {
        let task = task?;
        // A thread may end while we look.
        let Ok(name) = fs::read_to_string(task.path().join("comm")) else { continue };
        let thread = task.file_name().to_str().and_then(|text| text.parse().ok());
        if let Some(thread) = thread.and_then(Pid::from_raw).filter(|_| !name.starts_with(spared)) {
            pin_thread(Some(thread), cpu)?;
        }
    }
    Ok(())
}

fn pin_thread(thread: Option<Pid>, cpu: usize) -> Result<(), CompareError> {
    let mut set = CpuSet::new();
    set.set(cpu);
    let what = format!(
        "cannot run on CPU {cpu} alone; name others with --server-cpu, --load-cpu, --control-cpu"
    );
    sched_setaffinity(thread, &set).map_err(|error| tried(what)(error.into()))
}

/// Lets this process, and all it starts, open as many files as the system allows: idle connections
/// are counted in ten thousands.
///
/// # Errors
/// When the system refuses what it has just offered.
pub fn raise_open_files() -> Result<(), CompareError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let what = "cannot open more files at once";
    setrlimit(Resource::Nofile, raised).map_err(|error| tried(what)(error.into()))
}

/// The processor, as it calls itself.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} x {}", model.map_or("unknown", |(_, model)| model.trim()))
}

/// The kernel, as it calls itself.
pub fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

/// Today, as people write it, in UTC.
pub fn date() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let (year, month, day) = civil(now.unwrap_or_default().as_secs() / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date that is so many days after 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;
    use std::process::Command;

    #[test]
    fn threads_are_moved_but_for_those_that_are_spared() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Pid::from_child(&child);
        let before = sched_getaffinity(Some(process)).unwrap();
        let cpu = (0..CpuSet::MAX_CPU).find(|cpu| before.is_set(*cpu)).unwrap();

        move_threads_but("sle", process, cpu).unwrap();
        let spared = sched_getaffinity(Some(process)).unwrap();
        move_threads_but("dns-", process, cpu).unwrap();
        let moved = sched_getaffinity(Some(process)).unwrap();

        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(spared, before);
        assert_eq!((moved.count(), moved.is_set(cpu)), (1, true));
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }
}
