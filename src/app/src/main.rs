//! The `quorate` binary: the only place where everything is named together.
//!
//! ```text
//!  main ─► cli (clap) ─┬─► supervise / agent / route   configuration ─► telemetry ─► the role's run()
//!                      ├─► lab                         all roles on this machine, with real servers
//!                      └─► status, switchover, ...     the REST API, as tables or JSON
//! ```
//!
//! Start reading at [`cli`]; the lab is in [`lab`].

mod cli;
mod config;
mod lab;
mod output;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
