//! Octets go in as they come, lines come out of one buffer, without being copied.

use std::io::{self, ErrorKind, Read};

use crate::report::MAX_LINE;

/// The lines of a text.
pub(super) struct Lines<R> {
    text: R,
    buffer: Vec<u8>,
    /// What of the buffer is not given out yet.
    start: usize,
    end: usize,
    is_at_end: bool,
    octets: u64,
    /// Whether the rest of a line that was too long has to be passed over.
    is_inside_line: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(text: R) -> Self {
        Self {
            text,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            is_at_end: false,
            octets: 0,
            is_inside_line: false,
        }
    }

    /// How the text begins; the mark of its encoding belongs to no line.
    pub(super) fn beginning(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        if self.rest().starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        Ok(self.rest())
    }

    /// The next line, its end left out; nothing behind the last. Of a line that does not fit into
    /// the buffer only the beginning is given, longer than any rule.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        while self.is_inside_line {
            let length = line_length(self.rest());
            self.is_inside_line = length.is_none() && !self.is_at_end;
            self.start = length.map_or(self.end, |length| self.start + length + 1);
            if self.is_inside_line {
                self.fill()?;
            }
        }
        let mut length = line_length(self.rest());
        if length.is_none() && !self.is_at_end {
            self.fill()?;
            length = line_length(self.rest());
        }
        let start = self.start;
        let end = match length {
            Some(length) => start + length,
            None if start == self.end => return Ok(None),
            None if self.is_at_end => self.end,
            None => {
                self.is_inside_line = true;
                self.start = self.end;
                return Ok(self.buffer.get(start..=start + MAX_LINE));
            }
        };
        self.start = (end + 1).min(self.end);
        Ok(self.buffer.get(start..end))
    }

    /// How many octets have been read so far.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Moves what is left to the front and reads until the buffer is full or the text at its end.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) {
            match self.text.read(room) {
                Ok(0) => {
                    self.is_at_end = true;
                    break;
                }
                Ok(read) => {
                    self.end += read;
                    self.octets += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn line_length(octets: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', octets)
}

/// Octets read at a time: several of the longest lines.
const BUFFER: usize = 4 * MAX_LINE;
/// What editors of one system put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few octets at a time, as networks do.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(room.len());
            Read::read(&mut self.0, &mut room[..length])
        }
    }

    fn lines(text: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Drip(text, step));
        lines.beginning().unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(line.to_vec());
        }
        all
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text: Vec<u8> =
            (0..60_000).flat_map(|n| format!("{}\n", "x".repeat(n % 11)).into_bytes()).collect();
        let expected: Vec<_> = text
            .split_inclusive(|octet| *octet == b'\n')
            .map(|l| l[..l.len() - 1].to_vec())
            .collect();

        for step in [1, 7, BUFFER - 1, usize::MAX] {
            assert!(lines(&text, step) == expected, "{step}");
        }
    }

    #[test]
    fn the_last_line_needs_no_end_and_the_mark_is_no_part_of_the_first() {
        assert_eq!(lines(b"\xEF\xBB\xBFa\r\n\nb", 2), [&b"a\r"[..], b"", b"b"]);
        assert_eq!(lines(b"", 1), Vec::<Vec<u8>>::new());
        assert_eq!(lines(b"\n", 1), [b""]);
    }

    #[test]
    fn a_line_without_end_is_given_in_part_and_hurts_no_other() {
        for length in [BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER] {
            let text = [b"a\n", &vec![b'x'; length][..], b"\nb\n"].concat();

            let lines = lines(&text, usize::MAX);

            assert_eq!(lines.len(), 3, "{length}");
            assert!(lines[1].len() > MAX_LINE);
            assert_eq!(lines[2], b"b");
        }
        assert_eq!(lines(&vec![b'x'; 3 * BUFFER], BUFFER).len(), 1);
    }
}
