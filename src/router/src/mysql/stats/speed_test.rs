//! What recording costs; printed, not asserted.
//!
//! `cargo test --release -p quorate-router --lib -- --ignored --nocapture mysql::stats::speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::digests::{Digests, RanOn, Sample};

const ROUNDS: u32 = 1_000_000;

#[test]
#[ignore = "prints figures; run it in release mode"]
#[expect(clippy::disallowed_methods, reason = "measures its own duration")]
fn recording() {
    let digests = Digests::new(1, 1000);
    let start = Instant::now();
    for round in 0..u64::from(ROUNDS) {
        let sample = Sample {
            shape: black_box((round % 50).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            took: Duration::from_micros(round % 3000),
            rows: 1,
            failed: false,
            ran_on: RanOn::Replica(1),
            at: Duration::from_secs(round),
        };
        digests.record(0, &sample, || "SELECT ?".into());
    }
    println!("{:4} ns to record a statement", (start.elapsed() / ROUNDS).as_nanos());
}
