//! One round of the resolver: what can be answered now is answered, the rest stays.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::binlog::hunt::{Found, Hunt, Logged};
use super::binlog::tally::Generated;
use super::dump::{Dump, DumpError};
use super::resolve::{Limits, Primary};
use super::verdict::{Question, Subject, Verdict};
use crate::mysql::auth::rows::{QueryError, Row, query};

/// A question that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) question: Question,
    pub(super) answer: oneshot::Sender<Verdict>,
    pub(super) until: Instant,
    /// What the last round lacked.
    pub(super) why: String,
}

/// What the primary says of its binlog.
#[derive(Debug, Default, PartialEq, Eq)]
struct Position {
    /// The last transaction's sequence number.
    last: u64,
    /// The last one of each server, in the one replication domain.
    servers: Vec<(u32, u64)>,
}

/// Columns of tables, as far as they were looked up in this round: the numbering one, or why it is not known.
type Columns = BTreeMap<Key, Result<Option<Generated>, &'static str>>;
/// Schema, name, number of columns.
type Key = (Vec<u8>, Vec<u8>, usize);

const AT_WORK: &str = "its old connection is still at work on the primary";
const PARTIAL: &str = "it changed a table without transactions, perhaps only a part of what it should";
const OTHER_FORM: &str = "it is logged in another form than expected";
const INVISIBLE: &str = "the router's account does not see the table's columns (grant it REFERENCES)";

/// Asks the primary once and answers what it can.
///
/// # Errors
/// What kept it from asking; everything stays.
pub(super) async fn round<P: Primary>(primary: &P, limits: Limits, pending: &mut Vec<Pending>) -> Result<(), String> {
    let failed = |error: QueryError| format!("the present primary cannot be asked ({error})");
    let mut control = dial(primary).await?;
    let running = running(&mut control, pending).await.map_err(failed)?;
    // Read after the list of connections: what a connection committed before it was gone is at or below it.
    let position = position(&mut control).await.map_err(failed)?;
    // In a later epoch the server is another one, and the connection's number means nothing.
    let is_ready =
        |question: &Question| position.last >= until(question) || !running.contains(&u64::from(question.thread));
    let ready: Vec<Question> = pending
        .iter()
        .map(|pending| pending.question)
        .filter(is_ready)
        .collect();
    let mut hunt = Hunt::new(ready.iter().map(|question| (question.marker, question.after)));
    let lowest = ready.iter().map(|question| question.after).min().unwrap_or(u64::MAX);
    let scanned = if position.last > lowest {
        scan(primary, limits, &position, lowest, &mut hunt).await
    } else {
        Ok(())
    };
    let columns = look_up(&mut control, &hunt, &ready).await.map_err(failed)?;
    // From here on nothing waits: no question is lost if the round is given up.
    for mut asked in std::mem::take(pending) {
        let question = &asked.question;
        let verdict = match &scanned {
            _ if !is_ready(question) => Err(AT_WORK.to_owned()),
            // Only those for which it began so early.
            Err(why) if question.after == lowest => Ok(Verdict::Unprovable { why: why.clone() }),
            Err(why) => Err(why.clone()),
            Ok(()) => judge(&hunt, question, &position, primary.replicated(), &columns),
        };
        match verdict {
            Ok(verdict) => drop(asked.answer.send(verdict)),
            Err(why) => {
                asked.why = why;
                pending.push(asked);
            }
        }
    }
    Ok(())
}

/// A verdict, or what is still missing for one.
fn judge(
    hunt: &Hunt,
    question: &Question,
    position: &Position,
    replicated: u64,
    columns: &Columns,
) -> Result<Verdict, String> {
    let until = until(question);
    let is_over = hunt.last() >= until;
    if let Some(found) = hunt.found(question.marker).filter(|found| found.seq < until) {
        // The later epoch's first transaction was acknowledged, and with it everything before it.
        return if is_over || replicated >= found.seq {
            Ok(confirm(found, question, columns))
        } else {
            Err(format!("sequence number {} is on no replica yet", found.seq))
        };
    }
    let is_read = is_over || position.last < until && hunt.last().max(question.after) >= position.last;
    if !is_read || position.last < question.after {
        return Err(format!(
            "the primary's binlog ends at sequence number {}, before the next epoch",
            position.last
        ));
    }
    Ok(match hunt.doubt_between(question.after, until) {
        Some(why) => Verdict::Unprovable { why: why.to_owned() },
        None => Verdict::NotCommitted,
    })
}

/// It was committed: with which result?
fn confirm(found: &Found, question: &Question, columns: &Columns) -> Verdict {
    let seq = found.seq;
    let result = match (question.subject, &found.logged) {
        (Subject::Transaction, _) => Ok((0, 0)),
        _ if !found.transactional && !matches!(found.logged, Some(Logged::Text { .. })) => Err(PARTIAL),
        (Subject::Definition, Some(Logged::Text { error: 0, affected })) => Ok((*affected, 0)),
        (Subject::Statement { found_rows }, Some(Logged::Rows(tally))) => {
            let generated = tally.generating().map_or(Ok(None), |key| {
                columns.get(&owned(key)).cloned().unwrap_or(Err(INVISIBLE))
            });
            generated.and_then(|generated| tally.result(found_rows, generated.as_ref()))
        }
        (_, Some(Logged::Text { error, .. })) if *error != 0 => Err(PARTIAL),
        _ => Err(OTHER_FORM),
    };
    match result {
        Ok((affected, last_insert_id)) => Verdict::Committed {
            affected,
            last_insert_id,
            seq,
        },
        Err(why) => Verdict::CommittedUnknownResult { seq, why },
    }
}

/// Reads the binlog into the hunt, to its end.
async fn scan<P: Primary>(
    primary: &P,
    limits: Limits,
    position: &Position,
    after: u64,
    hunt: &mut Hunt,
) -> Result<(), String> {
    let mut why = format!("the primary's binlog has nothing at or before sequence number {after}");
    for gtid in position.beginnings(after) {
        let stream = dial(primary).await?;
        match read(stream, &gtid, limits.scan_bytes_max, hunt).await {
            Ok(()) => return Ok(()),
            // Not this server's: perhaps the next one's. Nothing was read yet.
            Err(DumpError::Refused(server)) if hunt.last() == 0 => why = server,
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(why)
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    gtid: &str,
    bytes_max: u64,
    hunt: &mut Hunt,
) -> Result<(), DumpError> {
    let mut dump = Dump::after(stream, gtid).await?;
    while let Some(piece) = dump.next().await? {
        hunt.take(piece.event, piece.cut)?;
        if dump.bytes() > bytes_max {
            return Err(DumpError::TooLong { bytes_max });
        }
    }
    Ok(())
}

async fn dial<P: Primary>(primary: &P) -> Result<P::Stream, String> {
    let failed = |error| format!("the present primary cannot be reached ({error})");
    primary.dial().await.map_err(failed)
}

/// Which of the lost connections the server still has.
async fn running<S: AsyncRead + AsyncWrite + Unpin>(
    control: &mut S,
    pending: &[Pending],
) -> Result<Vec<u64>, QueryError> {
    let threads: Vec<_> = pending
        .iter()
        .map(|pending| pending.question.thread.to_string())
        .collect();
    let sql = format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE ID IN ({})",
        threads.join(",")
    );
    let rows = query(control, &sql).await?;
    Ok(rows.iter().filter_map(|row| text(row, 0)?.parse().ok()).collect())
}

async fn position<S: AsyncRead + AsyncWrite + Unpin>(control: &mut S) -> Result<Position, QueryError> {
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
async fn look_up<S: AsyncRead + AsyncWrite + Unpin>(
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
    /// GTIDs to begin after, the likeliest first. Sequence numbers are unique, so that at most one server has written
    /// this one, and a strict server refuses the others. If it is gone, since it was never acknowledged, the last
    /// one that is older will do.
    fn beginnings(&self, after: u64) -> Vec<String> {
        let mut servers: Vec<_> = self.servers.iter().filter(|(_, seq)| *seq >= after).collect();
        servers.sort_unstable_by_key(|(_, seq)| *seq);
        let older = self
            .servers
            .iter()
            .filter(|(_, seq)| *seq < after)
            .max_by_key(|(_, seq)| *seq);
        let exact = servers.into_iter().map(|(server, _)| format!("0-{server}-{after}"));
        exact
            .chain(older.map(|(server, seq)| format!("0-{server}-{seq}")))
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

fn owned((schema, name, count): (&[u8], &[u8], usize)) -> Key {
    (schema.to_vec(), name.to_vec(), count)
}

/// As a hexadecimal literal: nothing has to be escaped.
fn literal(name: &[u8]) -> String {
    let digits: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("X'{digits}'")
}

/// The lowest sequence number that the statement cannot have.
const fn until(question: &Question) -> u64 {
    question.epoch.next().first_seq()
}
