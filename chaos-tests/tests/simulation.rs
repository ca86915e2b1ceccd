//! The simulation itself: equal seeds are equal runs, and planted defects are found.

use quorate_chaos::sim::{Sabotage, repeat_command, run};

#[test]
fn a_seed_decides_everything() {
    for seed in [1, 7, 42, 1000, 123_456] {
        let first = run(seed, None, true);
        let second = run(seed, None, true);
        assert_eq!(first.hash, second.hash, "seed {seed} is not one run");
        assert_eq!(first.lines, second.lines, "seed {seed} tells two stories");
        assert_ne!(first.hash, run(seed + 1, None, true).hash);
    }
}

#[test]
fn a_failing_seed_says_how_to_repeat_it() {
    assert_eq!(
        repeat_command(17),
        "cargo run -p quorate-chaos --bin sim -- --seed 17 --trace"
    );
}

/// The first seed that notices, and what it says.
fn found(sabotage: Sabotage, seeds: u64) -> Option<(u64, &'static str)> {
    (1..=seeds).find_map(|seed| {
        let breach = run(seed, Some(sabotage), false).breach?;
        Some((seed, breach.invariant))
    })
}

#[test]
fn every_planted_defect_is_found() {
    let missed: Vec<Sabotage> = Sabotage::ALL
        .into_iter()
        .filter(|sabotage| {
            let found = found(*sabotage, 400);
            println!("{sabotage:?}: {found:?}");
            found.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
