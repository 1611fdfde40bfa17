//! `dnsward lists search`: which lists and rules hold a name.

use clap::Args;

use super::{
    Exit, Form,
    control::{Reach, encoded},
    error_line,
    offline::Offline,
    print,
    shown::Shown,
    table::{Cell, Table},
};
use crate::explain::{Found, search};

/// What is looked for.
#[derive(Args, Debug)]
pub(super) struct Request {
    /// The name
    name: String,
    /// Look into the configuration and the files alone, without a server
    #[arg(long, conflicts_with = "socket")]
    offline: bool,
}

pub(super) fn run(request: &Request, reach: &Reach, form: Form) -> Exit {
    let found =
        if request.offline { offline(request, reach, form) } else { ask(request, reach, form) };
    match found {
        Ok(found) if found.is_empty() => {
            if !form.json {
                error_line(format_args!(
                    "no list and no rule holds {}",
                    Shown::text(&request.name)
                ));
            }
            Exit::No
        }
        Ok(found) => {
            if !form.json {
                print(table(&found));
            }
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

fn ask(request: &Request, reach: &Reach, form: Form) -> Result<Vec<Found>, Exit> {
    let target = format!("/lists/search?name={}", encoded(&request.name));
    reach.ask(&target)?.read(form)
}

fn offline(request: &Request, reach: &Reach, form: Form) -> Result<Vec<Found>, Exit> {
    let Offline { policy, lists, .. } = Offline::read(reach)?;
    for list in lists {
        if let Some(error) = list.error {
            let told = format!("list `{}`: {error}", list.name);
            error_line(Shown::text(&told));
        }
    }
    let found = search(&policy, &request.name).map_err(|error| {
        error_line(error);
        Exit::Usage
    })?;
    form.print_json(&found);
    Ok(found)
}

fn table(found: &[Found]) -> Table {
    let mut table = Table::titled(&["LIST", "LINE", "ACTION", "RULE", "HOLDS"]);
    for Found { finding, name, covers } in found {
        let holds = if *covers { name.clone() } else { format!("{name}, and not what is below") };
        table.row([
            Cell::text(finding.list.as_deref().unwrap_or("[[rules]]")),
            Cell::number(finding.line),
            Cell::text(finding.does.word()),
            Cell::text(&finding.rule),
            Cell::text(&holds),
        ]);
    }
    table
}
