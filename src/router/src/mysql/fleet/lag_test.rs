//! Lags as a router sees them: without common clocks, across failovers, beyond its own memory.

use super::*;

const S: u64 = 1_000_000_000_000;

fn ms(at: u64) -> Moment {
    Moment::from_micros(at * 1000)
}

fn reading(at: u64, sequence: u64, beat: Option<(u64, u64)>) -> Reading {
    Reading {
        asked: ms(at),
        sequence,
        beat: beat.map(|(epoch, written_ms)| Beat {
            epoch: Epoch(epoch),
            written_ms,
        }),
    }
}

fn lag(reference: &Reference, at: u64, sequence: u64, beat: Option<(u64, u64)>) -> Option<u128> {
    let lag = reference.lag(reading(at, sequence, beat), ms(at));
    lag.map(|lag| lag.as_millis())
}

#[test]
fn a_replica_is_as_new_as_the_primary_was_when_last_seen_there() {
    let mut reference = Reference::default();
    assert_eq!(lag(&reference, 0, S, None), None);
    reference.read(Epoch(1), reading(1000, S + 1, None));
    reference.read(Epoch(1), reading(1100, S + 1, None));
    reference.read(Epoch(1), reading(1200, S + 9, None));
    assert_eq!(lag(&reference, 1210, S + 9, None), Some(10));
    assert_eq!(lag(&reference, 1210, S + 20, None), Some(10));
    assert_eq!(lag(&reference, 1210, S + 8, None), Some(110));
    assert_eq!(lag(&reference, 1210, S, None), None, "never seen there");
}

#[test]
fn an_idle_primary_leaves_nobody_behind() {
    let mut reference = Reference::default();
    for at in 0..1000 {
        reference.read(Epoch(1), reading(at * 100, S + 5, None));
    }
    assert_eq!(lag(&reference, 99_950, S + 5, None), Some(50));
}

#[test]
fn the_heartbeat_tells_what_history_does_not_however_wrong_the_clocks() {
    // The primary's clock is ahead by 7,000,000 ms. A beat a second, seen 30 to 90 ms later.
    let mut reference = Reference::default();
    for n in 0..100_u64 {
        let written = n * 1000;
        let seen = written + 30 + (n * 7) % 60;
        reference.read(Epoch(1), reading(seen, S + n, Some((1, written + 7_000_000))));
    }
    let behind = lag(&reference, 99_500, 0, Some((1, 10_000 + 7_000_000))).unwrap();
    assert!((89_400..=89_500).contains(&behind), "{behind}");
    // The same row written by an earlier primary says nothing, since its clock is not known.
    assert_eq!(lag(&reference, 99_500, 0, Some((0, 10_000 + 7_000_000))), None);
}

#[test]
fn a_clock_that_was_set_makes_nobody_look_fresh() {
    for jump in [-3_600_000_i64, 3_600_000] {
        let mut reference = Reference::default();
        for n in 0..40_u64 {
            let skew = 10_000_000 + if n < 20 { 0 } else { jump };
            let written = u64::try_from(i64::try_from(n * 1000).unwrap() + skew).unwrap();
            reference.read(Epoch(1), reading(n * 1000 + 40, S + n, Some((1, written))));
        }
        let old_beat = 10_000_000 + 10_000;
        let behind = lag(&reference, 40_000, 0, Some((1, old_beat))).unwrap();
        assert!(behind >= 29_900, "{jump}: {behind}");
    }
}

#[test]
fn nobody_falls_behind_while_no_primary_is_open() {
    let mut reference = Reference::default();
    reference.read(Epoch(1), reading(1000, S + 1, None));
    reference.closed(ms(1050));
    reference.closed(ms(5000));
    assert_eq!(lag(&reference, 9000, S + 1, None), Some(50));
    reference.opened(ms(9000));
    assert_eq!(lag(&reference, 9030, S + 1, None), Some(80));
    // The new primary lacks what was never acknowledged; it is its own measure from the first reading on.
    reference.read(Epoch(2), reading(9040, S, None));
    assert_eq!(lag(&reference, 9050, S, None), Some(10));
}

#[test]
fn a_long_history_is_thinned_out_and_never_flatters() {
    let mut reference = Reference::default();
    for n in 0..10_000_u64 {
        reference.read(Epoch(1), reading(n * 100, S + n, None));
    }
    assert!(reference.marks.len() <= MARKS_MAX);
    for n in (0..10_000_u64).step_by(37) {
        let truth = u128::from(999_900 - n * 100);
        if let Some(behind) = lag(&reference, 999_900, S + n, None) {
            assert!(behind >= truth, "{n}: {behind} < {truth}");
        }
    }
    assert_eq!(lag(&reference, 999_900, S + 9_990, None), Some(900));
}
