//! What classifying costs; printed, not asserted.
//!
//! `cargo test --release -p quorate-router --lib -- --ignored --nocapture mysql::sql::speed`

use std::hint::black_box;
use std::time::Instant;

use super::classify::classify;
use super::lex::Dialect;

const STATEMENTS: [&str; 5] = [
    "SELECT c FROM sbtest1 WHERE id=123",
    "SELECT c FROM sbtest1 WHERE id BETWEEN 4993 AND 5092 ORDER BY c",
    "SELECT u.id, u.name, COUNT(*) FROM users u JOIN orders o ON o.user_id=u.id WHERE u.id IN (1,2,3,4) GROUP BY u.id LIMIT 10",
    "INSERT INTO sbtest1 (id, k, c, pad) VALUES (5012, 4988, '83868641912-28773972837', '67847967377-48000963322')",
    "COMMIT",
];

const ROUNDS: u32 = 10_000;
const BATCHES: u32 = 50;

/// The best of many short batches: on a busy machine the others measure its neighbours.
#[test]
#[ignore = "prints figures; run it in release mode"]
#[expect(clippy::disallowed_methods, reason = "measures its own duration")]
fn classifying() {
    for statement in STATEMENTS {
        let batch = |_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                black_box(classify(black_box(statement.as_bytes()), Dialect::default()));
            }
            start.elapsed() / ROUNDS
        };
        let best = (0..BATCHES).map(batch).min().unwrap();
        println!("{:4} ns for {} bytes: {statement}", best.as_nanos(), statement.len());
    }
}
