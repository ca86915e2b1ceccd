//! From nothing to open, and through the loss of a primary.

use std::time::Duration;

use quorate_api::rest::{NodeRoleView, NodeStateView, PhaseView, ReasonRequest, SwitchoverRequest};
use quorate_api::tls::Role;
use quorate_model::Progress;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::group::Group;
use crate::played::{Agents, route};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_is_replaced_and_comes_back_as_a_replica() {
    let mut group = Group::new(3);
    group.start();
    let agents = Agents::start(&group);
    let status = group.until("epoch 1 open with both replicas", |status| {
        status.clusters[0].phase == PhaseView::Open && status.clusters[0].ack_set.len() == 2
    });
    let status = status.await;
    let old = status.clusters[0].primary.clone().unwrap();

    let killed = Instant::now();
    agents.kill(&old);
    let status = group.until_open(2).await;
    println!("open again after {:?}", killed.elapsed());
    let cluster = &status.clusters[0];
    assert_ne!(cluster.primary.as_ref(), Some(&old));
    group
        .until("the old primary follows", |status| {
            let nodes = &status.clusters[0].nodes;
            nodes.iter().any(|node| {
                node.id == old && node.role == NodeRoleView::Replica && node.state == NodeStateView::Healthy
            })
        })
        .await;

    let client = group.client("viewer");
    let epoch = client.epoch(2).await.unwrap();
    assert!(
        !epoch.evidence.is_empty() && epoch.deposed.as_ref() == Some(&old),
        "{epoch:?}"
    );
    let kinds: Vec<String> = client
        .events(None, None)
        .await
        .unwrap()
        .events
        .into_iter()
        .map(|event| event.kind)
        .collect();
    for kind in ["policy_changed", "node_registered", "begin", "elect", "open"] {
        assert!(kinds.iter().any(|it| it == kind), "{kind} in {kinds:?}");
    }
    assert!(*agents.leases.lock().unwrap() > 0);
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_hands_over_and_a_pause_stops_it() {
    let mut group = Group::new(1);
    group.start();
    let agents = Agents::start(&group);
    let tasks = TaskTracker::new();
    let (tables, mut seen) = watch::channel(None);
    group
        .until("both replicas", |status| status.clusters[0].ack_set.len() == 2)
        .await;
    let routing = tasks.spawn(route(
        group.issue(Role::Router, "r1"),
        group.links()[0].clone(),
        "r1".to_owned(),
        tables,
    ));
    group
        .until("the router is admitted", |status| status.clusters[0].routers.len() == 1)
        .await;

    let client = group.client("operator");
    let ask = |to: &str, dry_run| SwitchoverRequest {
        to: Some(to.to_owned()),
        why: "test".to_owned(),
        dry_run,
        ..SwitchoverRequest::default()
    };
    let primary = client.status().await.unwrap().clusters[0].primary.clone().unwrap();
    let to = if primary == "m2" { "m3" } else { "m2" };
    let preview = client.switchover(&ask(to, true)).await.unwrap();
    assert!(!preview.committed && preview.plan.unwrap().to == to);
    let begun = client.switchover(&ask(to, false)).await.unwrap();
    assert!(begun.committed && begun.epoch == 2, "{begun:?}");
    let status = group.until_open(2).await;
    assert_eq!(status.clusters[0].primary.as_deref(), Some(to));
    let table = seen.wait_for(|table| {
        table
            .as_ref()
            .is_some_and(|table| table.epoch.0 == 2 && table.writable.is_some())
    });
    assert_eq!(
        table
            .await
            .unwrap()
            .as_ref()
            .unwrap()
            .writable
            .as_ref()
            .unwrap()
            .node
            .as_str(),
        to
    );
    assert!(matches!(agents.progress(to), Progress::Serving { .. }));

    let why = ReasonRequest {
        cluster: None,
        why: "maintenance".to_owned(),
    };
    client.pause(&why).await.unwrap();
    let error = client.switchover(&ask(&primary, false)).await.unwrap_err();
    assert!(error.to_string().contains("paused by operator: maintenance"), "{error}");
    // Paused: a death is not answered.
    agents.kill(to);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(client.status().await.unwrap().clusters[0].epoch, 2);
    client.resume(&why).await.unwrap();
    group.until_open(3).await;
    routing.abort();
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_goes_on_where_the_last_one_stopped() {
    let mut group = Group::new(3);
    group.start();
    let agents = Agents::start(&group);
    let status = group
        .until("both replicas", |status| status.clusters[0].ack_set.len() == 2)
        .await;
    let primary = status.clusters[0].primary.clone().unwrap();
    agents.kill(&primary);
    group.stop_one(&status.answered_by).await;
    // Perhaps under the old primary itself, if it was revoked in time: it holds as much as the others.
    group.until_open(2).await;
    group.stop().await;
}
