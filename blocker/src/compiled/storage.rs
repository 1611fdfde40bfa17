//! Where the octets of a compiled list lie: in a file, or in memory where there is no disk.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// Octets that can be read at any place, by any number of threads.
#[derive(Debug)]
pub(crate) enum Storage {
    /// A file that nobody writes to any more.
    File(File),
    /// Memory.
    Memory(Box<[u8]>),
}

impl Storage {
    /// Reads so many octets from here on.
    ///
    /// # Errors
    /// When there are not so many, or the file cannot be read.
    pub(crate) fn read(&self, at: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::File(file) => {
                let mut octets = vec![0; length];
                file.read_exact_at(&mut octets, at)?;
                Ok(Cow::Owned(octets))
            }
            Self::Memory(held) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let octets = start.checked_add(length).and_then(|end| held.get(start..end));
                octets.map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// How many octets there are.
    pub(crate) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(held) => Ok(held.len() as u64),
        }
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::File(_) => 0,
            Self::Memory(held) => held.len(),
        }
    }
}

/// A storage under construction, written from front to back.
#[derive(Debug)]
pub(crate) enum Draft {
    File(BufWriter<File>),
    Memory(Vec<u8>),
}

impl Draft {
    /// Writes to a file, which must be empty and open for reading too.
    pub(crate) fn file(file: File) -> Self {
        Self::File(BufWriter::with_capacity(BUFFER, file))
    }

    pub(crate) const fn memory() -> Self {
        Self::Memory(Vec::new())
    }

    pub(crate) const fn is_in_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Writes more octets at the end.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(octets),
            Self::Memory(held) => held.write_all(octets),
        }
    }

    /// Writes over the first octets, now that they are known, and ends.
    pub(crate) fn finish(self, front: &[u8]) -> io::Result<Storage> {
        match self {
            Self::File(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.write_all_at(front, 0)?;
                Ok(Storage::File(file))
            }
            Self::Memory(mut held) => {
                if let Some(place) = held.get_mut(..front.len()) {
                    place.copy_from_slice(front);
                }
                Ok(Storage::Memory(held.into()))
            }
        }
    }
}

/// Octets gathered before the kernel is asked to take them.
const BUFFER: usize = 128 * 1024;
