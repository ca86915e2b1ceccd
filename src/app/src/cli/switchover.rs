//! `switchover`: hand the primary role over.

use std::time::Duration;

use quorate_api::client::Client;
use quorate_api::rest::{ActionReply, EpochView, PhaseView, SwitchoverRequest};
use serde::Serialize;
use tokio::time::Instant;

use super::connect::{client, problem};
use super::{Global, time};
use crate::output::{Console, Exit, Problem};

/// How long the new epoch may take to open before this verb gives up watching; the switchover itself aborts earlier.
const WATCH_MAX: Duration = Duration::from_secs(15);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, clap::Args)]
pub(super) struct SwitchoverOptions {
    /// Who shall take over [default: the best replica]
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    why: Option<String>,
    /// Only if this is still the epoch
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Outcome {
    reply: ActionReply,
    opened: Option<EpochView>,
}

pub(super) async fn run(console: Console, global: &Global, options: SwitchoverOptions) -> anyhow::Result<Exit> {
    let client = client(global)?;
    let request = SwitchoverRequest {
        cluster: None,
        to: options.to,
        why: options.why.unwrap_or_else(|| "dry run".to_owned()),
        epoch: options.epoch,
        dry_run: options.dry_run,
    };
    let reply = client.switchover(&request).await.map_err(problem)?;
    if !reply.committed {
        print_plan(console, &reply)?;
        return Ok(Exit::Ok);
    }
    let opened = watch(&client, reply.epoch).await?;
    let handed_over = opened.primary != opened.deposed;
    if console.json {
        console.document(&Outcome {
            reply,
            opened: Some(opened),
        })?;
    } else {
        print_outcome(console, &opened);
    }
    Ok(if handed_over { Exit::Ok } else { Exit::Refused })
}

fn print_plan(console: Console, reply: &ActionReply) -> anyhow::Result<()> {
    if console.json {
        return console.document(&Outcome {
            reply: reply.clone(),
            opened: None,
        });
    }
    match &reply.plan {
        None => console.line("nothing would change"),
        Some(plan) => console.line(format_args!(
            "would hand over from {} to {}: {} transactions to apply first, commits frozen for {} at most",
            plan.from,
            plan.to,
            plan.backlog,
            time::span(plan.freeze_limit_ms)
        )),
    }
    Ok(())
}

/// Waits until `epoch`, or a later one that replaced it, is open.
async fn watch(client: &Client, epoch: u64) -> anyhow::Result<EpochView> {
    let deadline = Instant::now() + WATCH_MAX;
    while Instant::now() < deadline {
        let view = client.status().await.map_err(problem)?;
        let open = view
            .clusters
            .iter()
            .find(|cluster| cluster.epoch >= epoch && cluster.phase == PhaseView::Open);
        if let Some(cluster) = open {
            return client.epoch(cluster.epoch).await.map_err(problem);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Problem::new(
        format!("epoch {epoch} is not open after {} s", WATCH_MAX.as_secs()),
        "it goes on by itself as soon as it can; `quorate explain` says what it waits for",
    )
    .exiting(Exit::Refused)
    .into())
}

fn print_outcome(console: Console, opened: &EpochView) {
    let primary = opened.primary.as_deref().unwrap_or("nobody");
    let after = opened.opened_after_ms.map_or_else(|| "?".to_owned(), time::span);
    if opened.primary == opened.deposed {
        console.line(format_args!(
            "aborted: {primary} serves again under epoch {}; `quorate epochs {}` says why",
            opened.epoch, opened.epoch
        ));
    } else {
        console.line(format_args!(
            "{primary} is primary of epoch {}, open {after} after the decision",
            opened.epoch
        ));
    }
}
