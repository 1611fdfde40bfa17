//! `dnsward check`: everything that is wrong with a configuration, and what it cannot do yet.

use super::{Exit, Form, complain, error_line, print};
use crate::{
    cache::Cache,
    causes,
    config::{Config, Problem, Source, cautions, keys_without_effect},
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
            print(format_args!("{place}: ok"))
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
