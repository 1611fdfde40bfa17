//! What a name costs that nobody has asked for: a query comes over UDP, goes on over HTTPS, and its
//! answer comes back. The DoH server is dnsdist, on the load's CPU; every name is asked once.

mod floors;

use std::{fmt::Write as _, net::SocketAddr, num::NonZeroU32};

use super::{
    CompareError, Scenario,
    contender::Contender,
    lab::Lab,
    rounds::Meter,
    server::Server,
    statistics::{median, spread},
    table::{append_notes, show, title},
    upstream,
};
use crate::{
    load::{
        self,
        plan::{Pace, Plan, Span, Target},
        tally::Report,
    },
    mix::Mix,
    packet::Edns,
    peers::Doh,
};
use floors::Floors;

/// Queries at once where CPU time is measured.
const OUTSTANDING: u32 = 100;

/// Names for each second of a round: more than anybody can look up, so that none is asked twice.
const NAMES_PER_SECOND: usize = 100_000;

/// One server and what its rounds have shown.
struct Course {
    name: String,
    server: Server,
    rounds: Vec<Round>,
}

/// One round of one server.
struct Round {
    cost: f64,
    busy: Report,
    alone: Report,
    resident: f64,
}

/// Measures floors and forwarders in turn and makes a table of it.
pub(super) fn measure(lab: &Lab<'_>, contenders: &[Contender]) -> Result<String, CompareError> {
    let upstream = upstream::start(lab)?;
    let (mut courses, mut notes) = start_all(lab, &upstream.doh, contenders);
    let mut floors = Vec::new();
    for number in 0..lab.settings.rounds {
        floors.push(floors::measure(lab, &upstream.doh)?);
        let mut index = 0;
        while let Some(course) = courses.get_mut(index) {
            match course.run(lab, number) {
                Ok(()) => index += 1,
                Err(error) => {
                    notes.push(format!("{}: {error}", course.name));
                    courses.remove(index);
                }
            }
        }
    }
    let mut text = title(Scenario::Miss);
    let _ = writeln!(text, "{}", floors::rows(&floors));
    text += "| server | CPU us, 100 at once | to UDP + DoH floor | p50 us alone | to DoH floor alone \
             | misses/s | lost | wrong | RSS MiB |\n|---|---|---|---|---|---|---|---|---|\n";
    for course in &courses {
        let _ = writeln!(text, "{}", course.row(&floors));
    }
    append_notes(&mut text, &notes);
    Ok(text)
}

fn start_all(lab: &Lab<'_>, doh: &Doh, contenders: &[Contender]) -> (Vec<Course>, Vec<String>) {
    let (mut courses, mut notes) = (Vec::new(), Vec::new());
    for contender in contenders.iter().filter(|contender| contender.forwards_over_https()) {
        match contender.start_before(doh, lab) {
            Ok(server) => {
                courses.push(Course { name: contender.name.clone(), server, rounds: Vec::new() });
            }
            Err(error) => notes.push(error.to_string()),
        }
    }
    (courses, notes)
}

impl Course {
    fn run(&mut self, lab: &Lab<'_>, number: u32) -> Result<(), CompareError> {
        let address = self.server.reachable();
        let mut meter = Meter::new(&self.server);
        let plan = plan(lab, address, OUTSTANDING, &format!("busy{number}"))?;
        let tally = load::run(&plan, &mut meter)?;
        let (cost, _) = meter.cost(tally.answers_in_span)?;
        let resident = self.server.resident()?;
        let alone = load::run(&plan_alone(lab, address, number)?, &mut ())?.report();
        self.rounds.push(Round { cost, busy: tally.report(), alone, resident });
        Ok(())
    }

    fn row(&self, floors: &[Floors]) -> String {
        let rounds = || self.rounds.iter().zip(floors);
        let to_floors: Vec<f64> =
            rounds().map(|(round, floor)| round.cost / floor.of_a_miss()).collect();
        let to_alone: Vec<f64> =
            rounds().map(|(round, floor)| round.alone.p50_us / floor.alone_us).collect();
        let middle = |pick: fn(&Round) -> f64| {
            let numbers: Vec<f64> = self.rounds.iter().map(pick).collect();
            median(&numbers).unwrap_or(f64::NAN)
        };
        let count = |pick: fn(&Report) -> u64| -> u64 {
            self.rounds.iter().map(|round| pick(&round.busy) + pick(&round.alone)).sum()
        };
        let costs: Vec<f64> = self.rounds.iter().map(|round| round.cost).collect();
        format!(
            "| {} | {} | {} | {:.0} | {} | {:.0} | {} | {} | {:.1} |",
            self.name,
            show(spread(&costs)),
            show(spread(&to_floors)),
            middle(|round| round.alone.p50_us),
            show(spread(&to_alone)),
            middle(|round| round.busy.answers_per_second),
            count(|report| report.lost),
            count(|report| report.wrong),
            middle(|round| round.resident),
        )
    }
}

/// So many names at once that were never asked before.
fn plan(
    lab: &Lab<'_>,
    server: SocketAddr,
    outstanding: u32,
    label: &str,
) -> Result<Plan, CompareError> {
    let span = Span::Time { warm_up: lab.settings.warm_up, measured: lab.settings.measured };
    let seconds = (lab.settings.warm_up + lab.settings.measured).as_secs();
    let names = NAMES_PER_SECOND.saturating_mul(usize::try_from(seconds).unwrap_or(1).max(1));
    let names: Vec<String> = (0..names).map(|n| format!("n{n}.{label}.bench.example.")).collect();
    let outstanding = NonZeroU32::new(outstanding).unwrap_or(NonZeroU32::MIN);
    Ok(Plan {
        target: Target::Udp(server),
        pace: Pace::Outstanding(outstanding),
        span,
        mix: Mix::in_turn(&names, 1, Edns::Plain)?,
        lanes: outstanding.min(NonZeroU32::new(8).unwrap_or(NonZeroU32::MIN)),
    })
}

fn plan_alone(lab: &Lab<'_>, server: SocketAddr, number: u32) -> Result<Plan, CompareError> {
    plan(lab, server, 1, &format!("alone{number}"))
}
