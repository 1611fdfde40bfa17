//! What every service must keep, whoever adds the next one: a file, a title, rules that are right,
//! and a place in the documentation.

use std::{collections::HashSet, fs, path::Path};

use blocker::{Action, GroupSet, Matcher, Source};

use super::*;

const PAGE: &str = include_str!("../../docs/lists.md");

/// The lines of a service that are no remarks.
fn rules(service: Service) -> impl Iterator<Item = &'static str> {
    service.rules().lines().filter(|line| !line.starts_with('#'))
}

fn names(services: impl Iterator<Item = Service>) -> Vec<&'static str> {
    let mut names: Vec<_> = services.map(Service::name).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_file_is_a_service_and_nothing_else_is() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/services");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name());
    let mut stems: Vec<String> = files
        .filter_map(|file| Some(file.to_str().unwrap().strip_suffix(".txt")?.to_owned()))
        .collect();
    stems.sort_unstable();

    assert_eq!(stems, names(CATALOGUE.iter().copied()));
    assert!(CATALOGUE.is_sorted_by_key(|service| service.name()));
}

#[test]
fn a_service_says_what_it_is_and_has_no_line_that_is_not_a_rule() {
    let source = Source { name: "service", action: Action::Block, groups: GroupSet::default() };
    for service in Service::all() {
        let title = service.title().strip_prefix("# ").unwrap_or_default();
        assert!(title.ends_with('.'), "{}: {title:?}", service.name());
        assert!(rules(service).count() > 0, "{}", service.name());
        let mut seen = HashSet::new();
        for line in rules(service) {
            let added = Matcher::builder().add_line(&source, 1, line);
            assert_eq!(added.ok(), Some(1), "{}: {line}", service.name());
            assert!(seen.insert(line), "{}: {line} is there twice", service.name());
        }
    }
}

#[test]
fn services_block_whole_domains_and_safe_searches_lead_single_names_elsewhere() {
    for service in Service::all() {
        for line in rules(service) {
            let is_domain = line.starts_with("||") && line.ends_with('^');
            let is_search = line.starts_with('|') && line.contains("^$dnsrewrite=");
            let is_right = if service.is_safe_search() { is_search } else { is_domain };
            assert!(is_right, "{}: {line}", service.name());
        }
    }
}

#[test]
fn all_safe_searches_together_are_each_of_them_in_its_strict_form() {
    let is_part = |service: &Service| {
        service.is_safe_search()
            && *service != ALL_SEARCHES
            && service.name() != "safe-search-youtube-moderate"
    };
    let parts: HashSet<&str> = Service::all().filter(is_part).flat_map(rules).collect();

    let all: Vec<&str> = rules(ALL_SEARCHES).collect();
    assert_eq!(all.len(), parts.len());
    assert!(all.iter().all(|line| parts.contains(line)));
}

#[test]
fn the_page_names_every_service_and_no_other() {
    let (_, section) = PAGE.split_once("\n## Services\n").expect("a section of their own");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    // The first column of safe searches and the second of all others hold names, and no other does.
    let code = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let is_name = |word: &&str| !word.contains('.');
    let mut told: Vec<&str> = code.filter(is_name).collect();
    told.sort_unstable();

    assert_eq!(told, names(Service::all()));
}

#[test]
fn the_page_tells_where_safe_searches_lead() {
    for service in Service::all().filter(|service| service.is_safe_search()) {
        let start = format!("| `{}` |", service.name());
        let row = PAGE.lines().find(|line| line.starts_with(&start)).expect("a row");
        if service != ALL_SEARCHES {
            let targets: HashSet<_> =
                rules(service).map(|line| line.split_once("^$dnsrewrite=").unwrap().1).collect();
            assert!(targets.iter().all(|target| row.contains(&format!("`{target}`"))), "{row}");
        }
    }
}

#[test]
fn who_misspells_a_service_is_told_the_right_one_first() {
    for (wanted, meant) in [
        ("TikTok", "tiktok"),
        ("you tube", "youtube"),
        ("disney+", "disney-plus"),
        ("safesearch", "safe-search"),
        ("messenger", "facebook"),
        ("valorant", "riot-games"),
        ("epic", "epic-games"),
    ] {
        let told = names_near(wanted);
        assert_eq!(told.split(", ").next(), Some(meant), "{wanted}: {told}");
        assert!(told.len() < 2 * NAMES_LENGTH && told.contains(" more, "), "{told}");
    }
    assert!(names_near("google").starts_with("safe-search-google, "));
}
