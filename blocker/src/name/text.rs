//! Presentation form goes in and comes out, so that escapes are understood in one place.

use std::fmt::{self, Write};

use super::{EMPTY, MAX_LABEL, MAX_NAME, Name, NameError, labels};
use crate::hash::Octets;

/// Reads a name as people write it.
pub(super) fn parse(text: &str) -> Result<Name, NameError> {
    match text {
        "" => return Err(NameError::Empty),
        "." => return Ok(Name::ROOT),
        _ => {}
    }
    let mut writer = Writer::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '.' => writer.end_label()?,
            '\\' => writer.push(unescape(&mut rest)?)?,
            _ => writer.push(plain_octet(character)?)?,
        }
    }
    writer.finish()
}

/// Writes the name at the start of `wire`, without a trailing dot; the root is `.`.
pub(crate) fn write(wire: &[u8], out: &mut impl Write) -> fmt::Result {
    let mut is_first = true;
    for label in labels(wire) {
        if !is_first {
            out.write_char('.')?;
        }
        is_first = false;
        write_label(label, out)?;
    }
    if is_first { out.write_char('.') } else { Ok(()) }
}

/// The text of one name on the stack, for what matches text instead of labels.
pub(crate) struct Text {
    octets: [u8; MAX_TEXT],
    length: usize,
}

impl Text {
    /// Writes `name` out.
    pub(crate) fn new(name: &Name) -> Self {
        let mut text = Self { octets: [0; MAX_TEXT], length: 0 };
        // Cannot fail: the buffer holds the longest name with every octet escaped.
        let _ = write(name.as_wire(), &mut text);
        text
    }

    /// What was written.
    pub(crate) fn as_str(&self) -> &str {
        self.octets
            .get(..self.length)
            .and_then(|octets| std::str::from_utf8(octets).ok())
            .unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.octets.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// A name under construction: the octets so far and where the open label's length will go.
pub(super) struct Writer {
    octets: Octets,
    label: usize,
    end: usize,
}

impl Writer {
    fn new() -> Self {
        Self { octets: EMPTY, label: 0, end: 1 }
    }

    fn push(&mut self, octet: u8) -> Result<(), NameError> {
        *self.octets.get_mut(self.end).ok_or(NameError::TooLong)? = octet;
        self.end += 1;
        Ok(())
    }

    fn end_label(&mut self) -> Result<(), NameError> {
        let length = match u8::try_from(self.end - self.label - 1) {
            Ok(0) => return Err(NameError::EmptyLabel),
            Ok(length) if length <= MAX_LABEL => length,
            _ => return Err(NameError::LabelTooLong),
        };
        *self.octets.get_mut(self.label).ok_or(NameError::TooLong)? = length;
        self.label = self.end;
        self.end += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Name, NameError> {
        let has_open_label = self.end > self.label + 1;
        if has_open_label {
            self.end_label()?;
        }
        // The octets were zero to begin with, so the root's label is there if it has room.
        match u8::try_from(self.label + 1) {
            Ok(length) => Ok(Name { octets: self.octets, length }),
            Err(_) => Err(NameError::TooLong),
        }
    }
}

fn unescape(rest: &mut std::str::Chars<'_>) -> Result<u8, NameError> {
    let first = rest.next().ok_or(NameError::BadEscape)?;
    let Some(hundreds) = first.to_digit(10) else { return plain_octet(first) };
    let mut digit = || rest.next().and_then(|next| next.to_digit(10)).ok_or(NameError::BadEscape);
    let value = hundreds * 100 + digit()? * 10 + digit()?;
    let octet = u8::try_from(value).map_err(|_| NameError::BadEscape)?;
    Ok(octet.to_ascii_lowercase())
}

fn plain_octet(character: char) -> Result<u8, NameError> {
    match u8::try_from(character) {
        Ok(octet) if octet.is_ascii_graphic() => Ok(octet.to_ascii_lowercase()),
        _ => Err(NameError::BadCharacter(character)),
    }
}

fn write_label(label: &[u8], out: &mut impl Write) -> fmt::Result {
    let is_plain = |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b'.' | b'\\');
    if label.iter().all(is_plain) {
        // One call for what nearly every label is; `is_plain` makes it valid UTF-8.
        return out.write_str(std::str::from_utf8(label).unwrap_or_default());
    }
    for &octet in label {
        match octet {
            b'.' | b'\\' => write!(out, "\\{}", char::from(octet))?,
            _ if octet.is_ascii_graphic() => out.write_char(char::from(octet))?,
            _ => write!(out, "\\{octet:03}")?,
        }
    }
    Ok(())
}

/// Most characters of a name's text: every octet escaped as `\DDD`.
const MAX_TEXT: usize = 4 * MAX_NAME;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_written_in_one_normal_form() {
        let cases = [
            ("example.com", Ok("example.com")),
            ("EXAMPLE.com.", Ok("example.com")),
            (".", Ok(".")),
            (r"a\.b.example", Ok(r"a\.b.example")),
            (r"a\046b.example", Ok(r"a\.b.example")),
            (r"\065.example", Ok("a.example")),
            (r"\000\255\\", Ok(r"\000\255\\")),
            ("", Err(NameError::Empty)),
            (".example", Err(NameError::EmptyLabel)),
            ("a..example", Err(NameError::EmptyLabel)),
            ("..", Err(NameError::EmptyLabel)),
            (r"a\", Err(NameError::BadEscape)),
            (r"a\25", Err(NameError::BadEscape)),
            (r"a\256", Err(NameError::BadEscape)),
            ("a b", Err(NameError::BadCharacter(' '))),
            ("bücher.example", Err(NameError::BadCharacter('ü'))),
        ];

        for (text, expected) in cases {
            let name = parse(text).map(|name| name.to_string());
            assert_eq!(name.as_deref().map_err(|error| *error), expected, "{text}");
        }
    }

    #[test]
    fn the_longest_text_fits() {
        let label = r"\001".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", r"\001".repeat(61));

        let name = parse(&longest).unwrap();

        assert_eq!(name.as_wire().len(), 255);
        assert_eq!(Text::new(&name).as_str(), longest);
        assert_eq!(parse(&format!("{longest}a")), Err(NameError::TooLong));
        assert_eq!(parse(&"a".repeat(64)), Err(NameError::LabelTooLong));
    }
}
