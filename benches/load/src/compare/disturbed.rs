//! How long answers of our server take while it has other work: rounds without and with it follow
//! each other, at the same rate, half of what it can do when it is left alone.
//!
//! All of the server runs on one CPU, as it does in every other scenario, so what it does besides
//! takes turns with answering. That is harsher than a host where it has a CPU of its own: a thread
//! that compiles without a break may take half of the CPU, which leaves no more than the load needs.
//! Slow and lost answers then tell of the turns that the system gives, and little of our locks;
//! `--control-cpu` moves all threads but those that answer to another CPU. The floor, which has no
//! other work, tells what the machine itself does to the slowest answers. And who disturbs runs
//! beside the load, on its CPU; where that makes queries leave late, the table says so.

use std::fmt::Write as _;

use super::{
    CompareError, Scenario,
    contender::Contender,
    disturbance::{Disturbance, Done, Swaps, Versions, Watcher, hash_password},
    lab::Lab,
    latency::{Course, MAX_LATE, Transport, late},
    machine,
    rounds::ENOUGH,
    server::{failed, free_address},
    statistics::median,
    table::{append_notes, title},
    tried,
};
use crate::{
    load::tally::Report,
    peers::dnsward::{Options, Parts},
};

/// How the names of the threads begin that answer.
const ANSWERING: &str = "dns-";

/// Our server, what disturbs it, and all rounds.
struct Pair {
    course: Course,
    disturbance: Disturbance,
    rounds: Vec<Round>,
    done: Done,
}

/// What was measured one after the other.
#[derive(Clone, Copy, Debug)]
struct Round {
    floor: Report,
    alone: Report,
    busy: Report,
}

/// What a server is kept busy with, as far as it can be prepared for all.
enum Plan {
    Swap(Versions),
    Watch { password_hash: String },
}

/// Measures floor and ours over both transports and makes a table of it.
pub(super) fn measure(
    lab: &Lab<'_>,
    scenario: Scenario,
    contenders: &[Contender],
) -> Result<String, CompareError> {
    let (mut text, mut notes) = (title(scenario), Vec::new());
    if let Some(cpu) = lab.settings.control_cpu {
        let _ = writeln!(text, "What the server does besides answering: on CPU {cpu}.\n");
    }
    text += "| transport | server | rate | p50 us | p99 us | p99.9 us | max us | p99 to ours alone | lost \
             | wrong | sent late | meanwhile |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    let floor = contenders.iter().find(|contender| contender.is_floor());
    let ours = contenders.iter().find(|contender| contender.is_ours());
    let (Some(floor), Some(ours)) = (floor, ours) else {
        append_notes(&mut text, &["only our server has such work; name it with --dnsward".into()]);
        return Ok(text);
    };
    let (plan, mut late) = (Plan::new(scenario, ours, lab)?, String::new());
    for transport in [Transport::Udp, Transport::Tcp] {
        let floor = Course::start(floor, transport, lab)?;
        match Pair::start(&plan, ours, transport, lab).and_then(|pair| pair.run(&floor, lab)) {
            Ok(pair) => {
                pair.write_rows(&floor, &mut text);
                late += &pair.warn();
            }
            Err(error) => notes.push(error.to_string()),
        }
    }
    text += &late;
    append_notes(&mut text, &notes);
    Ok(text)
}

impl Round {
    fn is_quiet(&self) -> bool {
        [&self.floor, &self.alone, &self.busy].iter().all(|report| late(report) <= MAX_LATE)
    }
}

impl Plan {
    fn new(scenario: Scenario, ours: &Contender, lab: &Lab<'_>) -> Result<Self, CompareError> {
        if scenario == Scenario::LatencySwap {
            let versions = Versions::write(lab.path());
            return Ok(Self::Swap(versions.map_err(tried("cannot write lists"))?));
        }
        let hash = hash_password(&ours.program);
        Ok(Self::Watch { password_hash: hash.map_err(tried("cannot hash a password"))? })
    }
}

impl Pair {
    fn start(
        plan: &Plan,
        ours: &Contender,
        transport: Transport,
        lab: &Lab<'_>,
    ) -> Result<Self, CompareError> {
        let [admin, metrics] = [free_address()?, free_address()?];
        let (list, password_hash) = match plan {
            Plan::Swap(versions) => (Some(versions.list.clone()), None),
            Plan::Watch { password_hash } => (None, Some(password_hash.clone())),
        };
        let others = [admin, metrics];
        let options = Options { parts: Parts::Default, list, password_hash, others };
        let server = ours.start_with(&options, lab)?;
        let process = server.process().ok_or_else(|| failed(&ours.name, "has no process"))?;
        if let Some(cpu) = lab.settings.control_cpu {
            machine::move_threads_but(ANSWERING, process, cpu)?;
        }
        let disturbance = match plan {
            Plan::Swap(versions) => {
                Disturbance::Swap(Swaps { versions: versions.clone(), metrics, process })
            }
            Plan::Watch { .. } => Disturbance::Watch(Watcher { admin }),
        };
        let course = Course::with_server(&ours.name, server, transport, lab)?;
        Ok(Self { course, disturbance, rounds: Vec::new(), done: Done::default() })
    }

    fn run(mut self, floor: &Course, lab: &Lab<'_>) -> Result<Self, CompareError> {
        for _ in 0..lab.settings.rounds {
            let (floor, alone) = (floor.ask(lab)?, self.course.ask(lab)?);
            let (busy, done) = self.disturbance.during(|| self.course.ask(lab))?;
            self.rounds.push(Round { floor, alone, busy });
            self.done += done;
        }
        Ok(self)
    }

    /// Says so when too few rounds were quiet.
    fn warn(&self) -> String {
        let quiet = self.rounds.iter().filter(|round| round.is_quiet()).count();
        if quiet >= ENOUGH {
            return String::new();
        }
        let (transport, all) = (self.course.transport, self.rounds.len());
        format!(
            "\n{transport:?}: in {quiet} of {all} rounds nearly all queries left in time, too few: \
             these numbers, lost queries too, tell of the load and of what else ran.\n"
        )
    }

    fn write_rows(&self, floor: &Course, text: &mut String) {
        let done = self.done.to_string();
        let ours = &self.course;
        let rows = [
            (floor, "-", (|round| &round.floor) as Pick),
            (ours, "nothing", |round| &round.alone),
            (ours, &done, |round| &round.busy),
        ];
        for (course, meanwhile, pick) in rows {
            let (transport, name, rate) = (course.transport, &course.name, course.rate);
            let numbers = numbers(&self.rounds, pick);
            let _ = writeln!(text, "| {transport:?} | {name} | {rate:.0} |{numbers} {meanwhile} |");
        }
    }
}

type Pick = fn(&Round) -> &Report;

/// The middle columns of a row.
fn numbers(rounds: &[Round], pick: Pick) -> String {
    let quiet = quiet_of(rounds);
    let middle = |number: &dyn Fn(&Round) -> f64| {
        let numbers: Vec<f64> = quiet.iter().map(number).collect();
        median(&numbers).unwrap_or(f64::NAN)
    };
    let sum = |number: fn(&Report) -> u64| rounds.iter().map(|round| number(pick(round))).sum();
    let (lost, wrong): (u64, u64) = (sum(|report| report.lost), sum(|report| report.wrong));
    let max = rounds.iter().map(|round| pick(round).max_us).fold(0.0, f64::max);
    format!(
        " {:.0} | {:.0} | {:.0} | {max:.0} | {:.2} | {lost} | {wrong} | {:.1} % |",
        middle(&|round| pick(round).p50_us),
        middle(&|round| pick(round).p99_us),
        middle(&|round| pick(round).p999_us),
        middle(&|round| pick(round).p99_us / round.alone.p99_us),
        middle(&|round| late(pick(round))) * 100.0,
    )
}

/// The rounds in which the load kept its pace; all, if those are too few to tell anything.
fn quiet_of(rounds: &[Round]) -> Vec<Round> {
    let quiet: Vec<Round> = rounds.iter().copied().filter(Round::is_quiet).collect();
    if quiet.len() >= ENOUGH { quiet } else { rounds.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Tally;

    fn report(p99_us: f64) -> Report {
        Report { sent: 1000, lost: 1, p99_us, max_us: p99_us, ..Tally::default().report() }
    }

    #[test]
    fn each_round_is_compared_with_itself() {
        let round =
            |alone, busy| Round { floor: report(1.0), alone: report(alone), busy: report(busy) };
        let rounds = [round(10.0, 20.0), round(100.0, 300.0), round(50.0, 200.0)];

        let row = numbers(&rounds, |round| &round.busy);

        assert_eq!(row, " 0 | 200 | 0 | 300 | 3.00 | 3 | 0 | 0.0 % |");
    }

    #[test]
    fn a_round_in_which_any_part_was_late_is_left_out() {
        let late = Report { overdue: 500, ..report(1.0) };
        let good = Round { floor: report(1.0), alone: report(1.0), busy: report(1.0) };
        let mut rounds = vec![good, good, good, Round { busy: late, ..good }];

        assert_eq!(quiet_of(&rounds).len(), 3);
        rounds.remove(0);
        assert_eq!(quiet_of(&rounds).len(), 3, "two quiet ones are too few");
    }
}
