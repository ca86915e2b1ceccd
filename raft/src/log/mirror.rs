//! The log in memory: what has been accepted, durable or not yet.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use crate::types::{Entry, LogId, Vote};

/// An entry and the size of its record.
#[derive(Debug)]
pub(super) struct Held {
    entry: Entry,
    bytes: usize,
}

/// The log as readers see it. Entries are consecutive, the first follows `purged`.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    pub(super) entries: BTreeMap<u64, Held>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
}

impl Mirror {
    pub(super) fn last(&self) -> Option<LogId> {
        self.entries
            .last_key_value()
            .map(|(_, held)| held.entry.log_id)
            .or(self.purged)
    }

    /// The index that the next entry must have; any, if the log is empty.
    pub(super) fn next_index(&self) -> Option<u64> {
        self.last().map(|id| id.index + 1)
    }

    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.entries.insert(entry.log_id.index, Held { entry, bytes });
    }

    /// Removes everything from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        self.entries.split_off(&index);
    }

    /// Removes everything up to `upto`, inclusive.
    pub(super) fn purge(&mut self, upto: LogId) {
        self.entries = self.entries.split_off(&(upto.index + 1));
        self.purged = self.purged.max(Some(upto));
    }

    /// The entries of a range, cut after `bytes_max` but never empty if the range holds any.
    pub(super) fn read(&self, range: impl RangeBounds<u64>, bytes_max: usize) -> Vec<Entry> {
        if is_reversed(&range) {
            return Vec::new();
        }
        let mut bytes = 0_usize;
        let mut found = Vec::new();
        for held in self.entries.range(range).map(|(_, held)| held) {
            bytes = bytes.saturating_add(held.bytes);
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(held.entry.clone());
        }
        found
    }
}

/// `BTreeMap::range` panics on a range that ends before it starts.
fn is_reversed(range: &impl RangeBounds<u64>) -> bool {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    match range.end_bound() {
        Bound::Included(&end) => end < start,
        Bound::Excluded(&end) => end <= start,
        Bound::Unbounded => false,
    }
}
