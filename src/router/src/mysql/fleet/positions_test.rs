//! Scenario 52 of the catalogue: a position never outlives the stay in which it was learned.

use super::*;

fn endpoint(node: &str) -> Endpoint {
    Endpoint {
        node: node.into(),
        door: format!("{node}:1"),
    }
}

fn table(epoch: u64, writable: Option<&str>, readable: &[&str]) -> RouteTable {
    RouteTable {
        cluster: "lab".into(),
        epoch: Epoch(epoch),
        index: 1,
        revision: 0,
        writable: writable.map(endpoint),
        elected: None,
        readable: readable.iter().map(|node| endpoint(node)).collect(),
    }
}

fn server(fleet: &Fleet, node: &str) -> Arc<Server> {
    fleet.view().server(&node.into()).unwrap().clone()
}

#[test]
fn what_is_known_stays_while_the_node_stays() {
    let fleet = Fleet::new();
    fleet.follow(&table(1, Some("m1"), &["m2", "m3"]));
    server(&fleet, "m2").raise(7);
    server(&fleet, "m2").raise(5);
    fleet.follow(&table(2, Some("m3"), &["m2"]));
    assert_eq!(server(&fleet, "m2").applied(), 7);
    assert_eq!(fleet.view().primary.as_ref().unwrap().node().as_str(), "m3");
    assert_eq!(fleet.view().replicas.len(), 1);
}

#[test]
fn a_node_that_comes_back_is_a_stranger_even_to_what_is_still_learned_of_the_former() {
    let fleet = Fleet::new();
    fleet.follow(&table(1, Some("m1"), &["m2", "m3"]));
    let former = server(&fleet, "m2");
    former.raise(70);
    fleet.follow(&table(1, Some("m1"), &["m3"]));
    fleet.follow(&table(1, Some("m1"), &["m2", "m3"]));
    former.raise(80);
    assert_eq!(server(&fleet, "m2").applied(), 0);
}

#[test]
fn a_doubted_server_starts_afresh_and_keeps_its_load() {
    let fleet = Fleet::new();
    fleet.follow(&table(1, Some("m1"), &["m2"]));
    let former = server(&fleet, "m2");
    former.raise(70);
    former.set_lag(Some(Duration::ZERO), Moment::from_micros(5_000_000));
    let _statement = former.load.begin();
    fleet.doubt(&former);
    let fresh = server(&fleet, "m2");
    assert_eq!((fresh.applied(), fresh.lag(), fresh.load.outstanding()), (0, None, 1));
    // A second report about the former changes nothing.
    fresh.raise(60);
    fleet.doubt(&former);
    assert_eq!(server(&fleet, "m2").applied(), 60);
}

#[test]
fn a_lag_is_kept_with_its_moment() {
    let fleet = Fleet::new();
    fleet.follow(&table(1, None, &["m2"]));
    let m2 = server(&fleet, "m2");
    assert_eq!(m2.lag(), None);
    let at = Moment::from_micros(90 * 86_400 * 1_000_000);
    for (told, kept) in [(0, 0), (1234, 1234), (u64::MAX / 2_000_000, LAG_MAX_MS)] {
        m2.set_lag(Some(Duration::from_millis(told)), at);
        let lag = Duration::from_millis(kept);
        assert_eq!(m2.lag(), Some(Lag { lag, at }));
    }
    m2.set_lag(None, at);
    assert_eq!(m2.lag(), None);
}

#[test]
fn latency_follows_slowly_and_outstanding_exactly() {
    let fleet = Fleet::new();
    fleet.follow(&table(1, None, &["m2"]));
    let load = server(&fleet, "m2").load.clone();
    load.answered(Duration::from_micros(100));
    assert_eq!(load.latency(), Duration::from_micros(100));
    load.answered(Duration::from_micros(900));
    assert_eq!(load.latency(), Duration::from_micros(200));
    let (a, b) = (load.begin(), load.begin());
    assert_eq!(load.outstanding(), 2);
    drop((a, b));
    assert_eq!(load.outstanding(), 0);
}

#[tokio::test]
async fn who_is_elected_leads_but_is_not_open() {
    let fleet = Fleet::new();
    fleet.follow(&table(1, Some("m1"), &["m2", "m3"]));
    let load = server(&fleet, "m2").load.clone();
    fleet.follow(&RouteTable {
        elected: Some(endpoint("m2")),
        ..table(2, None, &["m3"])
    });
    assert!(fleet.view().primary.is_none());
    let (leader, epoch) = fleet.leader().await;
    assert_eq!((leader.node().as_str(), epoch), ("m2", Epoch(2)));
    assert!(Arc::ptr_eq(&leader.load, &load), "the same node");
    fleet.follow(&table(2, Some("m2"), &["m3"]));
    assert!(Arc::ptr_eq(&fleet.open().await.0, &leader));
}
