//! The rules for names of all lists go in, each list's in the order of hashes; one index comes out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use crate::class::{Classes, Say};
use crate::compiled::Columns;
use crate::index::{Index, IndexBuilder};
use crate::rule::Kind;
use crate::source::Sources;
use crate::specials::Cancelled;

/// What names the lists have, and who says what of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) index: Index,
    pub(crate) classes: Classes,
    /// Fewest labels of a name that any rule is for; names with fewer need not be looked up.
    pub(crate) fewest_labels: u8,
    /// Rules, each list's own counted.
    pub(crate) rules: usize,
    /// Of each list the rules for names of which no other speaks.
    pub(crate) unique: Vec<u32>,
}

/// Merges the rules for names of these lists, but for those that are cancelled.
///
/// # Errors
/// When a compiled list cannot be read or is damaged.
pub(crate) fn merge(sources: &Sources, cancelled: &Cancelled<'_>) -> io::Result<Names> {
    let total = sources.iter().map(|source| source.list.names()).sum();
    let mut streams: Vec<_> = sources.iter().map(|source| source.list.blocks.columns()).collect();
    let mut merged = Merged {
        index: IndexBuilder::new(total),
        classes: Classes::default(),
        says: Vec::new(),
        hash: 0,
        unique: vec![0; sources.iter().len()],
    };
    let mut rules = 0;
    let mut next = BinaryHeap::with_capacity(streams.len());
    for (number, stream) in (0..).zip(&mut streams) {
        next.extend(key(number, stream)?);
    }
    while let Some(Reverse((mut hash, number, mut kind))) = next.pop() {
        let stream = streams.get_mut(usize::from(number));
        let (Some(stream), Some(source)) = (stream, sources.get(number)) else { break };
        // As long as this list is the first in order, nobody needs to be compared with it.
        let until =
            next.peek().map_or((u64::MAX, u16::MAX), |Reverse((hash, number, _))| (*hash, *number));
        loop {
            if !cancelled.has_name(hash, kind, source) {
                merged.push(hash, Say { list: number, kind });
                rules += 1;
            }
            match stream.next()? {
                None => break,
                Some((later, other)) if (later, number) > until => {
                    next.push(Reverse((later, number, other)));
                    break;
                }
                Some((later, other)) => (hash, kind) = (later, other),
            }
        }
    }
    let fewest_labels = sources.iter().map(|source| source.list.fewest_labels).min();
    merged.close();
    let Merged { index, mut classes, unique, .. } = merged;
    classes.shrink();
    let index = index.finish();
    Ok(Names { index, classes, fewest_labels: fewest_labels.unwrap_or(u8::MAX), rules, unique })
}

type Key = Reverse<(u64, u16, Kind)>;

fn key(number: u16, stream: &mut Columns<'_>) -> io::Result<Option<Key>> {
    Ok(stream.next()?.map(|(hash, kind)| Reverse((hash, number, kind))))
}

/// The index under construction, and what lists say of the name at hand.
struct Merged {
    index: IndexBuilder,
    classes: Classes,
    says: Vec<Say>,
    hash: u64,
    unique: Vec<u32>,
}

impl Merged {
    fn push(&mut self, hash: u64, say: Say) {
        if hash != self.hash {
            self.close();
            self.hash = hash;
        }
        if !self.says.contains(&say) {
            self.says.push(say);
        }
    }

    fn close(&mut self) {
        let Self { index, classes, says, hash, unique } = self;
        let Some(first) = says.first() else { return };
        if let Some(count) = unique.get_mut(usize::from(first.list))
            && says.iter().all(|say| say.list == first.list)
        {
            *count += u32::try_from(says.len()).unwrap_or(u32::MAX);
        }
        match classes.number(says) {
            Some(class) => {
                index.push(*hash, class);
            }
            None => {
                for say in says.iter() {
                    if let Some(class) = classes.number(std::slice::from_ref(say)) {
                        index.push(*hash, class);
                    }
                }
            }
        }
        says.clear();
    }
}
