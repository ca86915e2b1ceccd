//! The command line: one file per verb.

mod completions;
mod connect;
mod doctor;
mod epochs;
mod events;
mod explain;
mod generate;
mod lab;
mod pause;
mod pki;
mod role;
mod route;
mod status;
mod switchover;
mod time;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::output::{ColorChoice, Console, EXIT_CODES, Exit, exit_of};

pub(crate) use connect::problem as client_problem;
pub(crate) use status::print as print_status;

/// Keeps a MariaDB tier open for writes: who may write is agreed by three supervisors, and nothing acknowledged is lost.
///
/// Try it: `quorate lab demo` starts everything on this machine and kills the primary before your eyes.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, after_long_help = EXIT_CODES, max_term_width = 110, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Point the operator's verbs at a lab: its folder
    #[arg(long, global = true, env = "QUORATE_LAB", value_name = "DIR", hide_env_values = true)]
    pub(crate) lab: Option<PathBuf>,
    /// REST API of a supervisor; give several, the leader is found
    #[arg(
        long,
        global = true,
        env = "QUORATE_API",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) api: Vec<String>,
    /// File with the bearer token
    #[arg(
        long,
        global = true,
        env = "QUORATE_TOKEN_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Root certificate that signed the supervisors' certificates
    #[arg(long, global = true, env = "QUORATE_CA", value_name = "FILE", hide_env_values = true)]
    pub(crate) ca: Option<PathBuf>,
    /// JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a supervisor: one of the three that agree
    Supervise(role::RoleOptions),
    /// Run an agent: the parent and the door of one mariadbd
    Agent(role::RoleOptions),
    /// Run a router: an application's local address
    Route(route::RouteOptions),
    /// Run all of it on this machine with real servers
    Lab(lab::LabOptions),
    /// Who leads, who replicates, who supervises
    Status(status::StatusOptions),
    /// What is done now, what is not, and why
    Explain,
    /// Hand the primary role over without losing a write
    Switchover(switchover::SwitchoverOptions),
    /// Stop all automatic action; leases and fences stay in force
    Pause(pause::ReasonOptions),
    /// Allow automatic action again
    Resume(pause::ReasonOptions),
    /// What was decided, by whom and why
    Events(events::EventsOptions),
    /// The primary terms with the evidence that each rests on
    Epochs(epochs::EpochsOptions),
    /// Which guarantee is weaker than declared, and what to do
    Doctor,
    /// Make certificates for a site
    Pki(pki::PkiOptions),
    /// Make API tokens
    Token(token::TokenOptions),
    /// Print a completion script for a shell
    Completions(completions::CompletionsOptions),
    /// Write the generated reference pages
    #[command(hide = true)]
    Gen(generate::GenOptions),
}

/// Parses, dispatches and turns the outcome into an exit code.
pub(crate) fn main() -> ExitCode {
    // Before anything that could ask for it; fails only if done before, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
                _ => Exit::Usage,
            }
            .into();
        }
    };
    let console = Console::new(cli.global.color, cli.global.json);
    match dispatch(console, cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            console.error(&error);
            exit_of(&error).into()
        }
    }
}

fn dispatch(console: Console, cli: Cli) -> anyhow::Result<Exit> {
    let Cli { global, verb } = cli;
    match verb {
        Verb::Supervise(options) => role::supervise(console, &options),
        Verb::Agent(options) => role::agent(console, &options),
        Verb::Route(options) => route::route(console, &options),
        Verb::Completions(options) => completions::run(&options, &mut Cli::command()),
        Verb::Gen(options) => generate::run(console, &options, Cli::command()),
        Verb::Pki(options) => pki::run(console, &options),
        Verb::Token(options) => token::run(console, &options),
        Verb::Lab(options) => block_on(lab::run(console, &global, options)),
        Verb::Status(options) => block_on(status::run(console, &global, options)),
        Verb::Explain => block_on(explain::run(console, &global)),
        Verb::Switchover(options) => block_on(switchover::run(console, &global, options)),
        Verb::Pause(options) => block_on(pause::pause(console, &global, options)),
        Verb::Resume(options) => block_on(pause::resume(console, &global, options)),
        Verb::Events(options) => block_on(events::run(console, &global, options)),
        Verb::Epochs(options) => block_on(epochs::run(console, &global, options)),
        Verb::Doctor => block_on(doctor::run(console, &global)),
    }
}

/// One thread is enough for everything but the roles; the lab's runner relies on it (parent death signals follow the
/// thread that started a child).
fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
