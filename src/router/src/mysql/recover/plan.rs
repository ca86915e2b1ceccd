//! What to do about a session whose server was lost, from what was under way and what holds it. No IO, no clock.

use super::failure::Failure;
use super::marker::Mark;
use super::transaction::{Obstacle, TransactionLog};
use super::verdict::{Subject, Verdict};

/// What was under way when the server was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InFlight {
    /// Nothing: the last reply was complete.
    Idle,
    /// A read that calls no stored function, `PREPARE`, `SET` of the session's own state, `SAVEPOINT`, `BEGIN`, ping:
    /// doing it again changes nothing.
    Harmless,
    /// One statement that writes.
    Write {
        /// How it shows in the binlog.
        mark: Mark,
        /// Whether the router still has all of it: not once `LOAD DATA LOCAL` has consumed the client's file.
        repeatable: bool,
    },
    /// `COMMIT` without `AND CHAIN`.
    Commit,
    /// `ROLLBACK` of the whole transaction, without `AND CHAIN`.
    Rollback,
    /// `FETCH` from a cursor.
    Fetch,
    /// Anything else: `CALL`, several statements in one, `COMMIT AND CHAIN`, `XA`, `SET GLOBAL`, …
    Other,
}

/// What the client has of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Nothing of it.
    Nothing,
    /// Some whole packets: an error may still follow.
    Packets,
    /// A part of a packet: nothing sensible can follow.
    TornPacket,
}

/// Where the session stood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    /// What was under way.
    pub(crate) in_flight: InFlight,
    /// What the client has of its reply.
    pub(crate) answered: Answered,
    /// The open transaction; also an empty one, while `autocommit` is off.
    pub(crate) transaction: Option<&'a TransactionLog>,
    /// Why the session's state cannot be brought to another server.
    pub(crate) pinned: Option<&'a str>,
    /// Whether the session has `CLIENT_FOUND_ROWS`.
    pub(crate) found_rows: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Bring the session's state to a new server; there is nothing to answer.
    Reattach,
    /// Bring the session's state to a new server and send the command again. The transaction, if any, is over.
    Repeat,
    /// Replay the transaction (see [`TransactionLog::replay`] and [`TransactionLog::verify`]), then send the command in
    /// flight, if any.
    Replay,
    /// The answer is known without asking: OK, nothing affected. The transaction is over.
    AnswerOk,
    /// Ask the binlog, then see [`after`].
    Resolve(Then),
    /// Answer with the error, the command in flight or else the next one; the transaction is over, the session goes on.
    Fail(Failure),
    /// The same, and then close. After a torn packet close at once.
    Close(Failure),
}

/// What is asked, and what follows from the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Then {
    /// What is asked.
    pub(crate) subject: Subject,
    committed: Committed,
    not: Box<Action>,
    /// Why the session cannot go on after the answer.
    doom: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Committed {
    /// The verdict's result is the answer.
    Answer,
    /// The client has a part of the answer already; the rest is lost.
    ResultLost,
    /// A statement of a transaction is durable without it.
    PartDurable,
}

/// What to do after the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Answer OK with this.
    Answer {
        /// Affected rows.
        affected: u64,
        /// Last insert id.
        last_insert_id: u64,
        /// What the session has now seen.
        seq: u64,
        /// If set, the next command gets this error and the session is closed.
        doom: Option<Failure>,
    },
    /// Go on with this; never [`Action::Resolve`].
    Do(Action),
}

/// Decides at the loss of a server.
pub(crate) fn at_loss(standing: Standing<'_>) -> Action {
    let Standing {
        pinned, transaction, ..
    } = standing;
    let action = match (pinned, transaction) {
        (Some(pin), _) => held(standing, pin),
        (None, Some(log)) => within(standing, log),
        (None, None) => alone(standing),
    };
    match action {
        Action::Resolve(_) if standing.answered == Answered::TornPacket => {
            Action::Close(unknown("its reply was cut off"))
        }
        Action::Fail(failure) if standing.answered == Answered::TornPacket => Action::Close(failure),
        other => other,
    }
}

/// Decides after the verdict.
pub(crate) fn after(then: Then, verdict: Verdict) -> Next {
    let Then {
        committed, not, doom, ..
    } = then;
    let failure = match (verdict, committed) {
        (Verdict::NotCommitted, _) => return Next::Do(*not),
        (
            Verdict::Committed {
                affected,
                last_insert_id,
                seq,
            },
            Committed::Answer,
        ) => {
            return Next::Answer {
                affected,
                last_insert_id,
                seq,
                doom,
            };
        }
        (Verdict::Committed { seq, .. } | Verdict::CommittedUnknownResult { seq, .. }, Committed::PartDurable) => {
            Failure::Unknown {
                why: format!("sequence number {seq} changed a table without transactions, the rest is rolled back"),
            }
        }
        (Verdict::Committed { seq, .. }, Committed::ResultLost) => Failure::ResultLost {
            seq,
            why: "the reply was cut off",
        },
        (Verdict::CommittedUnknownResult { seq, why }, _) => Failure::ResultLost { seq, why },
        (Verdict::Unprovable { why }, _) => Failure::Unknown { why },
    };
    Next::Do(give_up(failure, doom.as_ref()))
}

/// Autocommit, nothing holds the session.
fn alone(standing: Standing<'_>) -> Action {
    let whole = standing.answered == Answered::Nothing;
    match standing.in_flight {
        InFlight::Idle => Action::Reattach,
        InFlight::Harmless if whole => Action::Repeat,
        InFlight::Harmless => Action::Fail(cut_off()),
        InFlight::Write { mark: Mark::None, .. } | InFlight::Other => Action::Fail(untraceable()),
        InFlight::Write { mark, repeatable } => {
            let not = if whole && repeatable {
                Action::Repeat
            } else {
                Action::Fail(cut_off())
            };
            resolve_write(standing, mark, not, None)
        }
        // Nothing to commit or to roll back.
        InFlight::Commit | InFlight::Rollback => Action::AnswerOk,
        InFlight::Fetch => Action::Fail(Failure::Interrupted {
            why: "the cursor was lost with its server",
        }),
    }
}

/// In a transaction, nothing else holds the session.
fn within(standing: Standing<'_>, log: &TransactionLog) -> Action {
    let whole = standing.answered == Answered::Nothing;
    let go_on = || match log.replay() {
        Ok(_) => Action::Replay,
        Err(obstacle) => Action::Fail(not_replayed(obstacle)),
    };
    match standing.in_flight {
        InFlight::Idle if log.is_empty() => Action::Reattach,
        InFlight::Idle => go_on(),
        InFlight::Harmless if whole => go_on(),
        InFlight::Harmless => Action::Fail(restart("a result was cut off")),
        InFlight::Write {
            mark: Mark::Rows,
            repeatable,
        } => Action::Resolve(Then {
            subject: Subject::Statement {
                found_rows: standing.found_rows,
            },
            committed: Committed::PartDurable,
            not: Box::new(if whole && repeatable {
                go_on()
            } else {
                Action::Fail(restart("a reply was cut off"))
            }),
            doom: None,
        }),
        // A definition commits what came before it, and only itself can be found.
        InFlight::Write { mark: Mark::Text, .. } if !log.wrote() => alone(standing),
        InFlight::Write { .. } | InFlight::Other => Action::Fail(untraceable()),
        InFlight::Commit => commit(log, go_on(), None),
        InFlight::Rollback => Action::AnswerOk,
        InFlight::Fetch => Action::Fail(restart("the cursor was lost with its server")),
    }
}

/// State is lost that no other server can be given: what was under way is settled, then the session ends.
fn held(standing: Standing<'_>, pin: &str) -> Action {
    let lost = Failure::StateLost { why: pin.to_owned() };
    let close = Action::Close(lost.clone());
    match (standing.in_flight, standing.transaction) {
        (InFlight::Write { mark: Mark::None, .. } | InFlight::Other, _) => Action::Close(untraceable()),
        (InFlight::Write { mark: Mark::Text, .. }, Some(log)) if log.wrote() => Action::Close(untraceable()),
        (InFlight::Write { mark: Mark::Rows, .. }, Some(_)) => close,
        (InFlight::Write { mark, .. }, _) => resolve_write(standing, mark, close, Some(lost)),
        (InFlight::Commit, Some(log)) if log.wrote() => commit(log, close, Some(lost)),
        (InFlight::Idle | InFlight::Harmless | InFlight::Commit | InFlight::Rollback | InFlight::Fetch, _) => close,
    }
}

fn commit(log: &TransactionLog, not: Action, doom: Option<Failure>) -> Action {
    if !log.wrote() {
        return Action::AnswerOk;
    }
    let untraceable = give_up(untraceable(), doom.as_ref());
    if !log.wrote_marked() {
        return untraceable;
    }
    // Rows without the marker may be all that there is: then finding nothing proves nothing.
    let not = if log.wrote_unmarked() { untraceable } else { not };
    Action::Resolve(Then {
        subject: Subject::Transaction,
        committed: Committed::Answer,
        not: Box::new(not),
        doom,
    })
}

fn resolve_write(standing: Standing<'_>, mark: Mark, not: Action, doom: Option<Failure>) -> Action {
    let subject = match mark {
        Mark::Text => Subject::Definition,
        Mark::Rows | Mark::None => Subject::Statement {
            found_rows: standing.found_rows,
        },
    };
    let committed = match standing.answered {
        Answered::Nothing => Committed::Answer,
        Answered::Packets | Answered::TornPacket => Committed::ResultLost,
    };
    Action::Resolve(Then {
        subject,
        committed,
        not: Box::new(not),
        doom,
    })
}

/// The session goes on, unless something of it is lost.
fn give_up(failure: Failure, doom: Option<&Failure>) -> Action {
    if doom.is_some() {
        Action::Close(failure)
    } else {
        Action::Fail(failure)
    }
}

const fn cut_off() -> Failure {
    Failure::Interrupted {
        why: "its server was lost before the reply was complete",
    }
}

fn untraceable() -> Failure {
    unknown("its server was lost, and a statement of this kind leaves no trace that could be found")
}

fn unknown(why: &str) -> Failure {
    Failure::Unknown { why: why.to_owned() }
}

fn restart(why: &str) -> Failure {
    Failure::Retry { why: why.to_owned() }
}

fn not_replayed(obstacle: Obstacle) -> Failure {
    Failure::Retry {
        why: format!("the primary was lost and the transaction cannot be replayed: {obstacle}"),
    }
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
