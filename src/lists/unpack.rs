//! Packed bytes go in, the text in them comes out, and never more of it than a list may have.
//!
//! Lists come packed twice over: by the server on the way (Content-Encoding), and as files that
//! are packed themselves. Both are unpacked here while they are read, so that a few bytes that
//! unpack to gigabytes cost no more than `max_bytes`.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// Most memory that unpacking zstd takes: what RFC 9659 allows servers, and all that `zstd` asks
/// for below its `--ultra` levels.
const ZSTD_WINDOW: u64 = 8 << 20;

/// Octets that tell how a file is packed.
const MAGIC: usize = 4;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// More came than a list may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is larger than max_bytes ({0})")]
pub struct TooLarge(pub u64);

/// A reader of any kind.
pub type Reader = Box<dyn Read + Send>;

impl Packing {
    /// By the word that a server has for it; nothing where we do not know the word.
    pub(super) fn of_encoding(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// By a file's first octets, which no text begins with.
    fn of_beginning(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one of those that decoders skip and some packers put first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Reads what is packed; fails with [`TooLarge`] where that is more than so many bytes.
    pub(super) fn unpack(self, packed: impl Read + Send + 'static, max_bytes: u64) -> Reader {
        // What is packed can be without end and unpack to nothing.
        let packed = BufReader::new(Bounded::new(packed, max_bytes));
        match self {
            Self::Plain => Box::new(packed),
            Self::Gzip => Box::new(Bounded::new(MultiGzDecoder::new(packed), max_bytes)),
            Self::Zstd => Box::new(Bounded::new(Frames::new(packed), max_bytes)),
        }
    }
}

/// Reads a file's text, unpacked where its first octets say that it is packed.
///
/// The reader fails with [`TooLarge`] where there is more than `max_bytes` of it.
///
/// # Errors
/// Where not even the first octets can be read.
pub fn unpack(mut file: impl Read + Send + 'static, max_bytes: u64) -> Result<Reader, io::Error> {
    let mut beginning = Vec::with_capacity(MAGIC);
    file.by_ref().take(MAGIC as u64).read_to_end(&mut beginning)?;
    let packing = Packing::of_beginning(&beginning);
    Ok(packing.unpack(Cursor::new(beginning).chain(file), max_bytes))
}

/// The bound that was met, where that is why reading failed.
pub fn too_large(error: &io::Error) -> Option<TooLarge> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = match error.get_ref() {
        Some(inner) => Some(inner),
        None => None,
    };
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TooLarge>() {
            return Some(*found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// A reader that fails where its source has more than it may.
struct Bounded<R> {
    source: R,
    left: u64,
    max_bytes: u64,
}

impl<R> Bounded<R> {
    fn new(source: R, max_bytes: u64) -> Self {
        Self { source, left: max_bytes, max_bytes }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(TooLarge(self.max_bytes))),
        }
        Ok(read)
    }
}

/// The frames of a zstd file, one after the other.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        Self { source, decoder }
    }

    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 {
            if !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, one).map_err(io::Error::other)?;
                continue;
            }
            self.check()?;
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.start_frame()?;
        }
        self.decoder.read(buffer)
    }

    fn start_frame(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => Ok(()),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let mut skipped = self.source.by_ref().take(length.into());
                io::copy(&mut skipped, &mut io::sink()).map(drop)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Fails where a frame that has ended is not what was packed.
    fn check(&self) -> io::Result<()> {
        let told = self.decoder.get_checksum_from_data();
        if told.is_some() && told != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("its checksum is wrong"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Strangers send what is read here, and the decoder is young: where it meets what it holds
        // for impossible, this file is broken, and no other list suffers for it.
        catch_unwind(AssertUnwindSafe(|| self.read_on(buffer)))
            .unwrap_or_else(|_| Err(io::ErrorKind::InvalidData.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn read(file: Vec<u8>, max_bytes: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        unpack(Cursor::new(file), max_bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_file_is_unpacked_by_its_first_octets() {
        let text = b"ads.example\n".repeat(100);
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&text)].concat();

        for file in [text.clone(), gzip(&text), zstd(&text), skipped] {
            assert_eq!(read(file, 2000).unwrap(), text);
        }
        for short in ["", "a", "a.b"] {
            assert_eq!(read(short.into(), 2000).unwrap(), short.as_bytes());
        }
    }

    #[test]
    fn files_of_several_parts_are_read_to_their_end() {
        let (first, second) = (b"one.example\n", b"two.example\n");
        let both = [&first[..], second].concat();

        assert_eq!(read([gzip(first), gzip(second)].concat(), 100).unwrap(), both);
        assert_eq!(read([zstd(first), zstd(second)].concat(), 100).unwrap(), both);
    }

    #[test]
    fn a_few_octets_that_unpack_to_many_are_stopped() {
        let zeros = vec![b'#'; 1 << 20];

        for bomb in [zeros.clone(), gzip(&zeros), zstd(&zeros)] {
            let error = read(bomb, 1000).unwrap_err();
            assert_eq!(too_large(&error), Some(TooLarge(1000)));
        }
        assert_eq!(read(zeros, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn what_is_packed_and_has_no_end_is_stopped_though_it_unpacks_to_nothing() {
        for nothing in [gzip(b"").repeat(100), zstd(b"").repeat(300)] {
            assert!(too_large(&read(nothing, 1000).unwrap_err()).is_some());
        }
    }

    #[test]
    fn broken_files_are_errors_and_no_panics() {
        let text: Vec<u8> = (0..2000_u32).flat_map(u32::to_le_bytes).collect();
        for whole in [gzip(&text), zstd(&text)] {
            for length in MAGIC..whole.len().min(200) {
                assert!(read(whole[..length].to_vec(), 1 << 20).is_err(), "{length}");
            }
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            assert!(read(flipped, 1 << 20).is_err());
        }
    }

    #[test]
    fn a_window_larger_than_we_give_is_refused() {
        // A frame header that asks for 2 GiB (RFC 8878 section 3.1.1.1.2), and an empty last block.
        let greedy = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];

        assert!(read(greedy, 1000).unwrap_err().to_string().contains("window"));
    }
}
