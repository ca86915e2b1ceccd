//! Faults of the supervisors.

use quorate_chaos::bench::without_supervisors;
use quorate_chaos::nemesis;
use quorate_chaos::workloads::SetWorkload;

use super::{Alone, RECOVERY};

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_without_any_supervisor() {
    let alone = Alone::up(&["--restart-delay", "never"]);
    without_supervisors(&alone.lab, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_supervisor_less_changes_nothing_and_writes_keep_their_connections() {
    let alone = Alone::up(&[]);
    SetWorkload::prepare(&alone.options()).await.unwrap();
    let before = alone.lab.status().unwrap();
    let workload = SetWorkload::start(&alone.options(), 4, 1);
    workload.wait_for(50, RECOVERY).await.unwrap();
    // The leader is the one that is missed most.
    nemesis::kill_supervisor(&alone.lab, before.leader().unwrap()).unwrap();
    workload.wait_for(200, RECOVERY).await.unwrap();
    let history = workload.finish().await.unwrap();
    assert_eq!(history.redials, 4, "a client lost its connection");
    let after = alone.lab.wait_healthy(RECOVERY).unwrap();
    assert_eq!((after.epoch, after.primary), (before.epoch, before.primary));
}

/// With its node gone and one ack-set member frozen nothing is safe yet, so the failover stands in its first phase when its
/// leader dies; the next leader goes on from the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_whose_leader_dies_while_revoking_is_completed_by_the_next() {
    let alone = Alone::up(&["--restart-delay", "3s"]);
    let before = alone.lab.status().unwrap();
    let old = before.primary.clone().unwrap();
    let replica = before.ack_set.last().unwrap().clone();
    nemesis::freeze(&alone.lab, &replica).unwrap();
    nemesis::kill_agent(&alone.lab, &old).unwrap();
    let stuck = alone
        .lab
        .wait("the failover to stand", RECOVERY, |status| {
            status.epoch > before.epoch && status.phase != "open"
        })
        .unwrap();
    nemesis::kill_supervisor(&alone.lab, stuck.leader().unwrap()).unwrap();
    alone
        .lab
        .wait("another leader", RECOVERY, |status| {
            status.leader().is_some_and(|leader| Some(leader) != stuck.leader())
        })
        .unwrap();
    nemesis::thaw(&alone.lab, &replica).unwrap();
    let after = alone.lab.wait_healthy(RECOVERY).unwrap();
    assert!(after.epoch > before.epoch);
}

/// With the old primary and the router frozen nobody confirms that its readers are gone, so an elected primary waits for the end
/// of the lease: the second phase stands for about a second. A slow machine may miss it, hence the attempts.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_whose_leader_dies_while_elected_is_completed_by_the_next() {
    const ATTEMPTS: u32 = 5;
    let alone = Alone::up(&[]);
    let mut caught = false;
    for _ in 0..ATTEMPTS {
        let before = alone.lab.wait_healthy(RECOVERY).unwrap();
        let old = before.primary.clone().unwrap();
        nemesis::freeze_router(&alone.lab, "r1").unwrap();
        nemesis::freeze(&alone.lab, &old).unwrap();
        let seen = alone
            .lab
            .wait("an election", RECOVERY, |status| {
                status.epoch > before.epoch && (status.phase == "elected" || status.phase == "open")
            })
            .unwrap();
        if seen.phase == "elected" {
            caught = true;
            nemesis::kill_supervisor(&alone.lab, seen.leader().unwrap()).unwrap();
        }
        alone
            .lab
            .wait("the epoch to open", RECOVERY, |status| {
                status.phase == "open" && status.epoch > before.epoch
            })
            .unwrap();
        nemesis::thaw(&alone.lab, &old).unwrap();
        nemesis::thaw_router(&alone.lab, "r1").unwrap();
        let after = alone.lab.wait_healthy(RECOVERY).unwrap();
        assert_ne!(after.primary, Some(old));
        if caught {
            return;
        }
    }
    panic!("no leader was caught between its election of a primary and the opening in {ATTEMPTS} attempts");
}
