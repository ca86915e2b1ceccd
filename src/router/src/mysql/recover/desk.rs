//! One round of the resolver: what can be answered now is answered, the rest stays.

use quorate_model::Epoch;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::binlog::hunt::{Found, Hunt, Logged};
use super::control::{Columns, INVISIBLE, Names, Position, look_up, owned, position, running};
use super::dump::{Dump, DumpError};
use super::marker::Target;
use super::resolve::{Limits, Primary};
use super::verdict::{Question, Subject, Verdict};
use crate::mysql::auth::rows::QueryError;

/// A question that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) question: Question,
    pub(super) answer: oneshot::Sender<Verdict>,
    pub(super) until: Instant,
    /// What the last round lacked.
    pub(super) why: String,
}

const AT_WORK: &str = "its old connection is still at work on the primary";
const BLIND: &str = "the router's account does not see whether the old connection is gone (it needs PROCESS)";
const PARTIAL: &str = "it changed a table without transactions, perhaps only a part of what it should";
const FAILED: &str = "it failed after a part of its effect";
const OTHER_FORM: &str = "it is logged in another form than expected";

/// Asks the primary, which is open under `epoch` or a later one, once and answers what it can.
///
/// # Errors
/// What kept it from asking; everything stays.
pub(super) async fn round<P: Primary>(
    primary: &P,
    epoch: Epoch,
    limits: Limits,
    pending: &mut Vec<Pending>,
) -> Result<(), String> {
    let failed = |error: QueryError| format!("the present primary cannot be asked ({error})");
    // In a later epoch the server is another one, and the connection's number means nothing.
    let is_within = |question: &Question| question.epoch >= epoch;
    let (mut control, ahead) = if pending.iter().all(|pending| is_within(&pending.question)) {
        (dial(primary).await?, None)
    } else {
        // After a failover there is something to read for sure, and everybody waits for it.
        let (control, dump) = tokio::try_join!(dial(primary), dial(primary))?;
        (control, Some(dump))
    };
    let within: Vec<_> = pending
        .iter()
        .map(|pending| pending.question)
        .filter(is_within)
        .map(|question| question.thread)
        .collect();
    let running = match within.as_slice() {
        [] => Some(Vec::new()),
        threads => running(&mut control, threads).await.map_err(failed)?,
    };
    // Read after the list of connections: what a connection committed before it was gone is at or below it.
    let position = position(&mut control).await.map_err(failed)?;
    let is_gone = |thread: u32| running.as_ref().is_some_and(|ids| !ids.contains(&u64::from(thread)));
    let is_ready =
        |question: &Question| position.last >= until(question) || is_within(question) && is_gone(question.thread);
    let ready: Vec<Question> = pending
        .iter()
        .map(|pending| pending.question)
        .filter(is_ready)
        .collect();
    let mut hunt = Hunt::new(ready.iter().map(|question| (question.marker, question.after)));
    let first = ready.iter().min_by_key(|question| question.after);
    let lowest = first.map_or(u64::MAX, |question| question.after);
    let scanned = match first {
        Some(question) if position.last > lowest => {
            let beginnings = position.beginnings(lowest, question.epoch.first_seq());
            scan(primary, ahead, limits, beginnings, &mut hunt).await
        }
        _ => Ok(()),
    };
    let columns = look_up(&mut control, &hunt, &ready).await.map_err(failed)?;
    let is_doubtful = |question: &&Question| {
        hunt.doubt_between(question.after, until(question), Target::ANY)
            .is_some()
    };
    let names = match ready.iter().find(is_doubtful) {
        Some(_) => Names::read(&mut control).await.map_err(failed)?,
        None => Names::default(),
    };
    // From here on nothing waits: no question is lost if the round is given up.
    for mut asked in std::mem::take(pending) {
        let question = &asked.question;
        let verdict = match &scanned {
            _ if !is_ready(question) => Err(if running.is_some() { AT_WORK } else { BLIND }.to_owned()),
            // Only those for which it began so early.
            Err(why) if question.after == lowest => Ok(Verdict::Unprovable { why: why.clone() }),
            Err(why) => Err(why.clone()),
            Ok(()) => judge(&hunt, question, &position, primary.replicated(), (&columns, &names)),
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
    (columns, names): (&Columns, &Names),
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
    Ok(
        match hunt.doubt_between(question.after, until, names.certain(question.target)) {
            Some(why) => Verdict::Unprovable { why: why.to_owned() },
            None => Verdict::NotCommitted,
        },
    )
}

/// It was committed: with which result?
fn confirm(found: &Found, question: &Question, columns: &Columns) -> Verdict {
    let seq = found.seq;
    let is_array = matches!(&found.logged, Some(Logged::Rows(tally)) if tally.may_be_several());
    if matches!(question.subject, Subject::Statement { .. }) && (is_array || found.is_repeated) {
        return Verdict::Unprovable {
            why: format!("it was carried out row by row from sequence number {seq}, and some rows may be missing"),
        };
    }
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
        (_, Some(Logged::Text { error, .. })) if *error != 0 => Err(FAILED),
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

/// Reads the binlog into the hunt, to its end. `ahead` is a connection that was opened for this already.
async fn scan<P: Primary>(
    primary: &P,
    mut ahead: Option<P::Stream>,
    limits: Limits,
    beginnings: Vec<String>,
    hunt: &mut Hunt,
) -> Result<(), String> {
    let mut why = "the primary's binlog has none of the positions at which the search could begin".to_owned();
    for gtid in beginnings {
        let stream = match ahead.take() {
            Some(stream) => stream,
            None => dial(primary).await?,
        };
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

/// The lowest sequence number that the statement cannot have.
const fn until(question: &Question) -> u64 {
    question.epoch.next().first_seq()
}
