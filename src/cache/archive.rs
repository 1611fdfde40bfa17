//! Answers go in, a file comes out from which another run of the server reads them again.
//!
//! ```text
//! "DNSWARDC" | version u16 | written u64 | length u32, record | ... | 0 u32 | sum u32
//! ```
//!
//! Numbers are big-endian, times are seconds since 1970. The sum (CRC-32) is over all before it and is
//! checked before the first record is read, so that of a damaged file nothing is believed.

mod record;

use std::{
    io::{self, BufRead as _, BufReader, BufWriter, Read, Seek, Write},
    time::Duration,
};

use tokio::time::Instant;

use super::{Entry, Key};

pub(super) use record::Record;

/// What the file begins with.
const MAGIC: &[u8; 8] = b"DNSWARDC";

/// Counts up with every change of the form; another one is not read.
const VERSION: u16 = 1;

/// Octets before the first record.
const HEAD: usize = 8 + 2 + 8;

/// Octets of the shortest file: nothing between the head, the mark of the end and the sum.
const SHORTEST: u64 = HEAD as u64 + 4 + 4;

/// Octets of the longest record: a whole message, with the names and texts beside it.
const LONGEST: usize = 2 * 65_536;

/// Octets that are written or read at a time.
const CHUNK: usize = 64 << 10;

/// What both clocks say at one moment: that of the process, which entries go by, and that on the
/// wall, which outlives it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The clock of the process.
    pub here: Instant,
    /// Since 1970.
    pub wall: Duration,
}

impl Moment {
    /// The time on the wall, in whole seconds, when something happened; rounded down, so that
    /// nothing looks younger than it is.
    fn wall_of(&self, at: Instant) -> u64 {
        self.wall.saturating_sub(self.here.saturating_duration_since(at)).as_secs()
    }
}

/// What clocks say when a file is read, and when it was written.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    now: Moment,
    /// Since 1970.
    written: Duration,
}

impl Clocks {
    /// The time here of a time on the wall; nothing where that is still to come. Where the clock on
    /// the wall was set back, it is at least known when the file was written, and nothing becomes
    /// younger than it was then.
    fn here_of(&self, wall: u64) -> Option<Instant> {
        let Self { now, written } = *self;
        let at = Duration::from_secs(wall);
        let age = now.wall.max(written).checked_sub(at).filter(|_| at <= now.wall)?;
        now.here.checked_sub(age)
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("it is no file of answers")]
    Foreign,
    /// It has another form.
    #[error("it is of version {0}, and this server reads {VERSION}")]
    Version(u16),
    /// Its sum is wrong, or it ends too soon.
    #[error("it is damaged")]
    Sum,
}

/// A file that is being written.
pub(super) struct Writer<W: Write> {
    out: BufWriter<Summed<W>>,
    now: Moment,
    record: Vec<u8>,
    /// Octets left of the most that it may have.
    left: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file of at most so many octets.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn new(file: W, now: Moment, most: u64) -> io::Result<Self> {
        let summed = Summed { inner: file, sum: crc32fast::Hasher::new() };
        let mut out = BufWriter::with_capacity(CHUNK, summed);
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_be_bytes())?;
        out.write_all(&now.wall.as_secs().to_be_bytes())?;
        Ok(Self { out, now, record: Vec::new(), left: most.saturating_sub(SHORTEST) })
    }

    /// Adds an answer; whether it was added, which it is not where there is no room.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn add(&mut self, key: &Key, entry: &Entry) -> io::Result<bool> {
        self.record.clear();
        let stored = self.now.wall_of(entry.stored());
        let is_written = record::write(key, entry, stored, &mut self.record).is_some();
        let octets = 4 + self.record.len() as u64;
        let length = u32::try_from(self.record.len()).ok().filter(|_| octets <= self.left);
        let Some(length) = length.filter(|_| is_written && self.record.len() <= LONGEST) else {
            return Ok(false);
        };
        self.left -= octets;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&self.record)?;
        Ok(true)
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&0_u32.to_be_bytes())?;
        let Summed { mut inner, sum } =
            self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        inner.write_all(&sum.finalize().to_be_bytes())?;
        inner.flush()?;
        Ok(inner)
    }
}

/// A file whose sum is right.
pub(super) struct Reader<R> {
    file: BufReader<R>,
    clocks: Clocks,
    record: Vec<u8>,
}

impl<R: Read + Seek> Reader<R> {
    /// Checks a whole file; nothing of it is kept in memory.
    ///
    /// # Errors
    /// Where it is not a whole file of ours.
    pub(super) fn open(mut file: R, now: Moment) -> Result<Self, Damage> {
        let length = file.seek(io::SeekFrom::End(0))?;
        file.rewind()?;
        let mut file = BufReader::with_capacity(CHUNK, file);
        let mut head = [0; HEAD];
        if length < SHORTEST {
            return Err(Damage::Foreign);
        }
        file.read_exact(&mut head)?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let (version, written) = rest.split_first_chunk().ok_or(Damage::Foreign)?;
        let version = u16::from_be_bytes(*version);
        if magic != MAGIC {
            return Err(Damage::Foreign);
        }
        if version != VERSION {
            return Err(Damage::Version(version));
        }
        check(&mut file, &head, length)?;
        file.seek(io::SeekFrom::Start(HEAD as u64))?;
        let written = written.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets));
        let clocks = Clocks { now, written: Duration::from_secs(written) };
        Ok(Self { file, clocks, record: Vec::new() })
    }

    /// The next record.
    ///
    /// # Errors
    /// Where the file cannot be read any more.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, Damage> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(None);
        }
        if length > LONGEST {
            return Err(Damage::Sum);
        }
        self.record.resize(length, 0);
        self.file.read_exact(&mut self.record)?;
        record::read(&self.record, &self.clocks).map(Some).ok_or(Damage::Sum)
    }
}

/// Compares the sum of a file, whose head is read, with what it says itself.
fn check<R: Read>(file: &mut BufReader<R>, head: &[u8], length: u64) -> Result<(), Damage> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head);
    let mut left = length - HEAD as u64 - 4;
    while left > 0 {
        let octets = file.fill_buf()?;
        let taken = octets.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        sum.update(octets.get(..taken).filter(|octets| !octets.is_empty()).ok_or(Damage::Sum)?);
        file.consume(taken);
        left -= taken as u64;
    }
    let mut told = [0; 4];
    file.read_exact(&mut told)?;
    if u32::from_be_bytes(told) == sum.finalize() { Ok(()) } else { Err(Damage::Sum) }
}

/// Adds up what is written.
struct Summed<W> {
    inner: W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(octets)?;
        self.sum.update(octets.get(..written).unwrap_or(octets));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
