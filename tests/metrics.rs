//! The listener for monitoring: probes and counters.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::lab::{Fake, Lab};

#[tokio::test]
async fn a_server_with_loaded_lists_is_alive_and_ready() {
    let lab = Lab::builder().list("ads", &["||ads.example^"]).start().await;

    assert_eq!(lab.get_metrics("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(lab.get_metrics("/readyz").await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn an_upstream_that_is_gone_does_not_make_it_unready() {
    let lab = Lab::builder().start().await;

    assert_eq!(lab.ask("www.example", "A").await.rcode(), 2);
    assert_eq!(lab.get_metrics("/readyz").await.0, 200);
}

#[tokio::test]
async fn every_answer_is_counted_once_by_how_it_came_about() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("ads", &["ads.example"]).start().await;

    for name in ["www.example", "www.example", "ads.example", "localhost", "none.example"] {
        lab.ask(name, "A").await;
    }
    lab.ask_udp("ads.example", "A").await;

    for (transport, outcome, count) in [
        ("tcp", "forwarded", 2),
        ("tcp", "cached", 1),
        ("tcp", "blocked", 1),
        ("tcp", "special", 1),
        ("udp", "blocked", 1),
        ("udp", "cached", 0),
    ] {
        let labels = format!("{{transport=\"{transport}\",outcome=\"{outcome}\"}}");
        let sample = lab.sample(&format!("dnsward_queries_total{labels}")).await;
        assert_eq!(sample, count, "{transport} {outcome}");
    }
    assert_eq!(lab.sample("dnsward_responses_total{rcode=\"NXDOMAIN\"}").await, 1);
}

#[tokio::test]
async fn names_that_clients_send_never_become_labels() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    lab.ask("sneaky-label.example", "A").await;

    assert!(!lab.get_metrics("/metrics").await.1.contains("sneaky"));
}

/// A family as the text form declares it, and the labels of its samples.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: Option<BTreeSet<String>>,
    samples: Vec<String>,
}

/// Reads the text form, and finds what is not in it: samples without a family, samples that come
/// twice, values that are no numbers, an end that is missing.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = HashSet::new();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(!families.contains_key(name), "{name} is declared twice");
            let help = help.trim_end_matches('.').to_owned();
            families.insert(name.to_owned(), Family { help, ..Family::default() });
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current, "help and type belong together");
            families.get_mut(name).unwrap().kind = kind.to_owned();
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample");
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            assert!(seen.insert(sample.to_owned()), "{sample} comes twice");
            let family = families.get_mut(&current).unwrap();
            let suffix = sample.strip_prefix(&current).unwrap_or_else(|| panic!("{line}"));
            let suffix = suffix.split('{').next().unwrap_or_default();
            let suffixes: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_sum", "_count", "_bucket"],
                other => panic!("{other}"),
            };
            assert!(suffixes.contains(&suffix), "{line}");
            let names = labels(sample).filter(|label| label != "le");
            let names: BTreeSet<String> = names.collect();
            assert_eq!(*family.labels.get_or_insert_with(|| names.clone()), names, "{line}");
            family.samples.push(line.to_owned());
        }
    }
    families
}

/// The names of a sample's labels; no value here has a comma or a quote.
fn labels(sample: &str) -> impl Iterator<Item = String> {
    let labels = sample.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    let labels = labels.split(',').filter_map(|label| label.split_once('='));
    labels.map(|(name, _)| name.to_owned()).collect::<Vec<_>>().into_iter()
}

/// The name that samples have in the page's table.
fn shown(name: &str, kind: &str) -> String {
    let suffix = match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    format!("{name}{suffix}")
}

#[tokio::test]
async fn the_page_of_metrics_says_what_is_exposed_and_nothing_else() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let config = "[[lists]]\nname = 'tried'\nmode = 'shadow'\ninline = ['x.example']\n";
    let lab = Lab::builder().upstream(fake).config(config).start().await;
    lab.ask("www.example", "A").await;
    let (_, text) = lab.get_metrics("/metrics").await;
    let page = std::fs::read_to_string("docs/metrics.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `dnsward_"));
    let rows = rows.filter(|row| row.split('|').count() == 5);

    let mut told = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [name, kind, labels, meaning, ..] = cells[..] else { panic!("{row}") };
        told.insert(format!("dnsward_{name}"), [kind, labels, meaning].map(str::to_owned));
    }

    let mut exposed = String::new();
    for (name, Family { kind, help, labels, .. }) in families(&text) {
        let name = shown(&name, &kind);
        let row = told.remove(&name);
        let known = row.as_ref().map(|[_, labels, _]| labels.replace(['`', ' '], ""));
        let labels = labels.map(|labels| Vec::from_iter(labels).join(","));
        let mut known_labels: Vec<&str> = known.as_deref().unwrap_or_default().split(',').collect();
        known_labels.sort_unstable();
        let is_right = row.is_some_and(|[a, _, c]| (a, c) == (kind.clone(), help.clone()))
            && labels.as_ref().is_none_or(|labels| *labels == known_labels.join(","));
        if !is_right {
            let labels = labels.unwrap_or_default().replace(',', "`, `");
            exposed.push_str(&format!("| `{name}` | {kind} | `{labels}` | {help} |\n"));
        }
    }
    assert!(exposed.is_empty(), "docs/metrics.md should have these rows:\n{exposed}");
    assert!(told.is_empty(), "docs/metrics.md has rows of nothing: {told:?}");
}

#[tokio::test]
async fn labels_of_upstreams_have_the_words_of_the_page_and_no_others() {
    let lab = Lab::builder().start().await;
    lab.ask("www.example", "A").await;
    let (_, text) = lab.get_metrics("/metrics").await;
    let page = std::fs::read_to_string("docs/metrics.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `dnsward_"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();

    let mut checked = 0;
    for row in rows {
        let [name, label, words, _] = row[..] else { continue };
        let (name, label) = (name.trim_matches('`'), label.trim_matches('`'));
        let words: BTreeSet<&str> = words.split(", ").map(|word| word.trim_matches('`')).collect();
        let samples = text.lines().filter(|line| line.starts_with(&format!("dnsward_{name}")));
        let start = format!("{label}=\"");
        let found = samples.filter_map(|line| line.split(&start).nth(1)?.split('"').next());
        assert_eq!(found.collect::<BTreeSet<_>>(), words, "{name} {label}");
        checked += 1;
    }
    assert_eq!(checked, 12);
}

#[tokio::test]
async fn a_histogram_counts_up_to_its_count() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;
    lab.ask("www.example", "A").await;

    let (_, text) = lab.get_metrics("/metrics").await;

    let families = families(&text);
    let samples = &families["dnsward_upstream_round_trip_seconds"].samples;
    let values: Vec<f64> =
        samples.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    let [sum, count, buckets @ ..] = &values[..] else { panic!("{samples:?}") };
    assert!(*sum > 0.0 && buckets.is_sorted() && buckets.last() == Some(count), "{samples:?}");
    assert_eq!(buckets.len(), 14);
}
