//! Faults of the primary under load.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use quorate_chaos::bench::{FaultRun, freezes, kills, switchovers};
use quorate_chaos::nemesis;
use quorate_chaos::workloads::SetWorkload;

use super::{Alone, RECOVERY, epochs};

fn nothing_is_lost(run: &FaultRun) {
    assert!(run.loss.acknowledged > 100, "{:?}", run.loss);
    assert!(run.loss.lost.is_empty(), "acknowledged and gone: {:?}", run.loss.lost);
    assert!(run.loss.phantoms.is_empty(), "never sent: {:?}", run.loss.phantoms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_loses_nothing_and_comes_back_as_a_replica() {
    let alone = Alone::up(&[]);
    let run = kills(&alone.lab, 3, 1).await.unwrap();
    nothing_is_lost(&run);
    epochs::each_has_one_primary(&alone.lab);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_loses_nothing() {
    let alone = Alone::up(&[]);
    let run = switchovers(&alone.lab, 2, 1).await.unwrap();
    nothing_is_lost(&run);
    epochs::each_has_one_primary(&alone.lab);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_and_loses_nothing() {
    let alone = Alone::up(&[]);
    let run = freezes(&alone.lab, 2, 1).await.unwrap();
    nothing_is_lost(&run);
    epochs::each_has_one_primary(&alone.lab);
}

/// A client that goes round the router, to the old primary's server itself, is the strictest witness.
#[tokio::test(flavor = "multi_thread")]
async fn a_thawed_primary_acknowledges_nothing() {
    let alone = Alone::up(&[]);
    SetWorkload::prepare(&alone.options()).await.unwrap();
    let old = alone.primary();
    let info = alone.lab.info().unwrap();
    let account = &info.accounts["app"];
    let around = OptsBuilder::default()
        .socket(info.node(&old).unwrap().socket.to_str())
        .user(Some(&account.user))
        .pass(Some(&account.password));
    let mut witness = Conn::new(around).await.unwrap();

    nemesis::freeze(&alone.lab, &old).unwrap();
    let status = alone
        .lab
        .wait("another primary", RECOVERY, |status| {
            status.phase == "open" && status.primary.as_ref() != Some(&old)
        })
        .unwrap();
    // The statement waits in the socket of the stopped server and is there when it wakes, before its agent does.
    let write = async {
        let statement = witness.query_drop("INSERT INTO app.set_writes VALUES (1, 0)");
        tokio::time::timeout(Duration::from_secs(10), statement).await
    };
    let (outcome, ()) = tokio::join!(write, async { nemesis::thaw(&alone.lab, &old).unwrap() });
    assert!(
        !matches!(outcome, Ok(Ok(()))),
        "the deposed primary acknowledged a write after epoch {} opened",
        status.epoch
    );
    alone.lab.wait_healthy(RECOVERY).unwrap();
    let mut conn = Conn::new(alone.options()).await.unwrap();
    let there: Option<u64> = conn
        .query_first("/* quorate route to primary */ SELECT id FROM app.set_writes WHERE id = 1")
        .await
        .unwrap();
    assert_eq!(there, None, "an unacknowledged row of the deposed primary survived");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_takes_its_server_with_it_and_the_tier_goes_on() {
    let alone = Alone::up(&[]);
    SetWorkload::prepare(&alone.options()).await.unwrap();
    let workload = SetWorkload::start(&alone.options(), 4, 1);
    workload.wait_for(50, RECOVERY).await.unwrap();
    let old = alone.primary();
    nemesis::kill_agent(&alone.lab, &old).unwrap();
    workload.wait_for(50, RECOVERY).await.unwrap();
    let status = alone.lab.wait_healthy(RECOVERY).unwrap();
    assert_ne!(status.primary, Some(old));
    let history = workload.finish().await.unwrap();
    let stored = quorate_chaos::checkers::stored_ids(&alone.options()).await.unwrap();
    let loss = quorate_chaos::checkers::lost_writes(&history, &stored);
    assert_eq!(loss.lost, Vec::<u64>::new());
}
