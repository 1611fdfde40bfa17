//! One TOML table goes in, typed values come out, and what was wrong is kept until the end.
//!
//! Exists so that reading a key is one line: a `Section` looks the key up, lets the environment
//! override it, remembers the problem instead of returning it, and knows at the end which keys
//! nobody asked for.

use std::fmt;

use toml::{Table, Value};

use super::{
    setting::{self, Setting},
    source::Environment,
};

/// Longest value shown in a problem: enough to recognise it, too short to flood a terminal.
const SHOWN_VALUE: usize = 80;

/// One thing that is wrong with a configuration, in the form `key: problem (found x, allowed y)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    key: String,
    problem: String,
    found: String,
    allowed: String,
}

impl Problem {
    /// A problem with one key.
    pub fn new(key: &str, problem: &str, found: impl fmt::Display, allowed: &str) -> Self {
        let found = on_one_line(&found.to_string());
        let found = match found.char_indices().nth(SHOWN_VALUE) {
            Some((cut, _)) => format!("{}...", found.get(..cut).unwrap_or_default()),
            None => found,
        };
        Self { key: on_one_line(key), problem: problem.into(), found, allowed: allowed.into() }
    }

    pub(super) fn syntax(error: &toml::de::Error) -> Self {
        let text = error.to_string();
        let place = text.lines().next().unwrap_or("the file");
        Self::new("file", "is not TOML", error.message(), &format!("TOML 1.0; {place}"))
    }

    /// The dotted path of the key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A text whose line ends and other control characters are shown and not obeyed: a problem is one
/// line, whatever a file or a variable holds.
fn on_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, problem, found, allowed } = self;
        write!(f, "{key}: {problem} (found {found}, allowed {allowed})")
    }
}

/// What all sections of one configuration share.
pub(super) struct Context {
    /// Variables that no key has claimed yet.
    unclaimed: Environment,
    problems: Vec<Problem>,
    changed_keys: Vec<String>,
}

impl Context {
    pub(super) fn new(environment: &Environment) -> Self {
        Self { unclaimed: environment.clone(), problems: Vec::new(), changed_keys: Vec::new() }
    }

    /// The keys that differ from their defaults, or every problem.
    pub(super) fn finish(mut self) -> Result<Vec<String>, Vec<Problem>> {
        let allowed = "the keys that `dnsward config default` prints, as DNSWARD__SECTION__KEY";
        for (variable, value) in self.unclaimed.iter() {
            self.problems.push(Problem::new(variable, "names no key", value, allowed));
        }
        if self.problems.is_empty() { Ok(self.changed_keys) } else { Err(self.problems) }
    }
}

/// One table while it is read; keys leave it as they are asked for.
pub(super) struct Section<'c> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    context: &'c mut Context,
}

impl<'c> Section<'c> {
    pub(super) fn root(table: Table, context: &'c mut Context) -> Self {
        Section { path: String::new(), table, known: Vec::new(), context }
    }

    /// The value of a key, or its default where it is missing or wrong.
    pub(super) fn value<T: Setting + PartialEq>(&mut self, key: &'static str, default: T) -> T {
        match self.optional(key) {
            Some(value) if value != default => {
                self.note_change(key);
                value
            }
            _ => default,
        }
    }

    /// The value of a key that must be there; a missing one is a problem.
    pub(super) fn required<T: Setting + PartialEq>(&mut self, key: &'static str, default: T) -> T {
        if !self.has(key) {
            self.problem(key, "is missing", "nothing", &T::allowed());
        }
        self.value(key, default)
    }

    /// Whether the file or the environment sets a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key) || self.context.unclaimed.has(&self.path_of(key))
    }

    /// A value that must also lie in a range or obey a rule, told in `allowed`.
    pub(super) fn checked<T: Setting + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        allowed: &str,
        is_allowed: impl Fn(&T) -> bool,
    ) -> T {
        let Some((value, raw)) = self.take(key, T::from_text) else { return default };
        match T::parse(&value) {
            Some(parsed) if is_allowed(&parsed) => {
                if parsed != default {
                    self.note_change(key);
                }
                parsed
            }
            _ => {
                self.problem(key, "is out of range", raw, allowed);
                default
            }
        }
    }

    /// A secret: the value of `key`, or what the file named by `key_file` holds, trimmed.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> String {
        let direct: Option<String> = self.optional(key);
        let file: Option<String> = self.optional(file_key);
        let Some(file) = file.filter(|path| !path.is_empty()) else {
            return direct.unwrap_or_default();
        };
        if direct.is_some_and(|text| !text.is_empty()) {
            let other = self.path_of(file_key);
            self.problem(
                key,
                "is given twice",
                "the key and its file",
                &format!("one of {key} and {other}"),
            );
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().to_owned(),
            // A Secret that is not there yet must not keep the server from starting: whoever
            // uses the value says what happens without it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                self.problem(
                    file_key,
                    "cannot be read",
                    format_args!("`{file}`: {error}"),
                    "a file the server may read",
                );
                String::new()
            }
        }
    }

    /// A nested table.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let table = match self.take(key, setting::toml_from_text) {
            None => Table::new(),
            Some((Value::Table(table), _)) => table,
            Some((_, raw)) => {
                self.problem(key, "is not a table", raw, "a table");
                Table::new()
            }
        };
        self.nested(self.path_of(key), table, read)
    }

    /// An array of tables, `[[key]]`.
    pub(super) fn blocks<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let blocks = match self.take(key, setting::toml_from_text) {
            None => Vec::new(),
            Some((Value::Array(blocks), _)) => blocks,
            Some((_, raw)) => {
                self.problem(key, "is not a list of tables", raw, "[[blocks]]");
                Vec::new()
            }
        };
        let mut out = Vec::with_capacity(blocks.len());
        for (number, block) in blocks.into_iter().enumerate() {
            let path = format!("{}[{number}]", self.path_of(key));
            match block {
                Value::Table(table) => out.push(self.nested(path, table, &mut read)),
                other => self.context.problems.push(Problem::new(
                    &path,
                    "is not a table",
                    other,
                    "a table",
                )),
            }
        }
        out
    }

    /// Records a problem with one key of this section.
    pub(super) fn problem(
        &mut self,
        key: &str,
        problem: &str,
        found: impl fmt::Display,
        allowed: &str,
    ) {
        let path = self.path_of(key);
        self.context.problems.push(Problem::new(&path, problem, found, allowed));
    }

    /// Complains about every key that nobody asked for.
    pub(super) fn finish(mut self) {
        self.complain_about_the_rest();
    }

    fn nested<T>(
        &mut self,
        path: String,
        table: Table,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut section = Section { path, table, known: Vec::new(), context: &mut *self.context };
        let value = read(&mut section);
        section.complain_about_the_rest();
        value
    }

    fn complain_about_the_rest(&mut self) {
        let allowed = self.known.join(", ");
        for key in std::mem::take(&mut self.table).keys() {
            self.problem(key, "is not a key", format_args!("`{key}`"), &allowed);
        }
    }

    fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let (value, raw) = self.take(key, T::from_text)?;
        let parsed = T::parse(&value);
        if parsed.is_none() {
            self.problem(key, T::PROBLEM, raw, &T::allowed());
        }
        parsed
    }

    /// Takes a key's value from the environment or the table, with its text for problems.
    fn take(&mut self, key: &'static str, from_text: fn(&str) -> Value) -> Option<(Value, String)> {
        self.known.push(key);
        let path = self.path_of(key);
        let from_file = self.table.remove(key);
        let from_environment = self.context.unclaimed.claim(&path).map(|text| from_text(&text));
        let value = from_environment.or(from_file)?;
        let is_hidden = key.contains("password") || key.contains("secret");
        let raw = if is_hidden { "a hidden value".to_owned() } else { value.to_string() };
        Some((value, raw))
    }

    fn note_change(&mut self, key: &str) {
        let path = self.path_of(key);
        self.context.changed_keys.push(path);
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
