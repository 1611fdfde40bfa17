//! What a miss costs at least: a datagram in and out, and an exchange of bare hyper. Other clients
//! are measured beside it, to tell what each adds.

use std::process::Command;

use super::super::{
    CompareError, Scenario,
    lab::Lab,
    rounds::one_round,
    server::{Server, failed, free_address, pin},
    statistics::spread,
    table::show,
    tried,
};
use crate::peers::{
    Doh,
    floor::{self, Kind},
};

/// The clients that are compared; the first is the floor.
const LIBRARIES: [&str; 3] = ["hyper", "reqwest", "doh-client"];

/// One round of all floors, in microseconds.
pub(super) struct Floors {
    /// CPU of a datagram answered.
    udp: f64,
    /// CPU of an exchange, 100 at once, for each library.
    exchanges: [f64; LIBRARIES.len()],
    /// Median time of an exchange, one at a time, for each library.
    times: [f64; LIBRARIES.len()],
    /// That of the floor.
    pub(super) alone_us: f64,
}

impl Floors {
    /// CPU of a datagram and an exchange.
    pub(super) fn of_a_miss(&self) -> f64 {
        self.udp + self.exchanges.first().copied().unwrap_or_default()
    }
}

pub(super) fn measure(lab: &Lab<'_>, doh: &Doh) -> Result<Floors, CompareError> {
    let (mut exchanges, mut times) = ([0.0; LIBRARIES.len()], [0.0; LIBRARIES.len()]);
    for ((library, exchange), time) in LIBRARIES.iter().zip(&mut exchanges).zip(&mut times) {
        (*exchange, _) = run(lab, doh, library, 100)?;
        (_, *time) = run(lab, doh, library, 1)?;
    }
    let listen = free_address().map_err(tried("cannot find a free port"))?;
    let command = floor::command(&lab.settings.floor, Kind::Udp, listen);
    let server = Server::start_floor(&command, lab.settings.server_cpu)?;
    let udp = one_round(&server, Scenario::Udp, lab)?.cost;
    Ok(Floors { udp, exchanges, times, alone_us: times.first().copied().unwrap_or_default() })
}

/// CPU and median time of an exchange.
fn run(lab: &Lab<'_>, doh: &Doh, library: &str, at_once: u32) -> Result<(f64, f64), CompareError> {
    let mut command = Command::new(&lab.settings.floor);
    command.args(["exchange", "--url", &doh.url, "--library", library, "--roots"]).arg(&doh.roots);
    command.args(["--outstanding", &at_once.to_string(), "--milliseconds"]);
    command.arg(lab.settings.measured.as_millis().to_string());
    let output = pin(&command, lab.settings.server_cpu).output();
    let output = output.map_err(tried("cannot start the floor"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [_, cpu, time] => Ok((*cpu, *time)),
        _ => Err(failed(library, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The table of the floors.
pub(super) fn rows(floors: &[Floors]) -> String {
    let column = |pick: &dyn Fn(&Floors) -> f64| {
        let numbers: Vec<f64> = floors.iter().map(pick).collect();
        show(spread(&numbers))
    };
    let mut text = "| floor | CPU us, 100 at once | p50 us alone |\n|---|---|---|\n".to_owned();
    text += &format!("| a datagram answered | {} | - |\n", column(&|floors| floors.udp));
    for (number, library) in LIBRARIES.iter().enumerate() {
        let cpu = column(&|floors| floors.exchanges.get(number).copied().unwrap_or_default());
        let time = column(&|floors| floors.times.get(number).copied().unwrap_or_default());
        text += &format!("| an exchange of {library} | {cpu} | {time} |\n");
    }
    text
}
