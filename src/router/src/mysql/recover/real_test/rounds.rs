//! A primary dies under load, again and again: what the binlog of the next one says is what happened.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use quorate_model::Epoch;
use rand::Rng as _;
use tokio::task::JoinSet;

use super::client::Session;
use super::lab::{At, Lab};
use super::results::resolver;
use crate::mysql::recover::marker::Target;
use crate::mysql::recover::verdict::{Question, Subject, Verdict};

const SESSIONS: u64 = 8;

/// A session whose reply never came, or came too late to be read.
struct InFlight {
    row: u64,
    question: Question,
}

/// Counts up its row until its server is lost. Returns what was in flight.
async fn count_up(
    socket: PathBuf,
    row: u64,
    epoch: Epoch,
    seen: Arc<AtomicU64>,
    lost: Arc<AtomicBool>,
) -> (InFlight, u64) {
    let mut session = Session::open(&socket, false).await;
    let mut acknowledged = 0;
    loop {
        let question = Question {
            marker: session.marker,
            after: seen.load(Ordering::SeqCst),
            subject: Subject::Statement { found_rows: false },
            target: Target::named(b"c"),
            epoch,
            thread: session.thread,
        };
        let sql = format!("UPDATE app.c SET c = c + 1 WHERE id = {row}");
        let reply = session.marked(&sql).await;
        match reply {
            Ok(done) if !lost.load(Ordering::SeqCst) => {
                assert_eq!(done.affected, 1);
                seen.fetch_max(done.seq.unwrap(), Ordering::SeqCst);
                acknowledged += 1;
            }
            // A reply that the router did not read any more.
            _ => return (InFlight { row, question }, acknowledged),
        }
    }
}

/// Which way the primary is lost.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// At any moment.
    Killed,
    /// After its replica has stopped listening: in its binlog is what nobody else has.
    Unheard,
}

async fn round(lab: &mut Lab, expected: &mut [u64], loss: Loss) -> [u32; 2] {
    let (seen, lost) = (
        Arc::new(AtomicU64::new(lab.epoch.first_seq())),
        Arc::new(AtomicBool::new(false)),
    );
    let mut sessions = JoinSet::new();
    for row in 0..SESSIONS {
        sessions.spawn(count_up(
            lab.primary.socket(),
            row,
            lab.epoch,
            seen.clone(),
            lost.clone(),
        ));
    }
    let random = |to: u64| Duration::from_micros(rand::rng().random_range(0..to));
    tokio::time::sleep(Duration::from_millis(40) + random(60_000)).await;
    if matches!(loss, Loss::Unheard) {
        lab.replica.ask("STOP SLAVE IO_THREAD").await;
        tokio::time::sleep(random(10_000)).await;
    }
    lost.store(true, Ordering::SeqCst);
    tokio::time::sleep(random(3000)).await;
    lab.fail_over().await;
    let (resolver, _tasks) = resolver(
        At {
            socket: lab.primary.socket(),
            replicated: 0,
            epoch: lab.epoch,
        },
        Duration::from_secs(30),
    );
    let mut verdicts = [0; 2];
    for (in_flight, acknowledged) in sessions.join_all().await {
        let row = in_flight.row;
        let index = usize::try_from(row).unwrap();
        let truth = lab.primary.ask(&format!("SELECT c FROM app.c WHERE id = {row}")).await;
        let truth: u64 = truth[0].parse().unwrap();
        let before = expected[index] + acknowledged;
        match resolver.ask(in_flight.question).await {
            Verdict::Committed {
                affected: 1,
                last_insert_id: 0,
                seq,
            } => {
                assert!(seq > in_flight.question.after);
                assert_eq!(truth, before + 1, "confirmed, but not there");
                verdicts[0] += 1;
            }
            Verdict::NotCommitted => {
                assert_eq!(truth, before, "denied, but there");
                verdicts[1] += 1;
            }
            other => panic!("row {row}: {other:?}, {:?}", in_flight.question),
        }
        expected[index] = truth;
    }
    verdicts
}

async fn rounds(count: u32) -> [u32; 2] {
    let mut lab = Lab::start().await;
    for sql in [
        "CREATE DATABASE app",
        "CREATE TABLE app.c (id INT PRIMARY KEY, c INT NOT NULL)",
    ] {
        lab.primary.ask(sql).await;
    }
    let mut expected = vec![0; usize::try_from(SESSIONS).unwrap()];
    for row in 0..SESSIONS {
        lab.primary.ask(&format!("INSERT INTO app.c VALUES ({row}, 0)")).await;
    }
    lab.in_step().await;
    let mut total = [0; 2];
    for nth in 0..count {
        let loss = if nth % 2 == 0 { Loss::Killed } else { Loss::Unheard };
        let [committed, not] = round(&mut lab, &mut expected, loss).await;
        total = [total[0] + committed, total[1] + not];
        println!("round {nth} ({loss:?}): {committed} committed, {not} not");
    }
    println!("{count} rounds: {} committed, {} not", total[0], total[1]);
    total
}

#[tokio::test]
async fn verdicts_are_the_truth_when_a_primary_dies() {
    let [committed, not] = rounds(2).await;
    assert_eq!(u64::from(committed + not), 2 * SESSIONS);
}

#[tokio::test]
#[ignore = "two hundred failovers take minutes; run it with `--ignored` after changes to the resolver"]
async fn verdicts_are_the_truth_in_two_hundred_failovers() {
    let [committed, not] = rounds(200).await;
    assert_eq!(u64::from(committed + not), 200 * SESSIONS);
    assert!(committed > 50 && not > 50);
}
