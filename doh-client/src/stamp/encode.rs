//! The parts of a stamp come in one by one, its octets go out.

/// Most octets of one part: its length is one octet.
pub(super) const MAX_TEXT: usize = u8::MAX as usize;

/// In front of an element of a set: another one follows.
const MORE: u8 = 0x80;

/// What has been written of a stamp.
#[derive(Default)]
pub(super) struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    pub(super) fn octet(&mut self, octet: u8) {
        self.octets.push(octet);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.octets.extend(number.to_le_bytes());
    }

    /// Writes a part that is no longer than [`MAX_TEXT`], as every part of a stamp is.
    pub(super) fn text(&mut self, text: &str) {
        self.element(text.as_bytes(), 0);
    }

    /// Writes a set; elements are shorter than 128 octets.
    pub(super) fn set(&mut self, elements: &[impl AsRef<[u8]>]) {
        match elements.split_last() {
            None => self.octet(0),
            Some((last, others)) => {
                for element in others {
                    self.element(element.as_ref(), MORE);
                }
                self.element(last.as_ref(), 0);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.octets
    }

    fn element(&mut self, octets: &[u8], mark: u8) {
        let length = u8::try_from(octets.len()).unwrap_or(u8::MAX);
        self.octet(length | mark);
        self.octets.extend(octets.iter().take(length.into()));
    }
}
