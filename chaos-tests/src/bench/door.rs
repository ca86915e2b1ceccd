//! What the door and the router add to a query.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use quorate_api::clock::Clock;
use tokio::task::JoinSet;

use super::{Figure, Unit};
use crate::lab::Lab;
use crate::workloads::SetWorkload;

/// Queries per connection and pass, and passes; the paths take turns so that a drifting machine favours none.
const QUERIES: usize = 400;
const PASSES: usize = 10;
/// Added median that the door may cost.
const ADDED_MOST_US: f64 = 60.0;

/// Latency of `SELECT 1` straight to the server's socket, through its door, and through router and door, at 1 and
/// 32 connections, and what door and router add at the median.
///
/// # Errors
/// If a path does not answer.
pub async fn door_overhead(lab: &Lab) -> Result<Vec<Figure>> {
    let status = lab.status()?;
    let info = lab.info()?;
    let node = info.node(status.primary.as_deref().context("no primary")?)?;
    let router = info.routers.first().context("no router")?;
    let through_door = SetWorkload::options(&info, &node.door)?;
    let direct: Opts = OptsBuilder::from_opts(through_door.clone())
        .socket(node.socket.to_str())
        .prefer_socket(true)
        .into();
    let paths = [
        ("socket", direct),
        ("door", through_door),
        ("router + door", SetWorkload::options(&info, &router.rw)?),
    ];
    let mut figures = Vec::new();
    for connections in [1, 32] {
        let mut samples = vec![Vec::new(); paths.len()];
        for _ in 0..PASSES {
            for (i, (_, options)) in paths.iter().enumerate() {
                samples[i].extend(pass(options, connections).await?);
            }
        }
        let mut medians = Vec::new();
        for ((name, _), samples) in paths.iter().zip(samples) {
            let label = format!("SELECT 1, {connections} connections: {name}");
            let figure = Figure::of(&label, Unit::Microseconds, samples, &[]).context("no samples")?;
            medians.push(figure.p50);
            figures.push(figure);
        }
        let added = |from: usize| vec![medians[from] - medians[0]];
        let label = |name: &str| format!("added median, {connections} connections: {name}");
        figures.extend(Figure::of(
            &label("door"),
            Unit::Microseconds,
            added(1),
            &[("p50", ADDED_MOST_US)],
        ));
        figures.extend(Figure::of(&label("router + door"), Unit::Microseconds, added(2), &[]));
    }
    Ok(figures)
}

async fn pass(options: &Opts, connections: usize) -> Result<Vec<f64>> {
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let mut conn = tokio::time::timeout(Duration::from_secs(10), Conn::new(options.clone())).await??;
        clients.spawn(async move {
            let mut samples = Vec::with_capacity(QUERIES);
            for _ in 0..QUERIES.div_ceil(connections) {
                let sent = Clock.now();
                conn.query_drop("SELECT 1").await?;
                samples.push(Clock.now().since(sent).as_secs_f64() * 1e6);
            }
            conn.disconnect().await?;
            Ok::<_, anyhow::Error>(samples)
        });
    }
    let mut all = Vec::new();
    while let Some(samples) = clients.join_next().await {
        all.extend(samples??);
    }
    Ok(all)
}
