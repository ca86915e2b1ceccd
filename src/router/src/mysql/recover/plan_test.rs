use super::*;
use crate::mysql::recover::transaction::{Completed, TRANSACTION_BYTES};

const ROWS: InFlight = InFlight::Write {
    mark: Mark::Rows,
    repeatable: true,
};
const LOCAL_FILE: InFlight = InFlight::Write {
    mark: Mark::Rows,
    repeatable: false,
};
const TEXT: InFlight = InFlight::Write {
    mark: Mark::Text,
    repeatable: true,
};
const UNMARKED: InFlight = InFlight::Write {
    mark: Mark::None,
    repeatable: true,
};
const ALL: [InFlight; 10] = [
    InFlight::Idle,
    InFlight::Harmless,
    ROWS,
    LOCAL_FILE,
    TEXT,
    UNMARKED,
    InFlight::Commit,
    InFlight::Rollback,
    InFlight::Fetch,
    InFlight::Other,
];

fn standing<'a>(in_flight: InFlight, transaction: Option<&'a TransactionLog>) -> Standing<'a> {
    Standing {
        in_flight,
        answered: Answered::Nothing,
        transaction,
        pinned: None,
        found_rows: false,
    }
}

/// A transaction with BEGIN and one statement for each of these.
fn log(writes: &[Option<Mark>]) -> TransactionLog {
    let mut log = TransactionLog::new(TRANSACTION_BYTES);
    let mut completed = |write, begins| {
        log.completed(Completed {
            command: b"\x03x",
            reply: Some(1),
            write,
            begins,
            committed: false,
            open: true,
        });
    };
    completed(None, true);
    writes.iter().for_each(|write| completed(*write, false));
    log
}

/// In words: what happens, and after each verdict.
fn told(standing: Standing<'_>) -> String {
    let action = |action: &Action| match action {
        Action::Fail(Failure::Retry { .. }) => "restart".to_owned(),
        Action::Fail(Failure::Interrupted { .. }) => "interrupted".to_owned(),
        Action::Fail(Failure::Unknown { .. }) => "unknown".to_owned(),
        Action::Fail(Failure::ResultLost { .. }) => "result lost".to_owned(),
        Action::Close(Failure::StateLost { .. }) => "close".to_owned(),
        Action::Close(Failure::Unknown { .. }) => "close, unknown".to_owned(),
        Action::Close(_) => "close, told".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    let Action::Resolve(then) = at_loss(standing) else {
        return action(&at_loss(standing));
    };
    let next = |verdict| match after(then.clone(), verdict) {
        Next::Answer { doom: None, .. } => "ok".to_owned(),
        Next::Answer { doom: Some(_), .. } => "ok, then close".to_owned(),
        Next::Do(next) => action(&next),
    };
    let committed = Verdict::Committed {
        affected: 1,
        last_insert_id: 0,
        seq: 5,
    };
    let why = "proof".to_owned();
    format!(
        "? {} / {} / {}",
        next(committed),
        next(Verdict::NotCommitted),
        next(Verdict::Unprovable { why })
    )
}

/// Scenarios 68 and 69: a statement by itself.
#[test]
fn a_statement_by_itself_is_repeated_only_if_it_has_not_happened() {
    let mut partly = standing(InFlight::Harmless, None);
    assert_eq!(told(partly), "repeat");
    partly.answered = Answered::Packets;
    assert_eq!(told(partly), "interrupted");
    partly.answered = Answered::TornPacket;
    assert_eq!(told(partly), "close, told");
    for (in_flight, expected) in [
        (InFlight::Idle, "reattach"),
        (ROWS, "? ok / repeat / unknown"),
        (LOCAL_FILE, "? ok / interrupted / unknown"),
        (TEXT, "? ok / repeat / unknown"),
        (UNMARKED, "unknown"),
        (InFlight::Commit, "answerok"),
        (InFlight::Rollback, "answerok"),
        (InFlight::Fetch, "interrupted"),
        (InFlight::Other, "unknown"),
    ] {
        assert_eq!(told(standing(in_flight, None)), expected, "{in_flight:?}");
    }
    let mut returning = standing(ROWS, None);
    returning.answered = Answered::Packets;
    assert_eq!(told(returning), "? result lost / interrupted / unknown");
    returning.answered = Answered::TornPacket;
    assert_eq!(told(returning), "close, unknown");
}

/// Scenario 66: before the first write, after writes, during COMMIT and ROLLBACK, with a definition inside.
#[test]
fn a_transaction_is_replayed_and_its_commit_resolved() {
    let (fresh, wrote) = (log(&[]), log(&[Some(Mark::Rows)]));
    for (in_flight, before, later) in [
        (InFlight::Idle, "replay", "replay"),
        (InFlight::Harmless, "replay", "replay"),
        (ROWS, "? unknown / replay / unknown", "? unknown / replay / unknown"),
        (
            LOCAL_FILE,
            "? unknown / restart / unknown",
            "? unknown / restart / unknown",
        ),
        (TEXT, "? ok / repeat / unknown", "unknown"),
        (UNMARKED, "unknown", "unknown"),
        (InFlight::Commit, "answerok", "? ok / replay / unknown"),
        (InFlight::Rollback, "answerok", "answerok"),
        (InFlight::Fetch, "restart", "restart"),
        (InFlight::Other, "unknown", "unknown"),
    ] {
        assert_eq!(told(standing(in_flight, Some(&fresh))), before, "{in_flight:?}");
        assert_eq!(told(standing(in_flight, Some(&wrote))), later, "{in_flight:?}");
    }
    // After an implicit commit the log is empty, with autocommit off, and there is nothing to bring back.
    let empty = TransactionLog::new(TRANSACTION_BYTES);
    assert_eq!(told(standing(InFlight::Idle, Some(&empty))), "reattach");
    assert_eq!(told(standing(InFlight::Commit, Some(&empty))), "answerok");
}

#[test]
fn a_commit_is_only_denied_if_all_its_rows_could_be_found() {
    let both = log(&[Some(Mark::Rows), Some(Mark::None)]);
    assert_eq!(
        told(standing(InFlight::Commit, Some(&both))),
        "? ok / unknown / unknown"
    );
    let called = log(&[None, Some(Mark::None)]);
    assert_eq!(told(standing(InFlight::Commit, Some(&called))), "unknown");
    assert_eq!(told(standing(InFlight::Commit, Some(&log(&[None])))), "answerok");
}

#[test]
fn what_cannot_be_replayed_is_restarted_by_the_client() {
    let mut long = log(&[Some(Mark::Rows)]);
    long.obstruct(Obstacle::TooLong { bytes_max: 1 });
    for (in_flight, expected) in [
        (InFlight::Idle, "restart"),
        (InFlight::Harmless, "restart"),
        (ROWS, "? unknown / restart / unknown"),
        (InFlight::Commit, "? ok / restart / unknown"),
        (InFlight::Rollback, "answerok"),
    ] {
        assert_eq!(told(standing(in_flight, Some(&long))), expected, "{in_flight:?}");
    }
}

/// Scenario 58: a user lock is never lost in silence, and what was under way is still settled.
#[test]
fn lost_state_ends_the_session_after_what_was_under_way() {
    let wrote = log(&[Some(Mark::Rows)]);
    for (in_flight, alone, within) in [
        (InFlight::Idle, "close", "close"),
        (InFlight::Harmless, "close", "close"),
        (ROWS, "? ok, then close / close / close, unknown", "close"),
        (TEXT, "? ok, then close / close / close, unknown", "close, unknown"),
        (UNMARKED, "close, unknown", "close, unknown"),
        (InFlight::Commit, "close", "? ok, then close / close / close, unknown"),
        (InFlight::Rollback, "close", "close"),
        (InFlight::Other, "close, unknown", "close, unknown"),
    ] {
        let mut standing = standing(in_flight, None);
        standing.pinned = Some("user lock");
        assert_eq!(told(standing), alone, "{in_flight:?}");
        standing.transaction = Some(&wrote);
        assert_eq!(told(standing), within, "{in_flight:?}");
    }
}

/// The promise, over every combination: nothing that may have happened is sent again without a verdict, and nothing is
/// confirmed without one unless there was nothing to do.
#[test]
fn never_twice_and_never_a_wrong_ok() {
    let mut logs = vec![None, Some(TransactionLog::new(TRANSACTION_BYTES))];
    let marks = [None, Some(Mark::Rows), Some(Mark::Text), Some(Mark::None)];
    for first in marks {
        for second in marks {
            logs.push(Some(log(&[first, second])));
            let mut obstructed = log(&[first, second]);
            obstructed.obstruct(Obstacle::PartCommitted);
            logs.push(Some(obstructed));
        }
    }
    for in_flight in ALL {
        for transaction in &logs {
            for pinned in [None, Some("user lock")] {
                for answered in [Answered::Nothing, Answered::Packets, Answered::TornPacket] {
                    let standing = Standing {
                        in_flight,
                        answered,
                        transaction: transaction.as_ref(),
                        pinned,
                        found_rows: true,
                    };
                    // Replies of one packet, or of none, have no parts.
                    let has_parts = !matches!(in_flight, InFlight::Idle | InFlight::Commit | InFlight::Rollback);
                    if has_parts || answered == Answered::Nothing {
                        check(standing);
                    }
                }
            }
        }
    }
}

fn check(standing: Standing<'_>) {
    let wrote = standing.transaction.is_some_and(TransactionLog::wrote);
    let may_have_happened = match standing.in_flight {
        InFlight::Write { .. } | InFlight::Other => true,
        InFlight::Commit => wrote,
        InFlight::Idle | InFlight::Harmless | InFlight::Rollback | InFlight::Fetch => false,
    };
    let action = at_loss(standing);
    let again = |action: &Action| matches!(action, Action::Repeat | Action::Replay);
    assert!(
        !(may_have_happened && (again(&action) || action == Action::AnswerOk)),
        "{standing:?}: {action:?}"
    );
    assert!(
        !(standing.pinned.is_some() && again(&action)),
        "{standing:?}: {action:?}"
    );
    assert!(
        !(standing.answered != Answered::Nothing && again(&action)),
        "{standing:?}: {action:?}"
    );
    let may_go_on = standing.pinned.is_none() && standing.answered != Answered::TornPacket;
    assert!(
        may_go_on || matches!(action, Action::Close(_) | Action::Resolve(_)),
        "{standing:?}: {action:?}"
    );
    if let Action::Replay = action {
        assert!(standing.transaction.is_some_and(|log| log.replay().is_ok()));
    }
    if let Action::Resolve(then) = action {
        check_verdicts(standing, &then, may_go_on);
    }
}

fn check_verdicts(standing: Standing<'_>, then: &Then, may_go_on: bool) {
    let again = |action: &Action| matches!(action, Action::Repeat | Action::Replay);
    assert!(standing.answered != Answered::TornPacket, "{standing:?}");
    for verdict in [
        Verdict::CommittedUnknownResult { seq: 1, why: "" },
        Verdict::Unprovable { why: String::new() },
    ] {
        let next = after(then.clone(), verdict);
        assert!(
            may_go_on || matches!(next, Next::Do(Action::Close(_))),
            "{standing:?}: {next:?}"
        );
        let Next::Do(Action::Fail(failure) | Action::Close(failure)) = next else {
            panic!("{standing:?} claims what is not known");
        };
        assert!(
            matches!(failure, Failure::Unknown { .. } | Failure::ResultLost { .. }),
            "{standing:?}: {failure}"
        );
    }
    let denied = after(then.clone(), Verdict::NotCommitted);
    assert!(
        !matches!(denied, Next::Answer { .. }),
        "{standing:?} confirms what is not there"
    );
    if let Next::Do(next) = denied {
        assert!(
            !matches!(next, Action::Resolve(_) | Action::AnswerOk),
            "{standing:?}: {next:?}"
        );
        assert!(may_go_on || matches!(next, Action::Close(_)), "{standing:?}: {next:?}");
        let sound = standing.pinned.is_none() && standing.answered == Answered::Nothing;
        assert!(sound || !again(&next), "{standing:?}: {next:?}");
    }
    let confirmed = after(
        then.clone(),
        Verdict::Committed {
            affected: 0,
            last_insert_id: 0,
            seq: 1,
        },
    );
    assert!(
        !matches!(&confirmed, Next::Do(next) if again(next)),
        "{standing:?} does it twice"
    );
}

#[test]
fn errors_say_what_to_do_next() {
    let retry = Failure::Retry { why: "x".to_owned() };
    assert_eq!(retry.code(), (1213, "40001"));
    assert!(retry.to_string().ends_with("try restarting transaction"));
    let unknown = Failure::Unknown { why: "x".to_owned() };
    // Not of class 40: no framework may repeat it by itself.
    assert_eq!(unknown.code(), (1180, "08007"));
}
