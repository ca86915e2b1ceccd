//! Planted bugs: plans that a broken planner would make. The audit must catch each.

use quorate_model::{Cause, Change, Epoch, EpochRecord, Order, Plan, RouteTable, RouterId, Task};
use quorate_planner::audit;

use super::scene::{Scene, following, gated, incarnation, node, ready, revoked, set};

fn found(scene: &Scene, change: impl FnOnce(&mut Plan)) -> Vec<&'static str> {
    let mut plan = scene.plan();
    change(&mut plan);
    audit(&plan, &scene.state, &scene.seen, scene.now)
        .into_iter()
        .map(|violation| violation.invariant)
        .collect()
}

fn with(scene: &Scene, change: Change) -> Vec<&'static str> {
    found(scene, |plan| plan.changes = vec![change])
}

fn elect(scene: &Scene, candidate: &str, required: &str, ack_set: &[&str]) -> Change {
    Change::Elect {
        epoch: scene.state.epoch,
        candidate: node(candidate),
        required: set(required),
        ack_set: ack_set.iter().map(|name| (node(name), incarnation(name))).collect(),
        positions: [].into(),
        evidence: vec![quorate_model::Evidence::new("test", "planted")],
    }
}

fn ordered(scene: &Scene, name: &str, task: Task) -> Vec<&'static str> {
    let order = Order {
        epoch: scene.state.epoch,
        index: scene.state.index,
        task,
    };
    found(scene, |plan| {
        plan.orders.insert(node(name), order);
    })
}

#[test]
fn an_election_without_all_of_the_ack_set() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    assert!(with(&scene, elect(&scene, "m2", "0-1-100", &["m3"])).contains(&"I4"));
}

#[test]
fn an_election_of_one_who_lacks_rows() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-101"));
    assert!(with(&scene, elect(&scene, "m2", "0-1-100", &["m3"])).contains(&"I4"));
    assert!(with(&scene, elect(&scene, "m3", "0-1-101", &["m2"])).is_empty());
}

#[test]
fn an_election_on_a_member_that_does_not_vouch_or_was_wiped() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    scene.again("m3", |report| report.vouch = false);
    assert!(with(&scene, elect(&scene, "m2", "0-1-100", &["m3"])).contains(&"I4"));
    scene.again("m3", |report| {
        report.vouch = true;
        report.incarnation = incarnation("other");
    });
    assert!(with(&scene, elect(&scene, "m2", "0-1-100", &["m3"])).contains(&"I4"));
}

#[test]
fn an_election_below_what_was_agreed() {
    let mut scene = Scene::elected();
    scene.crash("m2");
    scene.step();
    scene.hear(revoked("m3", 3, "0-1-99"));
    assert!(with(&scene, elect(&scene, "m3", "0-1-99", &["m1"])).contains(&"I14"));
}

#[test]
fn an_election_in_the_wrong_phase_or_with_itself_as_witness() {
    let scene = Scene::open();
    assert!(with(&scene, elect(&scene, "m2", "0-1-100", &["m3"])).contains(&"I1"));
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    scene.hear(revoked("m3", 2, "0-1-100"));
    assert!(with(&scene, elect(&scene, "m2", "0-1-100", &["m2"])).contains(&"I3"));
}

#[test]
fn an_old_primary_opened_in_place_after_a_restart() {
    let mut scene = Scene::handing_over();
    scene.hear(revoked("m1", 2, "0-1-100"));
    assert!(with(&scene, elect(&scene, "m1", "0-1-100", &["m2", "m3"])).contains(&"I4"));
}

#[test]
fn an_abort_that_forgets_who_could_acknowledge() {
    let mut scene = Scene::handing_over();
    scene.pass(601);
    scene.refresh();
    assert!(
        with(&scene, elect(&scene, "m1", "0-1-100", &["m2", "m3"])).contains(&"I4"),
        "not frozen"
    );
    scene.again("m1", |report| {
        report.promised = Epoch(2);
        report.progress = quorate_model::Progress::Frozen {
            epoch: Epoch(2),
            position: set("0-1-110"),
        };
    });
    assert!(with(&scene, elect(&scene, "m1", "0-1-110", &["m2", "m3"])).is_empty());
    assert!(with(&scene, elect(&scene, "m1", "0-1-110", &["m2"])).contains(&"I3"));
    assert!(with(&scene, elect(&scene, "m1", "0-1-100", &["m2", "m3"])).contains(&"I14"));
}

#[test]
fn an_epoch_that_jumps_or_begins_in_a_pause() {
    let mut scene = Scene::open();
    let begin = |epoch: u64| Change::Begin {
        epoch: Epoch(epoch),
        cause: Cause::PrimaryDown,
        evidence: vec![quorate_model::Evidence::new("m1", "dead")],
    };
    assert!(with(&scene, begin(3)).contains(&"I1"));
    assert!(with(&scene, begin(1)).contains(&"I1"));
    assert!(with(&scene, begin(2)).is_empty());
    scene.commit(Change::Paused { why: "test".to_owned() });
    assert!(with(&scene, begin(2)).contains(&"I19"));
}

#[test]
fn a_bootstrap_over_data() {
    let mut scene = Scene::forming();
    let mut used = gated("m2");
    used.pristine = false;
    scene.hear(used);
    let change = Change::Begin {
        epoch: Epoch(1),
        cause: Cause::Bootstrap,
        evidence: vec![quorate_model::Evidence::new("m1", "untouched")],
    };
    assert!(with(&scene, change).contains(&"I4"));
}

#[test]
fn an_opening_before_the_epoch_row_or_before_the_readers_are_gone() {
    let mut scene = Scene::elected();
    let open = Change::Open {
        epoch: Epoch(2),
        barrier: "0-2-101".parse().unwrap(),
        evidence: vec![quorate_model::Evidence::new("m2", "ready")],
    };
    assert!(with(&scene, open.clone()).contains(&"I15"));
    scene.hear(ready("m2", 2, "0-2-101", &["m3"]));
    scene.again("m1", |report| report.fenced = Epoch(1));
    scene.seen.leader_since = scene.now;
    assert!(with(&scene, open.clone()).contains(&"I9"));
    scene.router("r1", 2);
    assert!(with(&scene, open).is_empty());
}

#[test]
fn a_member_removed_while_it_can_acknowledge_or_without_a_barrier() {
    let mut scene = Scene::open();
    let removal = |scene: &Scene| Change::AckSetChanged {
        epoch: scene.state.epoch,
        ack_set: [(node("m2"), incarnation("m2"))].into(),
        evidence: Vec::new(),
    };
    assert!(with(&scene, removal(&scene)).contains(&"I3"));
    scene.again("m1", |report| {
        report.ackable.remove(&node("m3"));
    });
    assert!(with(&scene, removal(&scene)).is_empty());
    scene.facts("m1", |facts| facts.binlog_pos = set("0-1-101"));
    assert!(with(&scene, removal(&scene)).contains(&"I5"));
}

#[test]
fn acknowledgements_from_outside_the_agreed_set() {
    let scene = Scene::open();
    let task = Task::Serve {
        ack_set: [node("m2"), node("m9")].into(),
        routers: [RouterId::new("r1")].into(),
    };
    assert!(ordered(&scene, "m1", task).contains(&"I3"));
    let task = Task::Serve {
        ack_set: [node("m2")].into(),
        routers: [RouterId::new("r9")].into(),
    };
    assert!(ordered(&scene, "m1", task).contains(&"I9"));
}

#[test]
fn roles_that_nobody_was_elected_for() {
    let scene = Scene::open();
    let serve = Task::Serve {
        ack_set: [node("m3")].into(),
        routers: [].into(),
    };
    assert!(ordered(&scene, "m2", serve).contains(&"I8"));
    assert!(ordered(&scene, "m1", Task::Revoke).contains(&"I8"));
    let freeze = Task::Freeze {
        limit: std::time::Duration::from_millis(500),
    };
    assert!(ordered(&scene, "m1", freeze).contains(&"I13"));
    let follow = Task::Follow {
        source: node("m3"),
        source_door: "m3:4000".to_owned(),
    };
    assert!(ordered(&scene, "m2", follow).contains(&"I8"));
}

#[test]
fn a_diverged_or_unseen_node_told_to_follow() {
    let mut scene = Scene::elected();
    scene.hear(revoked("m1", 2, "0-1-104"));
    let follow = || Task::Follow {
        source: node("m2"),
        source_door: "m2:4000".to_owned(),
    };
    assert!(ordered(&scene, "m1", follow()).contains(&"I12"));
    scene.crash("m1");
    assert!(ordered(&scene, "m1", follow()).contains(&"I12"));
    scene.hear(following("m1", 1, "m9", "0-1-90"));
    assert!(ordered(&scene, "m1", follow()).is_empty());
}

#[test]
fn orders_of_another_epoch_or_below_a_promise() {
    let mut scene = Scene::open();
    let stale = found(&scene, |plan| {
        if let Some(order) = plan.orders.get_mut(&node("m2")) {
            order.epoch = Epoch(0);
        }
    });
    assert!(stale.contains(&"I16"));
    let plan = scene.plan();
    scene.again("m2", |report| report.promised = Epoch(9));
    let found = audit(&plan, &scene.state, &scene.seen, scene.now);
    assert!(found.iter().any(|violation| violation.invariant == "I2"));
}

#[test]
fn a_lease_or_a_route_for_an_epoch_that_is_not_open() {
    let scene = Scene::elected();
    let leased = found(&scene, |plan| plan.lease = Some((node("m2"), Epoch(2))));
    assert!(leased.contains(&"I10"));
    let routed = found(&scene, |plan| {
        plan.routes = Some(RouteTable {
            writable: Some(quorate_model::Endpoint {
                node: node("m2"),
                door: "m2:4000".to_owned(),
            }),
            ..plan.routes.clone().unwrap()
        });
    });
    assert!(routed.contains(&"I9"));
}

#[test]
fn a_directory_replaced_under_a_proof() {
    let scene = Scene::failed_over();
    let change = Change::NodeRegistered {
        node: node("m3"),
        incarnation: incarnation("new"),
        server_id: 9,
    };
    assert!(with(&scene, change).contains(&"I4"));
}

#[test]
fn what_only_people_decide() {
    let scene = Scene::open();
    assert!(
        with(
            &scene,
            Change::Paused {
                why: "bored".to_owned()
            }
        )
        .contains(&"I20")
    );
}

#[test]
fn history_keeps_the_evidence() {
    let scene = Scene::elected();
    let record: &EpochRecord = scene.state.history.back().unwrap();
    assert_eq!(record.primary, Some(node("m2")));
    assert!(
        record
            .evidence
            .iter()
            .any(|evidence| evidence.fact.contains("received 0-1-100"))
    );
    assert_eq!(record.positions.len(), 2);
}
