//! `pause` and `resume`.

use quorate_api::rest::{ActionReply, ReasonRequest};

use super::Global;
use super::connect::{client, problem};
use crate::output::{Console, Exit};

/// Why something is done.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ReasonOptions {
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    why: String,
}

impl From<ReasonOptions> for ReasonRequest {
    fn from(options: ReasonOptions) -> Self {
        Self {
            cluster: None,
            why: options.why,
        }
    }
}

pub(super) async fn pause(console: Console, global: &Global, options: ReasonOptions) -> anyhow::Result<Exit> {
    let reply = client(global)?.pause(&options.into()).await.map_err(problem)?;
    report(
        console,
        &reply,
        "paused: nothing is done automatically until `quorate resume`",
    )
}

pub(super) async fn resume(console: Console, global: &Global, options: ReasonOptions) -> anyhow::Result<Exit> {
    let reply = client(global)?.resume(&options.into()).await.map_err(problem)?;
    report(console, &reply, "resumed: failures are acted upon again")
}

fn report(console: Console, reply: &ActionReply, done: &str) -> anyhow::Result<Exit> {
    if console.json {
        console.document(reply)?;
    } else {
        console.line(done);
    }
    Ok(Exit::Ok)
}
