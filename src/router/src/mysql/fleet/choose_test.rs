//! Nobody unfit is ever chosen, load spreads, sessions stay, and a fallback to the primary says why.

use proptest::prelude::*;
use quorate_model::{Endpoint, Epoch, RouteTable};

use super::*;
use crate::mysql::fleet::positions::Fleet;

const NOW: Moment = Moment::from_micros(60_000_000);

fn fleet(primary: Option<&str>, replicas: &[&str]) -> Arc<Fleet> {
    let endpoint = |node: &str| Endpoint {
        node: node.into(),
        door: format!("{node}:1"),
    };
    let fleet = Fleet::new();
    fleet.follow(&RouteTable {
        cluster: "lab".into(),
        epoch: Epoch(1),
        index: 1,
        revision: 0,
        writable: primary.map(endpoint),
        elected: None,
        readable: replicas.iter().map(|node| endpoint(node)).collect(),
    });
    fleet
}

fn server(fleet: &Fleet, node: &str) -> Arc<Server> {
    fleet.view().server(&node.into()).unwrap().clone()
}

/// Everybody a moment behind, 300 us away.
fn healthy(fleet: &Fleet) {
    for server in fleet.view().servers() {
        server.set_lag(Some(Duration::from_millis(20)), NOW);
        server.load.answered(Duration::from_micros(300));
    }
}

fn ask(turn: usize) -> Ask<'static> {
    Ask {
        now: NOW,
        token: 0,
        max_lag: Duration::from_secs(1),
        monitor: Duration::from_millis(100),
        primary: ReadPrimary::Fallback,
        attached: None,
        turn,
    }
}

fn chosen(fleet: &Fleet, ask: &Ask<'_>) -> String {
    match choose(&fleet.view(), ask) {
        Choice::Replica { server, covers } => format!("{}{}", server.node(), if covers { "" } else { " after a wait" }),
        Choice::Primary(because) => because.text().to_owned(),
        Choice::Nobody => "nobody".to_owned(),
    }
}

#[test]
fn equals_take_turns_and_the_busy_are_spared() {
    let fleet = fleet(Some("m1"), &["m2", "m3"]);
    healthy(&fleet);
    let turns: Vec<_> = (0..4).map(|turn| chosen(&fleet, &ask(turn))).collect();
    assert_eq!(turns, ["m2", "m3", "m2", "m3"]);
    let _busy = server(&fleet, "m2").load.begin();
    assert_eq!(chosen(&fleet, &ask(0)), "m3");
}

#[test]
fn a_slow_server_gets_less_and_a_session_does_not_hop_for_a_trifle() {
    let fleet = fleet(Some("m1"), &["m2", "m3"]);
    healthy(&fleet);
    for _ in 0..50 {
        server(&fleet, "m2").load.answered(Duration::from_micros(550));
    }
    let m2 = "m2".into();
    let attached = Ask {
        attached: Some(&m2),
        ..ask(0)
    };
    assert_eq!(chosen(&fleet, &ask(0)), "m3");
    assert_eq!(chosen(&fleet, &attached), "m2", "not twice as dear");
    let _busy = server(&fleet, "m2").load.begin();
    assert_eq!(chosen(&fleet, &attached), "m3");
}

#[test]
fn who_covers_the_token_is_preferred_but_not_run_over() {
    let fleet = fleet(Some("m1"), &["m2", "m3"]);
    healthy(&fleet);
    server(&fleet, "m3").raise(9);
    let after_write = Ask { token: 9, ..ask(0) };
    assert_eq!(chosen(&fleet, &after_write), "m3");
    let _busy = [0; 2].map(|_| server(&fleet, "m3").load.begin());
    assert_eq!(chosen(&fleet, &after_write), "m2 after a wait");
}

#[test]
fn a_fallback_says_why_and_never_happens_against_the_setting() {
    let nobody_reads = fleet(Some("m1"), &["m2", "m3"]);
    assert_eq!(chosen(&nobody_reads, &ask(0)), "no replica is within the lag bound");
    healthy(&nobody_reads);
    server(&nobody_reads, "m2").set_lag(Some(Duration::from_secs(3600)), NOW);
    assert_eq!(
        chosen(&nobody_reads, &ask(0)),
        "m3",
        "one that is an hour behind moves nobody to the primary"
    );
    server(&nobody_reads, "m3").load.failed(NOW);
    assert_eq!(chosen(&nobody_reads, &ask(0)), "no replica is within the lag bound");
    server(&nobody_reads, "m2").load.failed(NOW);
    assert_eq!(chosen(&nobody_reads, &ask(0)), "every replica has just failed");
    let never = Ask {
        primary: ReadPrimary::Never,
        ..ask(0)
    };
    assert_eq!(chosen(&nobody_reads, &never), "nobody");
    assert_eq!(
        chosen(&fleet(Some("m1"), &[]), &never),
        "the route table names no replica"
    );
    assert_eq!(chosen(&fleet(None, &[]), &ask(0)), "nobody");
}

#[test]
fn a_sharing_primary_is_one_of_the_readers() {
    let fleet = fleet(Some("m1"), &["m2"]);
    healthy(&fleet);
    let share = |turn| Ask {
        primary: ReadPrimary::Share,
        ..ask(turn)
    };
    let turns: Vec<_> = (0..2).map(|turn| chosen(&fleet, &share(turn))).collect();
    assert_eq!(turns, ["m2", "the primary shares the reads"]);
}

#[test]
fn explanations_name_every_replica_and_its_reason() {
    let fleet = fleet(Some("m1"), &["m2", "m3", "m4"]);
    healthy(&fleet);
    server(&fleet, "m3").set_lag(Some(Duration::from_millis(2500)), NOW);
    server(&fleet, "m4").set_lag(None, NOW);
    let said: Vec<_> = findings(&fleet.view(), &ask(0))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "m2 is fit: cost 300 (0 under way, 300 us to answer)",
            "m3 is not read: 2500 ms behind, more than 1000 ms",
            "m4 is not read: its lag was not measured lately",
        ]
    );
}

proptest! {
    #[test]
    fn the_chosen_one_is_fit(
        replicas in proptest::collection::vec(
            (proptest::option::of(0..3000_u64), 0..1500_u64, any::<bool>(), 0..4_usize, 0..5000_u64, 0..20_u64), 0..6),
        token in 0..20_u64,
        turn in any::<usize>(),
        primary in prop_oneof![Just(ReadPrimary::Never), Just(ReadPrimary::Fallback), Just(ReadPrimary::Share)],
        open in any::<bool>(),
    ) {
        let names: Vec<String> = (0..replicas.len()).map(|n| format!("r{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fleet = fleet(open.then_some("m1"), &names);
        let mut busy = Vec::new();
        for (name, (lag_ms, age_ms, failed, outstanding, latency_us, applied)) in names.iter().zip(&replicas) {
            let server = server(&fleet, name);
            let at = Moment::from_micros(NOW.as_micros() - age_ms * 1000);
            server.set_lag(lag_ms.map(Duration::from_millis), at);
            server.raise(*applied);
            server.load.answered(Duration::from_micros(*latency_us));
            if *failed {
                server.load.failed(NOW);
            }
            busy.extend((0..*outstanding).map(|_| server.load.begin()));
        }
        let ask = Ask { token, primary, ..ask(turn) };
        let fit: Vec<_> = replicas
            .iter()
            .map(|(lag, age, failed, ..)| lag.is_some_and(|lag| lag <= 1000) && *age <= 500 && !failed)
            .collect();
        match choose(&fleet.view(), &ask) {
            Choice::Replica { server, covers } => {
                let at = names.iter().position(|name| server.node().as_str() == *name).unwrap();
                prop_assert!(fit[at]);
                prop_assert_eq!(covers, replicas[at].5 >= token);
            }
            Choice::Primary(PrimaryBecause::Shared) => prop_assert!(open && primary == ReadPrimary::Share),
            Choice::Primary(_) => {
                prop_assert!(open && !fit.contains(&true));
                prop_assert!(primary != ReadPrimary::Never || names.is_empty());
            }
            Choice::Nobody => prop_assert!(!fit.contains(&true) && (!open || primary == ReadPrimary::Never)),
        }
    }
}
