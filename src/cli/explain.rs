//! `dnsward explain`: why a name gets what it gets, told from top to bottom.

mod story;

use clap::Args;

use super::{
    Exit, Form,
    control::{Reach, encoded},
    error_line,
    offline::Offline,
    print,
};
use crate::explain::{Explainer, Explanation, Subject};

/// What is to be explained.
#[derive(Args, Debug)]
pub(super) struct Request {
    /// The name
    name: String,
    /// The type
    #[arg(default_value = "A")]
    qtype: String,
    /// Who asks: an address, a SPIFFE id, or unidentified [default: this host]
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Go by the configuration and the files alone, without a server
    #[arg(long, conflicts_with = "socket")]
    offline: bool,
}

/// Tells it; no where the client gets no answer of substance.
pub(super) fn run(request: &Request, reach: &Reach, form: Form) -> Exit {
    let explained =
        if request.offline { offline(request, reach, form) } else { ask(request, reach, form) };
    let explanation = match explained {
        Ok(explanation) => explanation,
        Err(exit) => return exit,
    };
    if !form.json {
        print(story::of(&explanation));
    }
    if let Some(defect) = &explanation.defect {
        error_line(format_args!("dnsward contradicts itself: {defect}"));
    }
    if explanation.is_answered() { Exit::Ok } else { Exit::No }
}

fn ask(request: &Request, reach: &Reach, form: Form) -> Result<Explanation, Exit> {
    let (name, qtype) = (encoded(&request.name), encoded(&request.qtype));
    let client = request.client.as_ref().map(|client| format!("&client={}", encoded(client)));
    let target = format!("/explain?name={name}&type={qtype}{}", client.unwrap_or_default());
    reach.ask(&target)?.read(form)
}

fn offline(request: &Request, reach: &Reach, form: Form) -> Result<Explanation, Exit> {
    let subject = Subject::parse(&request.name, &request.qtype, request.client.as_deref());
    let subject = subject.map_err(|error| {
        error_line(error);
        Exit::Usage
    })?;
    let Offline { config, policy, lists } = Offline::read(reach)?;
    let explanation =
        Explainer { config: &config, policy: &policy, lists: &lists, live: None }.explain(&subject);
    form.print_json(&explanation);
    Ok(explanation)
}
