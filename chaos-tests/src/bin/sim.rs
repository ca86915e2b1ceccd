//! Runs the deterministic simulation over many seeds, or one seed with its story.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use quorate_chaos::sim::{Outcome, repeat_command, run};

/// Drives the real supervisor, agent and router machines in virtual time.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Tell the story.
    #[arg(long)]
    trace: bool,
    /// How many threads; as many as there are processors if not given.
    #[arg(long)]
    threads: Option<usize>,
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let outcome = run(seed, None, args.trace);
        for line in &outcome.lines {
            println!("{line}");
        }
        println!(
            "seed {seed}: {} events, {} ms of virtual time, {} epochs, {} writes confirmed, hash {:016x}",
            outcome.events,
            outcome.span / 1000,
            outcome.epochs,
            outcome.promised,
            outcome.hash
        );
        return end(&[outcome]);
    }
    let outcomes = run_many(&args);
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.breach.is_some()).collect();
    for outcome in failed.iter().take(3) {
        let story = run(outcome.seed, None, true);
        let skip = story.lines.len().saturating_sub(40);
        for line in story.lines.iter().skip(skip) {
            println!("{line}");
        }
    }
    let epochs: u64 = outcomes.iter().map(|outcome| outcome.epochs).sum();
    let promised: usize = outcomes.iter().map(|outcome| outcome.promised).sum();
    let events: u64 = outcomes.iter().map(|outcome| outcome.events).sum();
    let span: u64 = outcomes.iter().map(|outcome| outcome.span).sum();
    println!(
        "{} s of virtual time, {events} events, {epochs} epochs, {promised} writes confirmed",
        span / 1_000_000
    );
    end(&outcomes)
}

fn run_many(args: &Args) -> Vec<Outcome> {
    let next = AtomicU64::new(args.from);
    let end = args.from.saturating_add(args.seeds);
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = run(seed, None, false);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let mut outcomes = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn end(outcomes: &[Outcome]) -> ExitCode {
    let mut failed = 0_usize;
    for outcome in outcomes {
        if let Some(breach) = &outcome.breach {
            failed += 1;
            println!(
                "seed {}: {} broken at {} ms: {}",
                outcome.seed,
                breach.invariant,
                breach.at / 1000,
                breach.what
            );
            println!("  repeat it: {}", repeat_command(outcome.seed));
        }
    }
    println!("{} passed, {failed} failed", outcomes.len().saturating_sub(failed));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
