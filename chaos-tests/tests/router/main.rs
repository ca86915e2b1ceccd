//! The MySQL router on real servers: what applications see through it is what they see without it.
//!
//! ```text
//!   scenarios/   s50 … s74, each a promise of its own
//!   differ       random statements, directly and through the router, packet by packet
//!   clients      the same suite by real clients of several languages
//! ```
//! One lab serves all tests, one after the other; those that kill come last. Nothing here asserts a time.

mod clients;
mod differ;
mod scenarios;
mod sidecar;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use quorate_api::clock::Clock;

use world::World;

/// One named test.
type Case = (&'static str, fn(&World) -> Result<()>);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One lab, and tests that kill its servers.
    arguments.test_threads = Some(1);
    let world: Arc<OnceLock<Result<World, String>>> = Arc::new(OnceLock::new());
    let cases = scenarios::QUIET
        .iter()
        .chain(&[differ::CASES, clients::CASES])
        .chain(scenarios::KILLING);
    let trials = cases.copied().flatten().map(|(name, run)| {
        let world = world.clone();
        Trial::test(*name, move || {
            let world = world.get_or_init(|| World::up().map_err(|error| format!("{error:#}")));
            let world = world.as_ref().map_err(Failed::from)?;
            let begun = Clock.now();
            let result = run(world).map_err(|error| format!("{error:#}"));
            // Beside the harness's own line: which tests are dear, and at once what went wrong.
            let said = result
                .as_ref()
                .err()
                .map_or_else(String::new, |error| format!("{error}\n"));
            let _ = write!(std::io::stderr(), "[{:.1?}] {said}", Clock.now().since(begun));
            result.map_err(Failed::from)
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
