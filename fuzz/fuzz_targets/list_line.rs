//! Any bytes go in as a list; what is made of them is counted right, and every rule that decides
//! about a name can be shown, and read again, without meaning anything else.

#![no_main]

use blocker::{Action, GroupSet, ListReport, Matcher, Name, Question, Source};
use libfuzzer_sys::fuzz_target;

const LIST: Source<'static> = Source { name: "list", action: Action::Block, groups: GroupSet::ALL };

/// Lines that are shown to a person at most.
const MOST_SAMPLES: usize = 10;

/// What a rule says that undoes others.
const UNDOING: &[u8] = b"badfilter";

fuzz_target!(|bytes: &[u8]| {
    let mut builder = Matcher::builder();
    let report = builder.add_list(&LIST, bytes);
    assert!(report.samples.len() <= MOST_SAMPLES.min(report.rejected), "{report:?}");
    if let Ok(text) = str::from_utf8(bytes) {
        check_line(text, &report);
    }
    let Ok(matcher) = builder.build() else { return };
    // What undoes others is no rule of the matcher's, and neither is what is undone.
    if bytes.windows(UNDOING.len()).any(|word| word == UNDOING) {
        assert!(matcher.rules() <= report.rules, "{report:?}");
    } else {
        assert_eq!(matcher.rules(), report.rules);
    }
    // The words of a list are the names that its rules are most likely to meet.
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    for word in bytes.split(|byte| !is_of_name(byte)) {
        let name = str::from_utf8(word).ok().and_then(|word| Name::parse(word).ok());
        if let Some(name) = name {
            check_verdict(&matcher, &name);
        }
    }
});

/// A list of one line gives what the line alone gives.
fn check_line(text: &str, report: &ListReport) {
    if text.contains('\n') || text.starts_with('\u{feff}') || report.looks_like_html {
        return;
    }
    match Matcher::builder().add_line(&LIST, 1, text) {
        Ok(rules) => assert_eq!(rules, report.rules + report.duplicates, "{text:?}"),
        Err(rejection) => {
            assert_eq!(report.rejected + report.not_dns, 1, "{rejection}");
        }
    }
}

/// The rule behind a verdict, as it is shown, is a line that matches the same name.
fn check_verdict(matcher: &Matcher, name: &Name) {
    let question = Question::new(name, GroupSet::ALL);
    let Some(found) = matcher.verdict(&question).found() else { return };
    let shown = found.rule().to_string();
    let mut builder = Matcher::builder();
    let added = builder.add_line(&LIST, 1, &shown);
    assert_eq!(added.as_ref().ok(), Some(&1), "{shown}: {added:?}");
    let Ok(again) = builder.build() else { return };
    assert!(again.verdict(&question).is_block(), "{shown} does not match {name}");
}
