//! Measured rounds go in, Markdown comes out.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    CompareError, Scenario,
    contender::Contender,
    machine,
    rounds::{Course, MAX_STEAL, Round},
    settings::Settings,
    statistics::{Spread, median, spread},
};

/// What all numbers below it depend on.
pub(super) fn header(
    settings: &Settings,
    contenders: &[Contender],
    missing: &[&str],
) -> Result<String, CompareError> {
    let mut text = String::new();
    let _ = writeln!(text, "# Comparison, {}\n", machine::date());
    let _ = writeln!(text, "- Processor: {}, kernel {}", machine::processor(), machine::kernel());
    let (rounds, seconds) = (settings.rounds, settings.measured.as_secs_f64());
    let _ = writeln!(
        text,
        "- Servers on CPU {}, load on CPU {}; {rounds} rounds of {seconds} s each, {} names",
        settings.server_cpu, settings.load_cpu, settings.names
    );
    let versions: Vec<String> = contenders
        .iter()
        .map(|contender| format!("{} {}", contender.name, contender.version))
        .collect();
    let _ = writeln!(text, "- Versions: {}", versions.join(", "));
    for name in missing {
        let _ = writeln!(text, "- {name}: not installed");
    }
    let _ = writeln!(
        text,
        "\nCPU is what the server used for one answer; the ratio is to the floor of the same round. \
         Both are medians, with the median absolute deviation."
    );
    Ok(text)
}

/// The table of a scenario that compares CPU time.
pub(super) fn costs(
    scenario: Scenario,
    courses: &[Course],
    quiet: &[usize],
    notes: &[String],
) -> String {
    let mut text = title(scenario);
    let floors: Vec<&[Round]> = courses
        .iter()
        .filter(|course| course.contender.is_floor() || course.contender.is_patient_floor())
        .map(|course| course.rounds.as_slice())
        .collect();
    let (more, line) = if floors.len() > 1 { (" to patient floor |", "---|") } else { ("", "") };
    let _ = writeln!(
        text,
        "| server | ratio to floor |{more} CPU us | user us | answers/s | lost | wrong | RSS MiB |\n\
         |---|---|{line}---|---|---|---|---|---|"
    );
    for course in courses {
        let _ = writeln!(text, "{}", cost_row(course, &floors, quiet));
    }
    let all = floors.first().map_or(0, |floor| floor.len());
    if quiet.len() < all {
        let noisy = all - quiet.len();
        let _ = writeln!(text, "\nLeft out: {noisy} of {all} rounds, which others disturbed.");
    }
    let is_noisy = |round: &&Round| round.steal > MAX_STEAL;
    let stolen = courses.iter().flat_map(|course| &course.rounds).filter(is_noisy).count();
    if stolen > 0 {
        let _ = writeln!(text, "\n{stolen} measurements had more than 2 % of the machine stolen.");
    }
    append_notes(&mut text, notes);
    text
}

fn cost_row(course: &Course, floors: &[&[Round]], quiet: &[usize]) -> String {
    let rounds: Vec<&Round> =
        quiet.iter().filter_map(|number| course.rounds.get(*number)).collect();
    let pick = |pick: fn(&Round) -> f64| rounds.iter().map(|round| pick(round)).collect();
    let middle = |numbers: Vec<f64>| median(&numbers).unwrap_or(f64::NAN);
    let ratios = floors.iter().map(|floor| ratio(course, floor, quiet) + " | ");
    let costs: Vec<f64> = pick(|round| round.cost);
    let (lost, wrong) = course.rounds.iter().fold((0, 0), |(lost, wrong), round| {
        (lost + round.report.lost, wrong + round.report.wrong)
    });
    format!(
        "| {} | {}{} | {:.2} | {:.0} | {lost} | {wrong} | {:.1} |",
        course.contender.name,
        ratios.collect::<String>(),
        show(spread(&costs)),
        middle(pick(|round| round.user)),
        middle(pick(|round| round.report.answers_per_second)),
        middle(pick(|round| round.resident)),
    )
}

/// What an answer costs compared to a floor in the same round.
fn ratio(course: &Course, floor: &[Round], quiet: &[usize]) -> String {
    let ratio = |number: &usize| {
        let (ours, floor) = (course.rounds.get(*number)?, floor.get(*number)?);
        Some(ours.cost / floor.cost)
    };
    let ratios: Vec<f64> = quiet.iter().filter_map(ratio).collect();
    show(spread(&ratios))
}

/// The heading of a scenario.
pub(super) fn title(scenario: Scenario) -> String {
    format!("## `{}`: {}\n\n", scenario.name(), scenario.title())
}

/// What went wrong with some, below the table, each once.
pub(super) fn append_notes(text: &mut String, notes: &[String]) {
    let different: BTreeSet<&String> = notes.iter().collect();
    for note in different {
        let _ = writeln!(text, "\nNot measured: {note}");
    }
}

pub(super) fn show(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |Spread { median, deviation }| format!("{median:.2} ± {deviation:.2}"),
    )
}
