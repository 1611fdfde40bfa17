//! What became of each query goes in, the numbers of a report come out.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies are told with this many significant digits: 1 part in 1000, far below the noise.
const DIGITS: u8 = 3;

/// A longer latency counts as this one: twice what makes a query lost.
const LONGEST: Duration = Duration::from_secs(4);

/// What became of the queries of one run.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Queries sent in the measured part.
    pub sent: u64,
    /// Of these, answered as they should be.
    pub answered: u64,
    /// Of these, without an answer.
    pub lost: u64,
    /// Of these, answered with an error or to another question.
    pub wrong: u64,
    /// Answers that nobody waited for (any more).
    pub stray: u64,
    /// Connections the server closed while they were to be kept.
    pub reconnects: u64,
    /// Queries that left more than a millisecond after they were due: we could not keep up, so the
    /// latencies are partly ours.
    pub overdue: u64,
    /// Right answers that arrived in the measured part, whenever they were asked for: what the CPU
    /// time of the same span is divided by.
    pub answers_in_span: u64,
    /// How long the measured part was.
    pub span: Duration,
    latencies: Option<Histogram<u64>>,
}

/// The numbers of a run, in the units people read.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// See [`Tally::sent`].
    pub sent: u64,
    /// See [`Tally::answered`].
    pub answered: u64,
    /// See [`Tally::lost`].
    pub lost: u64,
    /// See [`Tally::wrong`].
    pub wrong: u64,
    /// See [`Tally::stray`].
    pub stray: u64,
    /// See [`Tally::reconnects`].
    pub reconnects: u64,
    /// See [`Tally::overdue`].
    pub overdue: u64,
    /// Answers a second in the measured part.
    pub answers_per_second: f64,
    /// Half of the answers took at most this long.
    pub p50_us: f64,
    /// 99 of 100 took at most this long.
    pub p99_us: f64,
    /// 999 of 1000 took at most this long.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
}

impl Default for Tally {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Self {
            sent: 0,
            answered: 0,
            lost: 0,
            wrong: 0,
            stray: 0,
            reconnects: 0,
            overdue: 0,
            answers_in_span: 0,
            span: Duration::ZERO,
            latencies: Histogram::new_with_max(longest, DIGITS).ok(),
        }
    }
}

impl Tally {
    /// Counts the latency of a right answer.
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.answered += 1;
        if let Some(latencies) = &mut self.latencies {
            latencies.saturating_record(nanoseconds);
        }
    }

    /// The numbers of the run.
    pub fn report(&self) -> Report {
        Report {
            sent: self.sent,
            answered: self.answered,
            lost: self.lost,
            wrong: self.wrong,
            stray: self.stray,
            reconnects: self.reconnects,
            overdue: self.overdue,
            answers_per_second: self.answers_in_span as f64 / self.span.as_secs_f64().max(1e-9),
            p50_us: self.quantile(0.5),
            p99_us: self.quantile(0.99),
            p999_us: self.quantile(0.999),
            max_us: self.quantile(1.0),
        }
    }

    /// The latency in microseconds that this share of the answers kept to.
    fn quantile(&self, share: f64) -> f64 {
        let latencies = self.latencies.as_ref();
        latencies.map_or(0, |latencies| latencies.value_at_quantile(share)) as f64 / 1e3
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "sent                {}", self.sent)?;
        writeln!(out, "answered            {}", self.answered)?;
        writeln!(out, "lost                {}", self.lost)?;
        writeln!(out, "wrong               {}", self.wrong)?;
        writeln!(out, "stray               {}", self.stray)?;
        writeln!(out, "reconnects          {}", self.reconnects)?;
        writeln!(out, "overdue             {}", self.overdue)?;
        writeln!(out, "answers per second  {:.0}", self.answers_per_second)?;
        writeln!(out, "p50                 {:.1} us", self.p50_us)?;
        writeln!(out, "p99                 {:.1} us", self.p99_us)?;
        writeln!(out, "p99.9               {:.1} us", self.p999_us)?;
        write!(out, "max                 {:.1} us", self.max_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_told_in_microseconds() {
        let mut tally = Tally::default();
        (1..=1000).for_each(|n| tally.record(n * 1000));

        let report = tally.report();

        assert!((report.p50_us - 500.0).abs() < 1.0, "{}", report.p50_us);
        assert!((report.p99_us - 990.0).abs() < 1.0, "{}", report.p99_us);
        assert!((report.max_us - 1000.0).abs() < 1.0, "{}", report.max_us);
    }

    #[test]
    fn an_empty_run_has_a_report() {
        assert_eq!(Tally::default().report().max_us, 0.0);
    }
}
