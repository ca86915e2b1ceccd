//! An acknowledged transaction that is only in the relay logs survives a restart of its replica.

use mysql_async::prelude::Queryable;
use quorate_mariadb::act::{ActError, Backlog, repoint, salvage};
use quorate_mariadb::parse::groups::{relay_end, scan};
use quorate_mariadb::parse::index::log_files;

use crate::support::{Cluster, LIMIT, Node, Relay, timed};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_but_unapplied_transactions_survive_a_killed_replica() {
    let mut cluster = Cluster::of(2).await;
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("STOP SLAVE SQL_THREAD")
        .await
        .unwrap();
    let mut app = cluster.nodes[0].app().await;
    for id in 1..=20 {
        app.query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
    }
    app.query_drop("BEGIN").await.unwrap();
    app.query_drop("INSERT INTO app.t VALUES (21), (22)").await.unwrap();
    app.query_drop("UPDATE app.t SET id = id + 100 WHERE id = 22")
        .await
        .unwrap();
    app.query_drop("COMMIT").await.unwrap();
    app.query_drop("CREATE TABLE app.u (id INT)").await.unwrap();
    let primary = cluster.nodes[0].facts().await;
    cluster.nodes[1].kill().await;
    cluster.nodes[0].kill().await;

    let replica = &mut cluster.nodes[1];
    replica.start().await;
    let layout = replica.layout.clone();
    assert_eq!(relay_end(&layout.relay_index()).unwrap(), primary.binlog_pos);
    assert!(replica.rows().await.is_empty());
    let done = timed("salvage of 22 transactions", salvage(replica.session(), LIMIT))
        .await
        .unwrap();
    assert_eq!((done.applied, done.received), (22, primary.binlog_pos.clone()));
    assert_eq!(replica.facts().await.slave_pos, primary.binlog_pos);
    let mut expected: Vec<u64> = (1..=21).collect();
    expected.push(122);
    assert_eq!(replica.rows().await, expected);
    // Again is harmless, before and after another restart.
    assert_eq!(salvage(replica.session(), LIMIT).await.unwrap().applied, 0);
    replica.kill().await;
    replica.start().await;
    assert_eq!(salvage(replica.session(), LIMIT).await.unwrap().applied, 0);
    assert_eq!(replica.rows().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_salvage_can_go_on_after_a_crash_in_its_middle() {
    let mut cluster = Cluster::of(2).await;
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("STOP SLAVE SQL_THREAD")
        .await
        .unwrap();
    let mut app = cluster.nodes[0].app().await;
    for id in 1..=50 {
        app.query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
    }
    let replica = &mut cluster.nodes[1];
    replica.kill().await;
    replica.start().await;
    // Too short a limit leaves the applier running by file and offset; then the machine goes down.
    let cut_short = salvage(replica.session(), std::time::Duration::from_millis(12)).await;
    println!("cut short: {cut_short:?}");
    replica.kill().await;
    replica.start().await;
    salvage(replica.session(), LIMIT).await.unwrap();
    assert_eq!(replica.rows().await, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_relay_log_gives_what_is_whole() {
    let mut cluster = Cluster::of(2).await;
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("STOP SLAVE SQL_THREAD")
        .await
        .unwrap();
    let mut app = cluster.nodes[0].app().await;
    for id in 1..=3 {
        app.query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
    }
    let replica = &mut cluster.nodes[1];
    replica.kill().await;
    let files = log_files(&replica.layout.relay_index()).unwrap();
    let last = std::fs::OpenOptions::new()
        .write(true)
        .open(files.last().unwrap())
        .unwrap();
    last.set_len(last.metadata().unwrap().len() - 10).unwrap();
    drop(last);
    replica.start().await;
    let done = salvage(replica.session(), LIMIT).await.unwrap();
    assert_eq!(done.applied, 2);
    assert!(done.unfinished.is_some());
    assert_eq!(replica.rows().await, [1, 2]);
    // The torn one is fetched again, and nothing is applied twice.
    let relay = Relay::to(cluster.nodes[0].layout.socket()).await;
    let facts = cluster.nodes[0].facts().await;
    cluster.nodes[1].follow(&relay).await;
    cluster.nodes[1].caught_up(&facts).await;
    assert_eq!(cluster.nodes[1].rows().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_salvage_while_replication_runs_is_refused() {
    let mut cluster = Cluster::of(2).await;
    let error = salvage(cluster.nodes[1].session(), LIMIT).await.unwrap_err();
    assert!(matches!(error, ActError::StillReplicating));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_replica_cannot_be_attached_over_its_relay_logs() {
    let mut cluster = Cluster::of(2).await;
    cluster.nodes[1]
        .admin()
        .await
        .query_drop("STOP SLAVE SQL_THREAD")
        .await
        .unwrap();
    cluster.nodes[0]
        .app()
        .await
        .query_drop("INSERT INTO app.t VALUES (1)")
        .await
        .unwrap();
    cluster.nodes[1].kill().await;
    cluster.nodes[1].start().await;
    let error = repoint(cluster.nodes[1].session(), &Backlog::Refuse, LIMIT)
        .await
        .unwrap_err();
    assert!(matches!(error, ActError::Unapplied { .. }), "{error}");
    // The caller may go on if somebody else holds it.
    let elsewhere = cluster.nodes[0].facts().await;
    repoint(
        cluster.nodes[1].session(),
        &Backlog::CoveredBy(elsewhere.binlog_pos.clone()),
        LIMIT,
    )
    .await
    .unwrap();
    cluster.nodes[1].caught_up(&elsewhere).await;
    assert_eq!(cluster.nodes[1].rows().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_own_transactions_that_came_back_are_salvaged_too() {
    let mut cluster = Cluster::of(2).await;
    let mut app = cluster.nodes[0].app().await;
    for id in 1..=3 {
        app.query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
    }
    let facts = cluster.nodes[0].facts().await;
    cluster.nodes[1].caught_up(&facts).await;
    // A node with the primary's server id but without its transactions fetches them back, and is killed before it applied them.
    let mut reborn = Node::started("m1", 1).await;
    let relay = Relay::to(cluster.nodes[1].layout.socket()).await;
    reborn.follow(&relay).await;
    reborn.admin().await.query_drop("STOP SLAVE SQL_THREAD").await.unwrap();
    for _ in 0..1_000 {
        if reborn.facts().await.received().covers(&facts.binlog_pos) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let applied = reborn.facts().await.applied();
    println!("applied {applied} of {}", facts.binlog_pos);
    reborn.kill().await;
    reborn.start().await;
    let done = salvage(reborn.session(), LIMIT).await.unwrap();
    println!("{done:?}");
    assert_eq!(reborn.facts().await.applied(), facts.binlog_pos);
    assert_eq!(reborn.rows().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_cut_anywhere_gives_a_true_prefix_and_a_flipped_bit_is_never_passed_over() {
    let mut cluster = Cluster::of(2).await;
    let mut app = cluster.nodes[0].app().await;
    for id in 1..=3 {
        app.query_drop(format!("INSERT INTO app.t VALUES ({id})"))
            .await
            .unwrap();
    }
    let end = cluster.nodes[0].facts().await.binlog_pos;
    let layout = cluster.nodes[0].layout.clone();
    cluster.nodes[0].kill().await;
    let file = log_files(&layout.binlog_index()).unwrap().pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    let copy = layout.home().join("copy");
    let position = |bytes: &[u8]| {
        std::fs::write(&copy, bytes).unwrap();
        scan(std::slice::from_ref(&copy), true, |_| {}).map(|scan| scan.position.seq(0).unwrap_or_default())
    };
    let last = end.seq(0).unwrap();
    assert_eq!(position(&whole).unwrap(), last);
    let mut before = 0;
    for length in 0..whole.len() {
        let found = position(&whole[..length]).unwrap();
        assert!(found >= before && found < last, "{found} at {length}");
        before = found;
        if length % 10 != 0 {
            continue;
        }
        let mut zeroes = whole[..length].to_vec();
        zeroes.resize(whole.len() + 4096, 0);
        assert!(position(&zeroes).map_or(true, |found| found <= last), "{length}");
    }
    // Any bit: either noticed, or only the end is given up; never a wrong position, never a silent hole.
    let mut noticed = 0;
    for at in (0..whole.len()).step_by(5) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        match position(&flipped) {
            Err(_) => noticed += 1,
            Ok(found) => assert!(found <= last, "{found} at {at}"),
        }
    }
    println!(
        "{noticed} of {} flipped bits were named with their offset",
        whole.len() / 5
    );
    assert!(noticed > whole.len() / 10);
}
