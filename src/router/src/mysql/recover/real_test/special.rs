//! What cannot be proven is said to be so; what is not over yet is waited for.

use std::time::Duration;

use super::client::Session;
use super::lab::{At, Lab};
use super::results::resolver;
use crate::mysql::recover::marker::Target;
use crate::mysql::recover::verdict::{Question, Subject, Verdict};

const BRIEFLY: Duration = Duration::from_millis(400);

fn here(lab: &Lab, replicated: u64) -> At {
    At {
        socket: lab.primary.socket(),
        replicated,
        epoch: lab.epoch,
    }
}

fn asked(lab: &Lab, session: &Session, after: u64) -> Question {
    Question {
        marker: session.marker,
        after,
        subject: Subject::Statement { found_rows: false },
        target: Target::named(b"t"),
        epoch: lab.epoch,
        thread: session.thread,
    }
}

fn is_unprovable(verdict: &Verdict, why: &str) -> bool {
    matches!(verdict, Verdict::Unprovable { why: given } if given.contains(why))
}

#[tokio::test]
async fn nothing_is_claimed_that_the_binlog_does_not_prove() {
    let mut lab = Lab::start().await;
    let mut session = Session::open(&lab.primary.socket(), false).await;
    session.run("CREATE DATABASE app").await.unwrap();
    session
        .run("CREATE TABLE app.t (id INT PRIMARY KEY, v INT)")
        .await
        .unwrap();
    let start = session
        .run("INSERT INTO app.t VALUES (1, 1)")
        .await
        .unwrap()
        .seq
        .unwrap();

    // As long as its connection is there, it may still commit.
    let (patient, _tasks) = resolver(here(&lab, u64::MAX), BRIEFLY);
    let verdict = patient.ask(asked(&lab, &session, start)).await;
    assert!(is_unprovable(&verdict, "still at work"), "{verdict:?}");

    // A commit that waits for its replica outlives its client, and is not durable before the replica has it.
    lab.replica.ask("STOP SLAVE IO_THREAD").await;
    let question = asked(&lab, &session, start);
    let sent = tokio::time::timeout(BRIEFLY, session.marked("UPDATE app.t SET v = v + 1")).await;
    assert!(sent.is_err(), "it must wait for the replica");
    drop(session);
    let verdict = patient.ask(question).await;
    assert!(is_unprovable(&verdict, "still at work"), "{verdict:?}");
    lab.replica.ask("START SLAVE").await;
    let (late, _tasks) = resolver(here(&lab, u64::MAX), Duration::from_secs(20));
    let verdict = late.ask(question).await;
    assert!(matches!(verdict, Verdict::Committed { affected: 1, .. }), "{verdict:?}");
    let (alone, _tasks) = resolver(here(&lab, start), BRIEFLY);
    let verdict = alone.ask(question).await;
    assert!(is_unprovable(&verdict, "on no replica yet"), "{verdict:?}");

    // Somebody's rows without their text could be anybody's.
    let mut other = Session::open(&lab.primary.socket(), false).await;
    let before = other.run("UPDATE app.t SET v = v + 1").await.unwrap().seq.unwrap();
    other.run("SET SESSION binlog_annotate_row_events = OFF").await.unwrap();
    let bare = other.run("UPDATE app.t SET v = v + 1").await.unwrap().seq.unwrap();
    let question = asked(&lab, &Session::open(&lab.primary.socket(), false).await, before);
    let verdict = late.ask(question).await;
    assert!(is_unprovable(&verdict, "does not carry"), "{verdict:?}");
    let beyond = Question {
        after: bare,
        ..question
    };
    assert_eq!(late.ask(beyond).await, Verdict::NotCommitted);

    // Before the next epoch has begun, its beginning is missing; then even a position that never was is no obstacle.
    let next = Question {
        epoch: lab.epoch,
        after: bare + 5,
        ..question
    };
    let verdict = resolver(here(&lab, 0), BRIEFLY).0.ask(next).await;
    assert!(is_unprovable(&verdict, "before the next epoch"), "{verdict:?}");
    lab.epoch = lab.epoch.next();
    lab.write_epoch().await;
    assert_eq!(
        resolver(here(&lab, 0), BRIEFLY).0.ask(next).await,
        Verdict::NotCommitted
    );

    // What was purged proves nothing.
    lab.primary.ask("FLUSH BINARY LOGS").await;
    other.run("UPDATE app.t SET v = v + 1").await.unwrap();
    lab.primary.ask("FLUSH BINARY LOGS").await;
    let log = lab.primary.ask("SHOW BINARY LOGS").await.pop().unwrap();
    lab.in_step().await;
    lab.primary.ask(&format!("PURGE BINARY LOGS TO '{log}'")).await;
    let verdict = late.ask(question).await;
    assert!(is_unprovable(&verdict, "purged"), "{verdict:?}");
}

#[tokio::test]
async fn a_transaction_is_found_by_any_of_its_statements() {
    let lab = Lab::start().await;
    let mut session = Session::open(&lab.primary.socket(), false).await;
    session.run("CREATE DATABASE app").await.unwrap();
    let start = session
        .run("CREATE TABLE app.t (id INT PRIMARY KEY, v INT)")
        .await
        .unwrap()
        .seq
        .unwrap();
    session.run("BEGIN").await.unwrap();
    session.marked("INSERT INTO app.t VALUES (1, 1)").await.unwrap();
    session.run("SAVEPOINT a").await.unwrap();
    session.marked("INSERT INTO app.t VALUES (2, 1)").await.unwrap();
    session.run("ROLLBACK TO a").await.unwrap();
    session.marked("UPDATE app.t SET v = 2").await.unwrap();
    let seq = session.run("COMMIT").await.unwrap().seq.unwrap();
    session.run("BEGIN").await.unwrap();
    session.marked("UPDATE app.t SET v = 3").await.unwrap();
    session.run("ROLLBACK").await.unwrap();
    let question = Question {
        subject: Subject::Transaction,
        ..asked(&lab, &session, start)
    };
    drop(session);
    let (resolver, _tasks) = resolver(here(&lab, u64::MAX), Duration::from_secs(20));
    let expected = Verdict::Committed {
        affected: 0,
        last_insert_id: 0,
        seq,
    };
    let later = Question { after: seq, ..question };
    assert_eq!(resolver.ask(question).await, expected);
    assert_eq!(resolver.ask(later).await, Verdict::NotCommitted);
}

/// As the server does it with an array of parameters for UPDATE: a transaction for each.
#[tokio::test]
async fn several_transactions_of_one_statement_are_not_taken_for_all_of_it() {
    let lab = Lab::start().await;
    let mut session = Session::open(&lab.primary.socket(), false).await;
    session.run("CREATE DATABASE app").await.unwrap();
    session
        .run("CREATE TABLE app.t (id INT PRIMARY KEY, v INT)")
        .await
        .unwrap();
    let start = session
        .run("INSERT INTO app.t VALUES (1, 1)")
        .await
        .unwrap()
        .seq
        .unwrap();
    session.marked("UPDATE app.t SET v = v + 1").await.unwrap();
    session.marked("UPDATE app.t SET v = v + 1").await.unwrap();
    let question = asked(&lab, &session, start);
    drop(session);
    let (resolver, _tasks) = resolver(here(&lab, u64::MAX), Duration::from_secs(20));
    let verdict = resolver.ask(question).await;
    assert!(is_unprovable(&verdict, "row by row"), "{verdict:?}");
}
