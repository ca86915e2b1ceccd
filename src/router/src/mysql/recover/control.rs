//! What the primary is asked beside its binlog, by ordinary queries.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncRead, AsyncWrite};

use super::binlog::hunt::{Hunt, Logged};
use super::binlog::tally::Generated;
use super::marker::Target;
use super::verdict::Question;
use crate::mysql::auth::rows::{QueryError, Row, query};

/// What the primary says of its binlog.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The last transaction's sequence number.
    pub(super) last: u64,
    /// The last one of each server, in the one replication domain.
    servers: Vec<(u32, u64)>,
}

/// Columns of tables, as far as they were looked up in this round: the numbering one, or why it is not known.
pub(super) type Columns = BTreeMap<Key, Result<Option<Generated>, &'static str>>;
/// Schema, name, number of columns.
pub(super) type Key = (Vec<u8>, Vec<u8>, usize);

/// If the columns are not those of the rows.
pub(super) const INVISIBLE: &str =
    "the table was changed since, or the router's account does not see all of its columns (it needs REFERENCES on *.*)";

/// Which of the lost connections the server still has; nothing if the account may not see those of others.
pub(super) async fn running<S: AsyncRead + AsyncWrite + Unpin>(
    control: &mut S,
    threads: &[u32],
) -> Result<Option<Vec<u64>>, QueryError> {
    let threads: Vec<_> = threads.iter().map(u32::to_string).collect();
    let sql = format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE ID IN ({}) UNION ALL \
         SELECT 0 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS' \
         AND REPLACE(GRANTEE, '''', '') = CURRENT_USER()",
        threads.join(",")
    );
    let rows = query(control, &sql).await?;
    let ids: Vec<u64> = rows.iter().filter_map(|row| text(row, 0)?.parse().ok()).collect();
    Ok(ids.contains(&0).then_some(ids))
}

/// Where the binlog ends, and who has written it.
pub(super) async fn position<S: AsyncRead + AsyncWrite + Unpin>(control: &mut S) -> Result<Position, QueryError> {
    let rows = query(control, "SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_binlog_state").await?;
    let gtids = |column| {
        rows.first()
            .and_then(|row| text(row, column))
            .map_or_else(Vec::new, gtids)
    };
    Ok(Position {
        last: gtids(0).iter().map(|(_, seq)| *seq).max().unwrap_or(0),
        servers: gtids(1),
    })
}

/// Looks up which column numbers the rows of the tables whose results are asked for.
pub(super) async fn look_up<S: AsyncRead + AsyncWrite + Unpin>(
    control: &mut S,
    hunt: &Hunt,
    ready: &[Question],
) -> Result<Columns, QueryError> {
    let mut columns = Columns::new();
    for question in ready {
        let Some(Logged::Rows(tally)) = hunt.found(question.marker).and_then(|found| found.logged.as_ref()) else {
            continue;
        };
        let Some((schema, name, count)) = tally.generating() else {
            continue;
        };
        let key = owned((schema, name, count));
        if columns.contains_key(&key) {
            continue;
        }
        let sql = format!(
            "SELECT COLUMN_NAME, EXTRA LIKE '%auto_increment%' FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = CONVERT({} USING utf8mb3) AND TABLE_NAME = CONVERT({} USING utf8mb3) \
             ORDER BY ORDINAL_POSITION",
            literal(schema),
            literal(name)
        );
        let rows = query(control, &sql).await?;
        columns.insert(key, numbering(&rows, count));
    }
    Ok(columns)
}

/// Which of a table's columns numbers its rows.
fn numbering(rows: &[Row], count: usize) -> Result<Option<Generated>, &'static str> {
    if rows.len() != count {
        return Err(INVISIBLE);
    }
    let column = rows.iter().position(|row| text(row, 1) == Some("1"));
    Ok(column.map(|column| Generated {
        column,
        name: rows
            .get(column)
            .and_then(|row| text(row, 0))
            .unwrap_or_default()
            .as_bytes()
            .to_vec(),
    }))
}

impl Position {
    /// GTIDs to begin after, the best first. Sequence numbers are unique, so that at most one server has written this
    /// one, and a strict server refuses the others. If it is gone, since it was never acknowledged, an older one will do:
    /// another server's last, or `first`, the epoch's own.
    pub(super) fn beginnings(&self, after: u64, first: u64) -> Vec<String> {
        let mut servers: Vec<_> = self.servers.iter().filter(|(_, seq)| *seq >= after).collect();
        servers.sort_unstable_by_key(|(_, seq)| *seq);
        let older = self.servers.iter().filter(|(_, seq)| *seq < after);
        let older = older.max_by_key(|(_, seq)| *seq).filter(|(_, seq)| *seq >= first);
        let at = |seq: u64| servers.iter().map(move |(server, _)| format!("0-{server}-{seq}"));
        at(after)
            .chain(older.map(|(server, seq)| format!("0-{server}-{seq}")))
            .chain(at(first))
            .collect()
    }
}

/// Server and sequence number of each GTID in the one domain.
fn gtids(list: &str) -> Vec<(u32, u64)> {
    let parse = |gtid: &str| {
        let (server, seq) = gtid.trim().strip_prefix("0-")?.split_once('-')?;
        Some((server.parse().ok()?, seq.parse().ok()?))
    };
    list.split(',').filter_map(parse).collect()
}

fn text(row: &Row, column: usize) -> Option<&str> {
    std::str::from_utf8(row.get(column)?.as_deref()?).ok()
}

pub(super) fn owned((schema, name, count): (&[u8], &[u8], usize)) -> Key {
    (schema.to_vec(), name.to_vec(), count)
}

/// As a hexadecimal literal: nothing has to be escaped.
fn literal(name: &[u8]) -> String {
    let digits: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("X'{digits}'")
}

/// Names of tables, and of what only looks like one.
#[derive(Debug, Default)]
pub(super) struct Names {
    tables: BTreeSet<Target>,
    views: BTreeSet<Target>,
}

impl Names {
    /// Reads them all; seldom needed.
    pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(control: &mut S) -> Result<Self, QueryError> {
        let sql = "SELECT TABLE_NAME, TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') FROM information_schema.TABLES";
        let mut names = Self::default();
        for row in query(control, sql).await? {
            let target = Target::named(row.first().and_then(Option::as_deref).unwrap_or_default());
            if text(&row, 1) == Some("1") {
                names.tables.insert(target);
            } else {
                names.views.insert(target);
            }
        }
        Ok(names)
    }

    /// A name that is a table's and no view's; a view stands for tables of other names.
    pub(super) fn certain(&self, target: Target) -> Target {
        if self.tables.contains(&target) && !self.views.contains(&target) {
            target
        } else {
            Target::ANY
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_begins_at_what_is_surely_there() {
        let position = Position {
            last: 3_000_000_000_007,
            servers: gtids("0-7-2000000000005, 1-9-3, 0-8-3000000000007,0-9-1000000000100"),
        };
        let first = 2_000_000_000_001;
        assert_eq!(
            position.beginnings(2_000_000_000_003, first),
            [
                "0-7-2000000000003",
                "0-8-2000000000003",
                "0-7-2000000000001",
                "0-8-2000000000001"
            ]
        );
        // Never acknowledged, lost with its server; its last one is still known.
        let lost = position.beginnings(2_000_000_000_006, first);
        assert_eq!(lost.first().map(String::as_str), Some("0-8-2000000000006"));
        assert_eq!(lost.get(1).map(String::as_str), Some("0-7-2000000000005"));
    }

    #[test]
    fn a_column_is_only_named_if_all_are_seen() {
        let row = |name: &'static str, is: &'static str| -> Row { vec![Some(name.into()), Some(is.into())] };
        let rows = [row("a", "0"), row("id", "1")];
        let found = numbering(&rows, 2).unwrap().unwrap();
        assert_eq!((found.column, found.name.as_slice()), (1, &b"id"[..]));
        assert_eq!(numbering(&rows, 3), Err(INVISIBLE));
        assert_eq!(numbering(&[row("a", "0")], 1), Ok(None));
    }
}
