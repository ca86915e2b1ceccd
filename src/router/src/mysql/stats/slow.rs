//! The last slow statements and the slowest of all, by shape.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stamp::utc;
use super::table::{Table, milliseconds};

/// Most recent slow statements kept.
const LAST_MAX: usize = 128;

/// Slowest statements kept besides, however long ago.
const SLOWEST_MAX: usize = 32;

/// A slow statement. Its values are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlowStatement {
    /// When it ended, since 1970.
    pub(crate) at: Duration,
    /// How long it took.
    pub(crate) took: Duration,
    /// Rows sent or affected.
    pub(crate) rows: u64,
    /// The router's id of the session.
    pub(crate) session: u64,
    /// Where it ran, by name.
    pub(crate) node: Box<str>,
    /// The shape's hash.
    pub(crate) shape: u64,
    /// The readable shape.
    pub(crate) text: Box<str>,
}

/// Both lists. One mutex for all threads: slow statements are rare by definition.
#[derive(Debug, Default)]
pub(crate) struct SlowStatements(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    last: VecDeque<SlowStatement>,
    /// The slowest first.
    slowest: Vec<SlowStatement>,
}

impl SlowStatements {
    /// Takes one.
    pub(crate) fn record(&self, statement: SlowStatement) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = lists.slowest.partition_point(|known| known.took >= statement.took);
        if place < SLOWEST_MAX {
            lists.slowest.insert(place, statement.clone());
            lists.slowest.truncate(SLOWEST_MAX);
        }
        if lists.last.len() == LAST_MAX {
            lists.last.pop_front();
        }
        lists.last.push_back(statement);
    }

    /// `SHOW QUORATE SLOW`: the slowest of all, then the last ones, newest first.
    pub(crate) fn table(&self) -> Table {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest = lists.slowest.iter().map(|statement| cells("slowest", statement));
        let last = lists.last.iter().rev().map(|statement| cells("last", statement));
        Table {
            columns: &COLUMNS,
            rows: slowest.chain(last).collect(),
        }
    }
}

const COLUMNS: [&str; 8] = [
    "list",
    "at",
    "took_ms",
    "rows",
    "session",
    "node",
    "digest",
    "statement",
];

fn cells(list: &str, statement: &SlowStatement) -> Vec<String> {
    vec![
        list.to_owned(),
        utc(statement.at),
        milliseconds(statement.took),
        statement.rows.to_string(),
        statement.session.to_string(),
        statement.node.to_string(),
        format!("{:016x}", statement.shape),
        statement.text.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(at: u64, took: u64) -> SlowStatement {
        SlowStatement {
            at: Duration::from_secs(at),
            took: Duration::from_millis(took),
            rows: 1,
            session: 7,
            node: "db1".into(),
            shape: 0xab,
            text: "SELECT SLEEP(?)".into(),
        }
    }

    #[test]
    fn both_lists_are_bounded_and_in_order() {
        let all = SlowStatements::default();
        for second in 0..500 {
            all.record(slow(second, (second * 37) % 500));
        }
        let table = all.table();
        let took = |list: &str| -> Vec<String> {
            table
                .rows
                .iter()
                .filter(|row| row[0] == list)
                .map(|row| row[2].clone())
                .collect()
        };
        let slowest: Vec<_> = (0..SLOWEST_MAX as u64).map(|i| format!("{}.000", 499 - i)).collect();
        assert_eq!(took("slowest"), slowest);
        assert_eq!(took("last").len(), LAST_MAX);
        let newest = table.rows.iter().find(|row| row[0] == "last").unwrap();
        assert_eq!(newest[1], "1970-01-01T00:08:19Z");
        assert_eq!(newest[4..], ["7", "db1", "00000000000000ab", "SELECT SLEEP(?)"]);
        assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
    }
}
