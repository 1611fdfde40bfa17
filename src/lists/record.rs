//! What is known of a kept copy, and a small file beside it that knows it over a restart.
//!
//! It says which text it is about, by its digest, so that both can be restored from a backup: where
//! that does not fit, or a line cannot be read, nothing is known of the copy, and it is asked for as
//! if for the first time.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Longest validator that is kept. Real ones have under a hundred octets; a host must not be able
/// to make each request as long as it likes.
const MAX_VALIDATOR: usize = 512;

/// Most that is read of the file: all that we ever write is shorter.
const MAX_RECORD: u64 = 16 << 10;

/// What is known of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// How its host tells it from a later one.
    pub(super) validators: Validators,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub(super) digest: String,
    /// Rules that it gave.
    pub(super) rules: u64,
    /// When its host was last asked and had nothing better, in milliseconds since 1970.
    pub(super) checked: u64,
    /// Why what came since is not in force.
    pub(super) refused: Option<String>,
}

/// What a host says of a text, and is told when it is asked again (RFC 9110 section 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    /// Its ETag.
    pub(super) etag: Option<String>,
    /// When it says that it was changed.
    pub(super) last_modified: Option<String>,
}

impl Validators {
    /// Those that can be told again.
    pub(super) fn new(etag: Option<&str>, last_modified: Option<&str>) -> Self {
        let usable = |value: &&str| {
            value.len() <= MAX_VALIDATOR && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        };
        let keep = |value: Option<&str>| value.filter(usable).map(|value| value.trim().to_owned());
        Self { etag: keep(etag), last_modified: keep(last_modified) }
    }

    /// Whether the host said nothing.
    pub(super) fn are_none(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

impl Record {
    /// What is known of the text of this digest; nothing where there is the least doubt.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let is_small = fs::metadata(path).ok()?.len() <= MAX_RECORD;
        let text = if is_small { fs::read_to_string(path).ok()? } else { return None };
        let mut record = Self::default();
        let mut lines = text.lines();
        for line in &mut lines {
            let (key, value) = line.split_once(": ")?;
            match key {
                "etag" => record.validators.etag = Some(value.to_owned()),
                "last-modified" => record.validators.last_modified = Some(value.to_owned()),
                "sha256" => record.digest = value.to_owned(),
                "rules" => record.rules = value.parse().ok()?,
                "checked" => record.checked = value.parse().ok()?,
                "refused" => record.refused = Some(value.to_owned()),
                _ => return None,
            }
        }
        (record.digest.len() == 64).then_some(record)
    }

    /// Writes what is known of a text.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut text =
            format!("sha256: {}\nrules: {}\nchecked: {}\n", self.digest, self.rules, self.checked);
        let Validators { etag, last_modified } = &self.validators;
        let further =
            [("etag", etag), ("last-modified", last_modified), ("refused", &self.refused)];
        for (key, value) in further {
            if let Some(value) = value {
                let value = value.replace(char::is_control, " ");
                text.push_str(&format!("{key}: {value}\n"));
            }
        }
        let aside = path.with_extension("meta.new");
        fs::write(&aside, text)?;
        fs::rename(&aside, path)
    }
}

/// A moment of a record.
pub(super) fn moment(milliseconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Record {
        Record {
            validators: Validators::new(Some("W/\"a: b\""), Some("Sat, 21 Nov 2026 10:00:00 GMT")),
            digest: "ab".repeat(32),
            rules: 123_456,
            checked: 1_790_000_000_000,
            refused: Some("it shrank\nby much".to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.meta");

        example().write(&path).unwrap();

        let read = Record::read(&path).unwrap();
        assert_eq!(read, Record { refused: Some("it shrank by much".to_owned()), ..example() });
    }

    #[test]
    fn nothing_is_known_where_there_is_doubt() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.meta");
        example().write(&path).unwrap();
        let whole = fs::read_to_string(&path).unwrap();

        for doubtful in [
            String::new(),
            "garbage".to_owned(),
            whole.replace("rules: 1", "rules: x"),
            whole.replace("sha256: ab", "sha256: "),
            whole.replace("rules", "rubles"),
            whole.lines().skip(1).map(|line| format!("{line}\n")).collect(),
            format!("{whole}etag: {}\n", "x".repeat(20_000)),
        ] {
            fs::write(&path, &doubtful).unwrap();
            assert_eq!(Record::read(&path), None, "{doubtful:.100}");
        }
        assert_eq!(Record::read(&directory.path().join("none")), None, "no record");
    }

    #[test]
    fn validators_that_cannot_be_told_again_are_not_kept() {
        let long = "x".repeat(MAX_VALIDATOR + 1);

        assert!(Validators::new(Some(&long), Some("line\nbreak")).are_none());
        assert!(!Validators::new(Some("\"a\""), None).are_none());
    }
}
