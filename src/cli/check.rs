//! `dnsward check`: everything that is wrong with a configuration, and what it cannot do yet.

use std::fmt;

use super::{Exit, Form, complain, error_line, print};
use crate::{
    cache::Cache,
    causes,
    config::{Config, Problem, Route, Source, cautions, keys_without_effect},
    upstream::Upstream,
};

pub(super) fn run(source: &Source, form: Form) -> Exit {
    match source.read().and_then(usable) {
        Ok(config) => {
            let idle = keys_without_effect(&config);
            if form.json {
                return print(serde_json::json!({
                    "ok": true,
                    "without_effect": idle,
                    "cautions": cautions(&config),
                    "routes": config.upstream.routes.iter().map(told).collect::<Vec<_>>(),
                }));
            }
            for caution in cautions(&config) {
                error_line(caution);
            }
            for key in &idle {
                error_line(format_args!("{key}: has no effect yet"));
            }
            let place = match source.path() {
                Some(path) => path.display().to_string(),
                None => "defaults and environment".to_owned(),
            };
            print(format_args!("{place}: ok{}", Routed(&config.upstream.routes)))
        }
        Err(problems) if form.json => {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            print(serde_json::json!({ "ok": false, "problems": texts }));
            Exit::Config
        }
        Err(problems) => {
            complain(&problems);
            Exit::Config
        }
    }
}

/// A route as scripts read it.
fn told(route: &Route) -> serde_json::Value {
    serde_json::json!({ "domains": words(&route.domains), "servers": words(&route.servers) })
}

fn words(things: &[impl ToString]) -> Vec<String> {
    things.iter().map(ToString::to_string).collect()
}

/// Routes as people read them, a line for each.
struct Routed<'r>(&'r [Route]);

impl fmt::Display for Routed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Route { domains, servers, .. }| {
            let [domains, servers] = [words(domains), words(servers)].map(|all| all.join(", "));
            write!(f, "\nroute: {domains} is asked of {servers}")
        })
    }
}

/// What shows only when the parts are made, such as a CA file that holds no certificate.
fn usable(config: Config) -> Result<Config, Vec<Problem>> {
    match Upstream::new(&config, Cache::new(0)) {
        Ok(_) => Ok(config),
        Err(error) => {
            let found = format_args!("`{}`", config.upstream.ca_file);
            let allowed = "a PEM file of certificates";
            Err(vec![Problem::new("upstream.ca_file", &causes::one_line(&error), found, allowed)])
        }
    }
}
