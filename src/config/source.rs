//! Where a configuration comes from: a file that is looked for, and the environment.
//!
//! Kept apart from parsing so that tests pass text and a map, and so that a reload reads exactly
//! what the start read.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Config, Problem};

/// What every variable that overrides a key begins with.
const PREFIX: &str = "DNSWARD__";

/// Where the file is looked for when none is named.
const PLACES: [&str; 2] = ["dnsward.toml", "/etc/dnsward/dnsward.toml"];

/// Variables that override keys, as `DNSWARD__SECTION__KEY`.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that begin with `DNSWARD__`.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then(|| (name, value.to_string_lossy().into_owned()))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(&variable_for(path))
    }

    pub(super) fn claim(&mut self, path: &str) -> Option<String> {
        self.0.remove(&variable_for(path))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

fn variable_for(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// Where a running server's configuration comes from, so that it can be read again.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, and the environment over it.
    File(PathBuf, Environment),
    /// A text that never changes, and the environment over it.
    Text(Cow<'static, str>, Environment),
}

impl Source {
    /// The file that was named, else the first that exists of the usual places, else defaults.
    pub fn find(named: Option<&Path>, environment: Environment) -> Self {
        let usual = || PLACES.iter().map(Path::new).find(|place| place.exists());
        match named.or_else(usual) {
            Some(path) => Self::File(path.to_owned(), environment),
            None => Self::Text("".into(), environment),
        }
    }

    /// The file, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Text(..) => None,
        }
    }

    /// Reads the configuration as it is now.
    ///
    /// # Errors
    /// Every problem; a file that cannot be read is one.
    pub fn read(&self) -> Result<Config, Vec<Problem>> {
        match self {
            Self::Text(text, environment) => Config::parse(text, environment),
            Self::File(path, environment) => match std::fs::read_to_string(path) {
                Ok(text) => Config::parse(&text, environment),
                Err(error) => {
                    let found = format_args!("`{}`: {error}", path.display());
                    Err(vec![Problem::new("file", "cannot be read", found, "a readable file")])
                }
            },
        }
    }
}
