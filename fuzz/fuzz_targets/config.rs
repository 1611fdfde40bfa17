//! Any text goes in as a configuration file; it is taken, and then a policy can be made of it, or
//! every problem names its key, what was found and what is allowed.

#![no_main]

use std::sync::Arc;

use dnsward::{
    config::{self, Config, Environment, Problem},
    policy::{Lists, Policy},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A key of this ending makes the server read a file, and this machine's are not for us.
    if text.contains("_file") {
        return;
    }
    match Config::parse(text, &Environment::default()) {
        Ok(config) => check_taken(config),
        Err(problems) => check_problems(text, &problems),
    }
});

/// What is taken can be served.
fn check_taken(config: Config) {
    let known = config.changed_keys.len();
    assert!(config::keys_without_effect(&config).len() <= known, "a key is told twice");
    assert!(config::cautions(&config).iter().all(|caution| !caution.is_empty()));
    assert!(config::keys_that_need_a_restart(&config, &config).is_empty(), "nothing has changed");
    let _policy = Policy::new(Arc::new(config), Lists::default(), jiff::Timestamp::UNIX_EPOCH);
}

/// What is not taken is explained.
fn check_problems(text: &str, problems: &[Problem]) {
    assert!(!problems.is_empty(), "refused without a word");
    for problem in problems {
        let line = problem.to_string();
        // TOML has an empty key, which is as wrong as any that we do not know.
        let has_empty_key = text.contains("\"\"") || text.contains("''");
        assert!(has_empty_key || !problem.key().is_empty(), "{line}");
        assert!(line.starts_with(&format!("{}: ", problem.key())), "{line}");
        assert!(line.contains(" (found ") && line.contains(", allowed "), "{line}");
    }
}
