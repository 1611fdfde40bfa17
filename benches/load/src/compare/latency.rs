//! How long answers take when a server is half busy: each at half of its own capacity, found just
//! before, in an open loop. At the same rate for all, the slower ones would queue, and that would
//! be their capacity once more.

use std::fmt::Write as _;

use super::{
    CompareError, Scenario,
    contender::Contender,
    lab::Lab,
    rounds::ENOUGH,
    scenario::at_rate,
    server::Server,
    statistics::median,
    table::{append_notes, title},
};
use crate::{
    load::{
        self,
        plan::{Plan, Target},
        tally::Report,
    },
    peers::floor::Kind,
};

/// A round in which more than this share of the queries left late tells about the machine.
pub(super) const MAX_LATE: f64 = 0.01;

/// Share of its capacity that a server is given, where nobody names a rate.
const SHARE: f64 = 0.5;

/// How clients come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// One server and all that it was measured at.
pub(super) struct Course {
    pub(super) name: String,
    server: Server,
    pub(super) transport: Transport,
    pub(super) rate: f64,
    reports: Vec<Report>,
}

/// Measures all contenders over both transports and makes a table of it.
pub(super) fn measure(lab: &Lab<'_>, contenders: &[Contender]) -> Result<String, CompareError> {
    let (mut text, mut notes) = (title(Scenario::Latency), Vec::new());
    text += "| transport | server | rate | p50 us | p99 us | p99.9 us | lost | wrong | sent late |\n\
             |---|---|---|---|---|---|---|---|---|\n";
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut courses = Vec::new();
        for contender in &Contender::of(Scenario::Latency, contenders) {
            match Course::start(contender, transport, lab) {
                Ok(course) => courses.push(course),
                Err(error) => notes.push(error.to_string()),
            }
        }
        for _ in 0..lab.settings.rounds {
            for course in &mut courses {
                course.run(lab)?;
            }
        }
        for course in &courses {
            let _ = writeln!(text, "{}", course.row());
        }
    }
    append_notes(&mut text, &notes);
    Ok(text)
}

impl Transport {
    /// The scenario that finds the capacity.
    fn scenario(self) -> Scenario {
        match self {
            Self::Udp => Scenario::Udp,
            Self::Tcp => Scenario::Tcp,
        }
    }

    fn floor(self) -> Kind {
        match self {
            Self::Udp => Kind::Udp,
            Self::Tcp => Kind::Tcp,
        }
    }
}

impl Course {
    pub(super) fn start(
        contender: &Contender,
        transport: Transport,
        lab: &Lab<'_>,
    ) -> Result<Self, CompareError> {
        let server = contender.start_cold(transport.scenario(), transport.floor(), lab)?;
        Self::with_server(&contender.name, server, transport, lab)
    }

    /// Asks a server that has just started for every name, then finds out what it can do.
    pub(super) fn with_server(
        name: &str,
        mut server: Server,
        transport: Transport,
        lab: &Lab<'_>,
    ) -> Result<Self, CompareError> {
        let scenario = transport.scenario();
        server.prime(name, scenario, lab.settings)?;
        let plan = scenario.plan(server.reachable(), lab.settings)?;
        let rate = match lab.settings.rate {
            Some(rate) => rate.into(),
            None => load::run(&plan, &mut ())?.report().answers_per_second * SHARE,
        };
        let name = name.to_owned();
        Ok(Self { name, server, transport, rate, reports: Vec::new() })
    }

    fn run(&mut self, lab: &Lab<'_>) -> Result<(), CompareError> {
        self.reports.push(self.ask(lab)?);
        Ok(())
    }

    /// One round.
    pub(super) fn ask(&self, lab: &Lab<'_>) -> Result<Report, CompareError> {
        let address = self.server.reachable();
        let plan: Plan = self.transport.scenario().plan(address, lab.settings)?;
        let target = match self.transport {
            Transport::Udp => Target::Udp(address),
            Transport::Tcp => Target::Tcp(address),
        };
        Ok(load::run(&at_rate(plan, target, self.rate), &mut ())?.report())
    }

    fn row(&self) -> String {
        let quiet = quiet_of(&self.reports);
        let middle = |pick: fn(&Report) -> f64| {
            let numbers: Vec<f64> = quiet.iter().map(pick).collect();
            median(&numbers).unwrap_or(f64::NAN)
        };
        let sum = |pick: fn(&Report) -> u64| self.reports.iter().map(pick).sum::<u64>();
        format!(
            "| {:?} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {:.1} % |",
            self.transport,
            self.name,
            self.rate,
            middle(|report| report.p50_us),
            middle(|report| report.p99_us),
            middle(|report| report.p999_us),
            sum(|report| report.lost),
            sum(|report| report.wrong),
            middle(late) * 100.0,
        )
    }
}

/// The rounds in which the load kept its pace; all, if those are too few to tell anything.
fn quiet_of(reports: &[Report]) -> Vec<Report> {
    let quiet: Vec<Report> =
        reports.iter().copied().filter(|report| late(report) <= MAX_LATE).collect();
    if quiet.len() >= ENOUGH { quiet } else { reports.to_vec() }
}

/// Share of the queries that left late.
pub(super) fn late(report: &Report) -> f64 {
    report.overdue as f64 / report.sent.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Tally;

    #[test]
    fn rounds_with_late_queries_are_left_out_while_enough_remain() {
        let round = |overdue| Report { sent: 1000, overdue, ..Tally::default().report() };
        let mut reports = vec![round(0), round(500), round(1), round(10)];

        assert_eq!(quiet_of(&reports).len(), 3);
        reports.remove(0);
        assert_eq!(quiet_of(&reports).len(), 3, "two quiet ones are too few");
    }
}
