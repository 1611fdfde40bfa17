//! Running servers go in, what each spent on a query comes out, round after round.

use super::{
    CompareError, Scenario,
    contender::Contender,
    lab::Lab,
    proc::{self, CpuTime, MachineTime, TICKS},
    server::Server,
    table,
};
use crate::load::{self, Watch, tally::Report};

/// A round in which the hypervisor took more of the machine than this is noisy.
pub(super) const MAX_STEAL: f64 = 0.02;

/// A round whose floor lies this far from the floor's median is noisy: something else ran.
const MAX_FLOOR_DRIFT: f64 = 0.15;

/// So many quiet rounds are enough to leave the noisy ones out.
pub(super) const ENOUGH: usize = 3;

/// A contender and all it has been measured at.
pub(super) struct Course {
    pub(super) contender: Contender,
    server: Server,
    pub(super) rounds: Vec<Round>,
}

/// What one server did in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// CPU time of an answer in microseconds.
    pub(super) cost: f64,
    /// The part of it in user mode.
    pub(super) user: f64,
    /// Share of the machine that was stolen meanwhile.
    pub(super) steal: f64,
    /// Resident memory after it, in MiB.
    pub(super) resident: f64,
    pub(super) report: Report,
}

/// Measures all contenders in turn and makes a table of it.
pub(super) fn measure(
    lab: &Lab<'_>,
    scenario: Scenario,
    contenders: &[Contender],
) -> Result<String, CompareError> {
    let (mut courses, mut notes) = start_all(lab, scenario, contenders)?;
    for _ in 0..lab.settings.rounds {
        let mut index = 0;
        while let Some(course) = courses.get_mut(index) {
            match one_round(&course.server, scenario, lab) {
                Ok(round) => {
                    course.rounds.push(round);
                    index += 1;
                }
                Err(error) if course.contender.is_floor() => return Err(error),
                Err(error) => {
                    notes.push(error.to_string());
                    courses.remove(index);
                }
            }
        }
    }
    let quiet = quiet_rounds(&courses);
    Ok(table::costs(scenario, &courses, &quiet, &notes))
}

/// Starts those who take part; who does not start is left out and noted, but for the floor.
pub(super) fn start_all(
    lab: &Lab<'_>,
    scenario: Scenario,
    contenders: &[Contender],
) -> Result<(Vec<Course>, Vec<String>), CompareError> {
    let (mut courses, mut notes) = (Vec::new(), Vec::new());
    for contender in Contender::of(scenario, contenders) {
        match contender.start(scenario, lab) {
            Ok(server) => courses.push(Course { contender, server, rounds: Vec::new() }),
            Err(error) if contender.is_floor() => return Err(error),
            Err(error) => notes.push(error.to_string()),
        }
    }
    Ok((courses, notes))
}

/// Which rounds nothing disturbed. All, if those are too few to tell anything.
fn quiet_rounds(courses: &[Course]) -> Vec<usize> {
    let floor = courses.first().map_or(&[][..], |floor| &floor.rounds);
    let all: Vec<usize> = (0..floor.len()).collect();
    let costs: Vec<f64> = floor.iter().map(|round| round.cost).collect();
    let usual = super::statistics::median(&costs).unwrap_or_default();
    let is_quiet = |number: &usize| {
        let mut rounds = courses.iter().filter_map(|course| course.rounds.get(*number));
        let drift = costs.get(*number).map_or(0.0, |cost| (cost - usual).abs() / usual);
        drift <= MAX_FLOOR_DRIFT && rounds.all(|round| round.steal <= MAX_STEAL)
    };
    let quiet: Vec<usize> = all.iter().copied().filter(is_quiet).collect();
    if quiet.len() >= ENOUGH { quiet } else { all }
}

pub(super) fn one_round(
    server: &Server,
    scenario: Scenario,
    lab: &Lab<'_>,
) -> Result<Round, CompareError> {
    let plan = scenario.plan(server.reachable(), lab.settings)?;
    let mut meter = Meter::new(server);
    let tally = load::run(&plan, &mut meter)?;
    let resident = server.resident()?;
    let report = tally.report();
    let (cost, user) = meter.cost(tally.answers_in_span)?;
    Ok(Round { cost, user, steal: meter.steal(), resident, report })
}

/// Reads the clocks of server and machine when the measured part begins and ends.
pub(super) struct Meter<'server> {
    server: &'server Server,
    before: Option<(CpuTime, MachineTime)>,
    after: Option<(CpuTime, MachineTime)>,
}

impl<'server> Meter<'server> {
    pub(super) fn new(server: &'server Server) -> Self {
        Self { server, before: None, after: None }
    }

    fn read(&self) -> Option<(CpuTime, MachineTime)> {
        Some((self.server.cpu_time().ok()?, proc::machine_time().ok()?))
    }

    /// Microseconds of an answer: all, and those in user mode.
    pub(super) fn cost(&self, answers: u64) -> Result<(f64, f64), CompareError> {
        let (Some((before, _)), Some((after, _))) = (&self.before, &self.after) else {
            return Err(super::server::failed("a server", "ended while it was measured"));
        };
        Ok(cost(before, after, answers))
    }

    fn steal(&self) -> f64 {
        let (Some((_, before)), Some((_, after))) = (&self.before, &self.after) else { return 0.0 };
        let all = after.total.saturating_sub(before.total).max(1);
        after.steal.saturating_sub(before.steal) as f64 / all as f64
    }
}

impl Watch for Meter<'_> {
    fn begin(&mut self) {
        self.before = self.read();
    }

    fn end(&mut self) {
        self.after = self.read();
    }
}

/// The scheduler's count is exact but one number; ticks are coarse and say in which mode. So ticks
/// only split the count. Children that have ended are known by ticks alone.
fn cost(before: &CpuTime, after: &CpuTime, answers: u64) -> (f64, f64) {
    let ticks = |pick: fn(&CpuTime) -> u64| pick(after).saturating_sub(pick(before)) as f64;
    let (user, system) = (ticks(|time| time.user), ticks(|time| time.system));
    let children = ticks(|time| time.children) / TICKS as f64;
    let run = after.run_since(before).as_secs_f64() + children;
    let answer = run * 1e6 / answers.max(1) as f64;
    (answer, answer * user / (user + system).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ticks_split_what_the_scheduler_counted() {
        let run = |seconds| [("1".to_owned(), Duration::from_secs(seconds))].into();
        let before = CpuTime { threads: run(1), user: 10, system: 20, children: 0 };
        let after = CpuTime { threads: run(3), user: 60, system: 170, children: 0 };

        let (answer, user) = cost(&before, &after, 1_000_000);

        assert!((answer - 2.0).abs() < 1e-9, "{answer}");
        assert!((user - 0.5).abs() < 1e-9, "{user}");
    }

    #[test]
    fn what_children_used_belongs_to_the_server() {
        let before = CpuTime::default();
        let after = CpuTime { children: 100, ..CpuTime::default() };

        assert!((cost(&before, &after, 1000).0 - 1000.0).abs() < 1e-9);
    }
}
