//! Servers go in, tables of what they cost come out. All of them run at the same time and are
//! measured in turn, round after round, so that what the machine does meanwhile meets each alike;
//! what counts is the ratio to the floor within a round, in the middle of all rounds.

pub mod machine;
pub mod settings;

mod contender;
mod disturbance;
mod disturbed;
mod idle;
mod lab;
mod latency;
mod miss;
mod proc;
mod rounds;
mod scenario;
mod server;
mod statistics;
mod table;
mod upstream;

use std::io::{self, Write};

pub use scenario::Scenario;

use crate::load::LoadError;
use lab::Lab;
use settings::Settings;

/// Why a comparison broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The machine or a file did not do what was asked.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A server cannot be measured.
    #[error("{server}: {problem}")]
    Server {
        /// Its name.
        server: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The load generator broke off.
    #[error("the load generator broke off: {0}")]
    Load(#[from] LoadError),
    /// The names cannot be asked.
    #[error(transparent)]
    Names(#[from] crate::mix::MixError),
    /// The report cannot be written.
    #[error("the report cannot be written: {0}")]
    Report(#[from] io::Error),
}

/// Runs the scenarios and writes a report in Markdown, a table after each.
///
/// # Errors
/// When the floor cannot be measured or the report not be written. A peer that fails is left out,
/// and the report says so.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<(), CompareError> {
    machine::pin(settings.load_cpu)?;
    machine::raise_open_files()?;
    let lab = Lab::new(settings)?;
    let (contenders, missing) = contender::find_all(settings);
    write!(out, "{}", table::header(settings, &contenders, &missing)?)?;
    for scenario in &settings.scenarios {
        let text = match scenario {
            Scenario::Latency => latency::measure(&lab, &contenders)?,
            Scenario::LatencySwap | Scenario::LatencyWatched => {
                disturbed::measure(&lab, *scenario, &contenders)?
            }
            Scenario::Idle => idle::measure(&lab, &contenders)?,
            Scenario::Miss => miss::measure(&lab, &contenders)?,
            _ => rounds::measure(&lab, *scenario, &contenders)?,
        };
        write!(out, "\n{text}")?;
        out.flush()?;
    }
    Ok(())
}

/// Names what was tried when the system refuses.
fn tried(what: impl Into<String>) -> impl FnOnce(io::Error) -> CompareError {
    |source| CompareError::System { what: what.into(), source }
}
