//! The `[[lists]]`, `[[rules]]`, `[[groups]]` and `[[records]]` blocks: what is answered.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    str::FromStr as _,
    time::Duration,
};

use blocker::{Action, GroupSet, Matcher, Mode, Name, Source};
use hickory_proto::rr::RecordType;
use jiff::tz::TimeZone;
use toml::Value;

use super::{
    Config,
    schedule::{Span, read_schedule},
    section::Section,
    setting::{Bytes, Choice, Setting},
};
use crate::services::{Service, names_near};

/// The group of everything that names none.
const DEFAULT_GROUP: &str = "default";

/// Groups are bits of one machine word, so that membership costs one instruction a rule.
const MAX_GROUPS: usize = 64;

/// Lists that count at a time: a rule names the sets of lists that it is in by a number, and more of
/// them do not go together in one matcher.
const MAX_LISTS: usize = 1024;

/// How often a list is downloaded again unless it says otherwise.
const DEFAULT_REFRESH: Duration = Duration::from_secs(86_400);

/// Larger than any list in use today (the largest have about 120 MiB).
const DEFAULT_LIST_BYTES: Bytes = Bytes(256 << 20);

/// Time to live of local records unless they say otherwise: short, because people edit them.
const DEFAULT_RECORD_TTL: Duration = Duration::from_secs(60);

impl Choice for Action {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("block", Self::Block), ("allow", Self::Allow)];
}

/// A list of names to block or to allow.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// What answers and logs call it.
    pub name: String,
    /// What its names get.
    pub action: Action,
    /// Where its text is.
    pub source: ListSource,
    /// How often it is downloaded again.
    pub refresh: Duration,
    /// Whose list it is.
    pub groups: Vec<String>,
    /// Whether it counts.
    pub enabled: bool,
    /// Whether it decides, or only counts what it would have decided.
    pub mode: Mode,
    /// Whether its URL may lead to a loopback or private address.
    pub allow_private: bool,
    /// Digest that its text must have; empty: any.
    pub sha256: String,
    /// Most bytes read of it.
    pub max_bytes: Bytes,
}

/// Where a list's text is.
#[derive(Clone, Debug, PartialEq)]
pub enum ListSource {
    /// In a file.
    Path(PathBuf),
    /// Behind a URL.
    Url(String),
    /// In the configuration.
    Inline(Vec<String>),
    /// In the catalogue.
    Service(Service),
}

impl List {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let action = section.value("action", Action::Block);
        let source = read_source(section);
        if action == Action::Allow && source.is_safe_search() {
            let problem = "would allow searches that are not safe";
            section.problem("action", problem, "`allow`", "block");
        }
        Self {
            name: section.required("name", String::new()),
            action,
            source,
            refresh: section.checked("refresh", DEFAULT_REFRESH, "1m to 30d", |refresh| {
                (Duration::from_secs(60)..=Duration::from_secs(30 * 86_400)).contains(refresh)
            }),
            groups: read_groups(section),
            enabled: section.value("enabled", true),
            mode: section.value("mode", Mode::Enforce),
            allow_private: section.value("allow_private", false),
            sha256: section.checked("sha256", String::new(), "64 hexadecimal digits", |digest| {
                digest.is_empty()
                    || (digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
            }),
            max_bytes: section.value("max_bytes", DEFAULT_LIST_BYTES),
        }
    }
}

impl ListSource {
    fn is_safe_search(&self) -> bool {
        matches!(self, Self::Service(service) if service.is_safe_search())
    }
}

fn read_source(section: &mut Section<'_>) -> ListSource {
    const ALLOWED: &str = "exactly one of url, path, inline, service";
    let path: Option<PathBuf> = section.value("path", None);
    let url = section.checked("url", String::new(), "an http:// or https:// URL", |url| {
        url.is_empty()
            || url.parse::<http::Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
            })
    });
    let inline: Option<Vec<String>> =
        section.has("inline").then(|| section.value("inline", Vec::new()));
    // Asked for even when absent, so that the key is known.
    if inline.is_none() {
        section.value("inline", Vec::<String>::new());
    }
    let url = Some(url).filter(|url| !url.is_empty());
    let sources = [
        path.map(ListSource::Path),
        url.map(ListSource::Url),
        inline.map(ListSource::Inline),
        read_service(section),
    ];
    let mut sources = sources.into_iter().flatten();
    match (sources.next(), sources.next()) {
        (Some(source), None) => return source,
        (None, _) => section.problem("url", "is missing", "nothing", ALLOWED),
        (Some(_), Some(_)) => {
            section.problem("url", "is one source too many", "several sources", ALLOWED);
        }
    }
    ListSource::Inline(Vec::new())
}

fn read_service(section: &mut Section<'_>) -> Option<ListSource> {
    let is_set = section.has("service");
    let name = section.value("service", String::new());
    if !is_set {
        return None;
    }
    let Some(service) = Service::named(&name) else {
        let found = format_args!("`{name}`");
        section.problem("service", "is none of the catalogue", found, &names_near(&name));
        return Some(ListSource::Inline(Vec::new()));
    };
    Some(ListSource::Service(service))
}

pub(super) fn read_groups(section: &mut Section<'_>) -> Vec<String> {
    section.value("groups", vec![DEFAULT_GROUP.to_owned()])
}

impl Choice for Mode {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("enforce", Self::Enforce), ("shadow", Self::Shadow)];
}

/// One of the operator's own rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What its names get.
    pub action: Action,
    /// The names: exact, `*.suffix`, `||suffix^` or `/regex/`.
    pub pattern: String,
    /// Whose rule it is.
    pub groups: Vec<String>,
    /// Query types it holds for; empty: all.
    pub types: Vec<RecordType>,
    /// Whether it decides, or only counts what it would have decided.
    pub mode: Mode,
    /// Why it is there.
    pub comment: String,
}

impl Rule {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let action = section.required("action", RuleAction::Deny);
        let pattern = section.required("match", "unnamed.invalid".to_owned());
        if let Some((problem, allowed)) = problem_of_pattern(&pattern, action) {
            section.problem("match", &problem, format_args!("`{pattern}`"), allowed);
        }
        Self {
            action: action.into(),
            pattern,
            groups: read_groups(section),
            types: section.value("types", Vec::new()),
            mode: section.value("mode", Mode::Enforce),
            comment: section.value("comment", String::new()),
        }
    }
}

/// What is wrong with a pattern, and what may stand there.
fn problem_of_pattern(pattern: &str, action: RuleAction) -> Option<(String, &'static str)> {
    const ALLOWED: &str = "one name, *.name, ||name^ or /regex/";
    let source = Source { name: "rules", action: Action::Block, groups: GroupSet::default() };
    let mut builder = Matcher::builder();
    match builder.add_line(&source, 1, pattern) {
        Err(error) => return Some((format!("is not a rule: {error}"), ALLOWED)),
        Ok(1) => {}
        Ok(_) => return Some(("is not one rule".to_owned(), ALLOWED)),
    }
    if pattern.trim_start().starts_with("@@") {
        return Some((
            "allows by itself".to_owned(),
            "the same without @@, and action = \"allow\"",
        ));
    }
    match builder.build() {
        Ok(matcher) if action == RuleAction::Allow && matcher.has_replies() => {
            Some(("says what is answered".to_owned(), "that only with action = \"deny\""))
        }
        // A rule that undoes others undoes none here.
        Ok(matcher) if matcher.rules() == 0 => Some(("does nothing".to_owned(), ALLOWED)),
        Ok(_) => None,
        Err(error) => Some((format!("is not a rule: {error}"), ALLOWED)),
    }
}

/// The words of a rule's action; lists say `block` where rules say `deny`.
#[derive(Clone, Copy, PartialEq)]
enum RuleAction {
    Allow,
    Deny,
}

impl Choice for RuleAction {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("deny", Self::Deny), ("allow", Self::Allow)];
}

impl From<RuleAction> for Action {
    fn from(action: RuleAction) -> Self {
        match action {
            RuleAction::Allow => Self::Allow,
            RuleAction::Deny => Self::Block,
        }
    }
}

impl Setting for RecordType {
    fn allowed() -> String {
        "a query type such as A or HTTPS".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        Self::from_str(&value.as_str()?.to_ascii_uppercase()).ok()
    }
}

/// Settings of a group; a group exists by being named.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whether its rules and lists count.
    pub enabled: bool,
    /// When they count; empty: always.
    pub schedule: Vec<Span>,
    /// The zone that the schedule is told in.
    pub time_zone: TimeZone,
}

impl Group {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            name: section.required("name", String::new()),
            enabled: section.value("enabled", true),
            schedule: read_schedule(section),
            time_zone: section.value("time_zone", TimeZone::UTC),
        }
    }
}

/// A local name and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalRecord {
    /// The name.
    pub name: Name,
    /// Its IPv4 addresses; each gets a PTR by itself.
    pub a: Vec<Ipv4Addr>,
    /// Its IPv6 addresses; each gets a PTR by itself.
    pub aaaa: Vec<Ipv6Addr>,
    /// The name it is another name of.
    pub cname: Option<Name>,
    /// The name it points to, where it is a reverse name.
    pub ptr: Option<Name>,
    /// Texts.
    pub txt: Vec<String>,
    /// Time to live.
    pub ttl: Duration,
}

impl LocalRecord {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let record = Self {
            name: section.required("name", Name::ROOT),
            a: section.value("a", Vec::new()),
            aaaa: section.value("aaaa", Vec::new()),
            cname: read_name(section, "cname"),
            ptr: read_name(section, "ptr"),
            txt: section.value("txt", Vec::new()),
            ttl: section.checked("ttl", DEFAULT_RECORD_TTL, "0s to 7d", |ttl| {
                *ttl <= Duration::from_secs(7 * 86_400)
            }),
        };
        let others = record.a.len()
            + record.aaaa.len()
            + record.txt.len()
            + usize::from(record.ptr.is_some());
        if record.cname.is_some() && others > 0 {
            let allowed = "cname alone (RFC 1034 section 3.6.2)";
            section.problem("cname", "stands beside other data", "other keys", allowed);
        }
        if record.cname.is_none() && others == 0 {
            section.problem(
                "a",
                "is missing",
                "a name without data",
                "one of a, aaaa, cname, ptr, txt",
            );
        }
        record
    }
}

fn read_name(section: &mut Section<'_>, key: &'static str) -> Option<Name> {
    let is_set = section.has(key);
    let name = section.value(key, Name::ROOT);
    is_set.then_some(name)
}

/// The rules that join several blocks: unique list names, and no more lists and groups than a rule
/// can name.
pub(super) fn check_names(config: &Config, root: &mut Section<'_>) {
    let mut seen = HashSet::new();
    for (number, list) in config.lists.iter().enumerate() {
        if !seen.insert(list.name.as_str()) {
            let key = format!("lists[{number}].name");
            root.problem(&key, "is taken", format_args!("`{}`", list.name), "a name of its own");
        }
    }
    let count = config.lists.iter().filter(|list| list.enabled).count();
    if count > MAX_LISTS {
        root.problem("lists", "are too many", count, &format!("{MAX_LISTS} that are enabled"));
    }
    let count = config.group_names().len();
    if count > MAX_GROUPS {
        root.problem("groups", "are too many", count, &format!("{MAX_GROUPS} in all"));
    }
}

impl Config {
    /// What lists and rules in shadow mode are called.
    pub fn in_shadow(&self) -> impl Iterator<Item = &str> {
        let lists = self.lists.iter().filter(|list| list.mode == Mode::Shadow);
        let rules = self.rules.iter().filter(|rule| rule.mode == Mode::Shadow);
        lists.map(|list| list.name.as_str()).chain(rules.map(|rule| rule.pattern.as_str()))
    }

    /// Every group that is named anywhere, `default` first; a group's place here is its bit.
    pub fn group_names(&self) -> Vec<&str> {
        let mut names = vec![DEFAULT_GROUP];
        let of_lists = self.lists.iter().flat_map(|list| &list.groups);
        let of_rules = self.rules.iter().flat_map(|rule| &rule.groups);
        let of_clients = self.clients.iter().flat_map(|client| &client.groups);
        let of_groups = self.groups.iter().map(|group| &group.name);
        for name in of_lists.chain(of_rules).chain(of_clients).chain(of_groups) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}
