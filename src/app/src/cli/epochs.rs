//! `epochs`: the primary terms with the evidence that each rests on.

use quorate_api::rest::EpochView;

use super::connect::{client, problem};
use super::{Global, time};
use crate::output::{Console, Exit, Tone, table};

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct EpochsOptions {
    /// One epoch, with its evidence
    epoch: Option<u64>,
}

pub(super) async fn run(console: Console, global: &Global, options: EpochsOptions) -> anyhow::Result<Exit> {
    let client = client(global)?;
    match options.epoch {
        None => {
            let list = client.epochs().await.map_err(problem)?;
            if console.json {
                console.document(&list)?;
            } else {
                let rows = list.epochs.iter().map(row).collect();
                console.line(table(
                    console,
                    &["epoch", "began", "cause", "from", "to", "decided", "open", "by"],
                    rows,
                ));
            }
        }
        Some(epoch) => {
            let view = client.epoch(epoch).await.map_err(problem)?;
            if console.json {
                console.document(&view)?;
            } else {
                print(console, &view);
            }
        }
    }
    Ok(Exit::Ok)
}

fn row(view: &EpochView) -> Vec<(String, Tone)> {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
    let after = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("+{}", time::span(ms)));
    vec![
        (view.epoch.to_string(), Tone::Strong),
        (time::moment(view.began_unix_ms), Tone::Plain),
        (view.cause.clone(), Tone::Plain),
        (name(&view.deposed), Tone::Plain),
        (name(&view.primary), Tone::Strong),
        (after(view.elected_after_ms), Tone::Plain),
        (after(view.opened_after_ms), Tone::Plain),
        (view.by.clone(), Tone::Plain),
    ]
}

fn print(console: Console, view: &EpochView) {
    console.line(table(
        console,
        &["epoch", "began", "cause", "from", "to", "decided", "open", "by"],
        vec![row(view)],
    ));
    console.line(format_args!("required position: {}", view.required));
    for (node, position) in &view.positions {
        console.line(format_args!("{node} had received {position}"));
    }
    for evidence in &view.evidence {
        console.line(format_args!("{}: {}", evidence.source, evidence.fact));
    }
}
