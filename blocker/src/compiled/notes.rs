//! What is kept of a list beside its rules for names: special lines, and what became of the others.
//!
//! Special rules are kept in normal form and read again by the parser, so that there is one place
//! which knows what a line means.

use std::io;

use crate::format;
use crate::report::{ListReport, Reason, Rejection, RuleKinds};

use super::Special;
use super::wire::{SUM, array, damaged, is_whole, sum};

/// The notes of a list.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) report: ListReport,
    pub(crate) specials: Vec<Special>,
}

impl Notes {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for count in counts(&self.report) {
            octets.extend_from_slice(&count.to_le_bytes());
        }
        let samples = self.report.samples.iter();
        let texts = samples.clone().map(|sample| (sample.line, sample.text.clone()));
        write_lines(texts, &mut octets);
        write_lines(samples.map(|sample| (sample.line, sample.reason.to_string())), &mut octets);
        let specials = self.specials.iter().map(|special| (special.line, &special.text));
        write_lines(specials, &mut octets);
        octets.extend_from_slice(&sum(&octets).to_le_bytes());
        octets
    }

    pub(super) fn read(octets: &[u8]) -> io::Result<Self> {
        if !is_whole(octets) {
            return Err(damaged());
        }
        let mut reader = Reader(octets.get(..octets.len() - SUM).unwrap_or_default());
        let mut notes = Self::default();
        let report = &mut notes.report;
        set_counts(report, reader.counts()?);
        let texts = reader.lines()?;
        for ((line, text), (_, reason)) in texts.into_iter().zip(reader.lines()?) {
            let reason = Reason::Told(reason.into());
            report.samples.push(Rejection { line, text: text.into(), reason });
        }
        for (line, text) in reader.lines()? {
            notes.specials.push(special(line, text).ok_or_else(damaged)?);
        }
        Ok(notes)
    }
}

/// The numbers of a report.
fn counts(report: &ListReport) -> [u64; COUNTS] {
    let ListReport { rules, duplicates, rejected, not_dns, looks_like_html, kinds, .. } = report;
    let RuleKinds { names, subtrees, wildcards, regexes, allowing, with_terms } = kinds;
    let [a, b, c, d] = [rules, duplicates, rejected, not_dns].map(|count| *count as u64);
    let [e, f, g] = [names, subtrees, wildcards].map(|count| *count as u64);
    let [h, i, j] = [regexes, allowing, with_terms].map(|count| *count as u64);
    [a, b, c, d, e, f, g, h, i, j, report.bytes, u64::from(*looks_like_html)]
}

fn set_counts(report: &mut ListReport, counts: [u64; COUNTS]) {
    let [a, b, c, d, e, f, g, h, i, j, bytes, html] = counts;
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    [report.rules, report.duplicates, report.rejected, report.not_dns] = [a, b, c, d].map(number);
    let [names, subtrees, wildcards] = [e, f, g].map(number);
    let [regexes, allowing, with_terms] = [h, i, j].map(number);
    report.kinds = RuleKinds { names, subtrees, wildcards, regexes, allowing, with_terms };
    (report.bytes, report.looks_like_html) = (bytes, html > 0);
}

/// A special rule that is written like this.
fn special(line: u32, text: &str) -> Option<Special> {
    let mut rules = Vec::new();
    format::parse(text, &mut rules).ok()?;
    let rule = rules.pop().filter(|rule| rules.is_empty() && rule.kind().is_none())?;
    Some(Special { line, text: text.into(), rule })
}

fn write_lines(lines: impl Iterator<Item = (u32, impl AsRef<str>)>, octets: &mut Vec<u8>) {
    let count_at = octets.len();
    octets.extend_from_slice(&[0; 4]);
    let mut count = 0_u32;
    for (line, text) in lines {
        let text = text.as_ref();
        octets.extend_from_slice(&line.to_le_bytes());
        octets.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        octets.extend_from_slice(text.as_bytes());
        count += 1;
    }
    if let Some(place) = octets.get_mut(count_at..count_at + 4) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// Octets that are read from front to back.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn counts(&mut self) -> io::Result<[u64; COUNTS]> {
        let mut counts = [0; COUNTS];
        for count in &mut counts {
            *count = array(self.take(size_of::<u64>())?, 0).map_or(0, u64::from_le_bytes);
        }
        Ok(counts)
    }

    fn lines(&mut self) -> io::Result<Vec<(u32, &'a str)>> {
        let count = self.number()?;
        (0..count)
            .map(|_| {
                let line = self.number()?;
                let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
                let text = std::str::from_utf8(self.take(length)?).map_err(|_| damaged())?;
                Ok((line, text))
            })
            .collect()
    }

    fn number(&mut self) -> io::Result<u32> {
        array(self.take(4)?, 0).map(u32::from_le_bytes).ok_or_else(damaged)
    }

    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Numbers that are kept of a report.
const COUNTS: usize = 12;
