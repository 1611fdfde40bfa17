//! A list of the configuration goes in, its text comes out, wherever it is from.

use std::fs;

use bytes::Bytes;

use super::{
    ListStore,
    guard::Refusal,
    record::moment,
    schedule::Outcome,
    text::{Form, Text},
};
use crate::{
    causes,
    config::{List, ListSource},
};

impl ListStore {
    /// A list's text, an error where it cannot be had, nothing where nobody has tried yet.
    pub(super) fn text(&self, list: &List) -> Option<Result<Text, String>> {
        match &list.source {
            ListSource::Inline(lines) => {
                let bytes = lines.join("\n").into_bytes();
                Some(as_pinned(list, Text::new(Form::Memory(bytes.into()), u64::MAX)))
            }
            ListSource::Service(service) => {
                let bytes = Bytes::from_static(service.rules().as_bytes());
                Some(as_pinned(list, Text::new(Form::Memory(bytes), u64::MAX)))
            }
            ListSource::Path(path) => {
                self.files.note_read(path);
                let text = Text::new(Form::File(path.clone()), list.max_bytes.0);
                let written = fs::metadata(path).and_then(|file| file.modified());
                Some(as_pinned(
                    list,
                    match written {
                        Ok(written) => text.loaded(written),
                        Err(_) => text,
                    },
                ))
            }
            ListSource::Url(url) => self.copy(list, url),
        }
    }

    /// The last good copy, the failure of getting one, or nothing.
    fn copy(&self, list: &List, url: &str) -> Option<Result<Text, String>> {
        let record = self.copies.record(url);
        let is_known_to_be_pinned =
            record.as_ref().is_some_and(|record| is_pinned(list, &record.digest));
        let copy = self.copies.find(url, list.max_bytes.0).map(|copy| match &record {
            Some(record) => copy.of_digest(&record.digest),
            None => copy,
        });
        let copy = match copy {
            Some(copy) if is_known_to_be_pinned => Some(copy),
            Some(copy) => as_pinned(list, copy).ok(),
            None => None,
        };
        if let (Some(_), Some(record)) = (&copy, record)
            && let Some(checked) = moment(record.checked)
        {
            let outcome = record.refused.map_or(Outcome::Current, Outcome::Refused);
            self.schedule.recall(url, checked, outcome);
        }
        let failure = || Some(self.schedule.last(url)?.outcome.error()?.to_owned());
        copy.map(Ok).or_else(|| failure().map(Err))
    }
}

/// Whether a list may have a text of this digest.
pub(super) fn is_pinned(list: &List, digest: &str) -> bool {
    list.sha256.is_empty() || list.sha256.eq_ignore_ascii_case(digest)
}

/// The text, where the list's `sha256` allows it.
fn as_pinned(list: &List, text: Text) -> Result<Text, String> {
    if list.sha256.is_empty() {
        return Ok(text);
    }
    let (text, digest) = text.held().map_err(|error| causes::one_line(&error))?;
    if is_pinned(list, &digest) { Ok(text) } else { Err(Refusal::Digest(digest).to_string()) }
}
