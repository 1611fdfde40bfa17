//! Races between scripted servers under a paused clock, which have real ledgers.

mod hedges;
mod order;
mod outages;
mod stage;
mod troubles;

use stage::{Act, Stage, broken, good, reset, servfail, truncated};
