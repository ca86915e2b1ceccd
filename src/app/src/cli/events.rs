//! `events`: what was decided, by whom and why.

use std::time::Duration;

use quorate_api::rest::{EventPage, EventView};

use super::connect::{client, problem};
use super::{Global, time};
use crate::output::{Console, Exit};

/// How often `--follow` asks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct EventsOptions {
    /// Keep printing new ones until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Only those after this log index
    #[arg(long, value_name = "INDEX")]
    after: Option<u64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(super) async fn run(console: Console, global: &Global, options: EventsOptions) -> anyhow::Result<Exit> {
    let client = client(global)?;
    let mut after = options.after;
    loop {
        let page = client.events(after, Some(options.limit)).await.map_err(problem)?;
        print(console, &page, options.follow)?;
        after = Some(page.next);
        if !options.follow {
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

fn print(console: Console, page: &EventPage, follow: bool) -> anyhow::Result<()> {
    if console.json && !follow {
        return console.document(page);
    }
    if page.gap && !console.json {
        console.remark("(older events are no longer kept)");
    }
    for event in &page.events {
        if console.json {
            console.record(event)?;
        } else {
            console.line(line(event));
        }
    }
    Ok(())
}

fn line(event: &EventView) -> String {
    format!(
        "{}  #{:<6} epoch {:<4} {:<14} {} [{}]",
        time::moment(event.at_unix_ms),
        event.index,
        event.epoch,
        event.kind,
        event.what,
        event.by
    )
}
