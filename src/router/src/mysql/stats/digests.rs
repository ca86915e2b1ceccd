//! Which statement shapes ran, how often, how long, and where.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use super::stamp::utc;
use super::table::{Table, milliseconds};

/// Shapes told apart unless configured otherwise.
pub(crate) const DIGESTS_MAX_DEFAULT: usize = 1000;

/// Replicas told apart in one row; more share the last.
const REPLICAS: usize = 6;

/// The name of the row for shapes beyond the limit.
const OTHERS: &str = "(others)";

/// One statement that ran.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The shape's hash.
    pub(crate) shape: u64,
    /// From the command's last byte to the reply's last byte.
    pub(crate) took: Duration,
    /// Rows sent or affected.
    pub(crate) rows: u64,
    /// The reply was an error.
    pub(crate) failed: bool,
    /// Where it ran.
    pub(crate) ran_on: RanOn,
    /// When, since 1970.
    pub(crate) at: Duration,
}

/// Where a statement ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RanOn {
    /// The primary.
    Primary,
    /// A replica, by a small number that stays the same for a node as long as this router runs.
    Replica(u8),
}

/// What is known about one shape in one thread.
#[derive(Debug, Clone, Default)]
struct Row {
    text: Box<str>,
    count: u64,
    errors: u64,
    rows: u64,
    primary: u64,
    replicas: [u64; REPLICAS],
    first: Duration,
    last: Duration,
    times: Histogram,
}

impl Row {
    fn new(text: Box<str>, first: Duration) -> Self {
        Self {
            text,
            first,
            ..Self::default()
        }
    }

    fn record(&mut self, sample: &Sample) {
        self.count = self.count.saturating_add(1);
        self.errors = self.errors.saturating_add(u64::from(sample.failed));
        self.rows = self.rows.saturating_add(sample.rows);
        match sample.ran_on {
            RanOn::Primary => self.primary = self.primary.saturating_add(1),
            RanOn::Replica(number) => {
                if let Some(count) = self.replicas.get_mut(usize::from(number).min(REPLICAS - 1)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        self.last = sample.at;
        self.times.record(sample.took);
    }

    fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.errors = self.errors.saturating_add(other.errors);
        self.rows = self.rows.saturating_add(other.rows);
        self.primary = self.primary.saturating_add(other.primary);
        for (count, more) in self.replicas.iter_mut().zip(&other.replicas) {
            *count = count.saturating_add(*more);
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.times.merge(&other.times);
    }
}

/// The shape's hash is hash enough.
#[derive(Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Rows = HashMap<u64, Box<Row>, BuildHasherDefault<Same>>;

/// What one data thread has recorded.
#[derive(Debug, Default)]
struct Shard {
    rows: Rows,
    others: Row,
}

/// All shapes of this router.
#[derive(Debug)]
pub(crate) struct Digests {
    shards: Box<[Mutex<Shard>]>,
    max: usize,
}

/// One shape over all threads.
#[derive(Debug, Clone)]
struct Summary {
    /// The shape's hash; 0 for the others.
    shape: u64,
    row: Row,
}

impl Digests {
    /// One shard to each data thread.
    pub(crate) fn new(threads: usize, max: usize) -> Self {
        Self {
            shards: (0..threads.max(1)).map(|_| Mutex::default()).collect(),
            max,
        }
    }

    /// Takes one statement, as this data thread. `text` is asked only for a shape not seen here before.
    pub(crate) fn record(&self, thread: usize, sample: &Sample, text: impl FnOnce() -> Box<str>) {
        let Some(mut shard) = self.shard(thread) else { return };
        let shard = &mut *shard;
        if let Some(row) = shard.rows.get_mut(&sample.shape) {
            return row.record(sample);
        }
        if shard.rows.len() < self.max {
            let row = shard
                .rows
                .entry(sample.shape)
                .or_insert_with(|| Box::new(Row::new(text(), sample.at)));
            return row.record(sample);
        }
        if shard.others.count == 0 {
            shard.others = Row::new(OTHERS.into(), sample.at);
        }
        shard.others.record(sample);
    }

    fn shard(&self, thread: usize) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(thread).or_else(|| self.shards.first())?;
        // A row half recorded by a thread that panicked is still a row.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All threads together: the shapes that took most time first, the row for all others last.
    fn summaries(&self) -> Vec<Summary> {
        let mut merged = Rows::default();
        let mut others = Row::new(OTHERS.into(), Duration::MAX);
        for thread in 0..self.shards.len() {
            let Some(shard) = self.shard(thread) else { continue };
            for (shape, row) in &shard.rows {
                merged
                    .entry(*shape)
                    .and_modify(|known| known.merge(row))
                    .or_insert_with(|| row.clone());
            }
            if shard.others.count > 0 {
                others.merge(&shard.others);
            }
        }
        let mut all: Vec<_> = merged
            .into_iter()
            .map(|(shape, row)| Summary { shape, row: *row })
            .collect();
        all.sort_unstable_by_key(|summary| (std::cmp::Reverse(summary.row.times.sum()), summary.shape));
        for beyond in all.split_off(self.max.min(all.len())) {
            others.merge(&beyond.row);
        }
        if others.count > 0 {
            all.push(Summary { shape: 0, row: others });
        }
        all
    }

    /// `SHOW QUORATE DIGESTS`. `replica` names the replicas by their numbers.
    pub(crate) fn table(&self, replica: impl Fn(u8) -> Option<String>) -> Table {
        Table {
            columns: &COLUMNS,
            rows: self.summaries().iter().map(|summary| summary.cells(&replica)).collect(),
        }
    }
}

const COLUMNS: [&str; 13] = [
    "digest",
    "statement",
    "count",
    "errors",
    "rows",
    "total_ms",
    "p50_ms",
    "p99_ms",
    "max_ms",
    "primary",
    "replicas",
    "first_seen",
    "last_seen",
];

impl Summary {
    fn cells(&self, replica: &impl Fn(u8) -> Option<String>) -> Vec<String> {
        let row = &self.row;
        let digest = if self.shape == 0 {
            String::new()
        } else {
            format!("{:016x}", self.shape)
        };
        let time = |share| milliseconds(row.times.quantile(share));
        vec![
            digest,
            row.text.to_string(),
            row.count.to_string(),
            row.errors.to_string(),
            row.rows.to_string(),
            milliseconds(row.times.sum()),
            time(0.5),
            time(0.99),
            milliseconds(row.times.max()),
            row.primary.to_string(),
            replicas(&row.replicas, replica),
            utc(row.first),
            utc(row.last),
        ]
    }
}

/// `db2:17 db3:4`.
fn replicas(counts: &[u64; REPLICAS], name: &impl Fn(u8) -> Option<String>) -> String {
    let named = (0_u8..)
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(number, count)| {
            let name = if usize::from(number) == REPLICAS - 1 {
                None
            } else {
                name(number)
            };
            format!("{}:{count}", name.unwrap_or_else(|| "other".to_owned()))
        });
    named.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "digests_test.rs"]
mod tests;
