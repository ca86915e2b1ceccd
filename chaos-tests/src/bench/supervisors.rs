//! Writes must not notice that every supervisor is gone.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_api::clock::Clock;

use crate::checkers::write_gap;
use crate::lab::Lab;
use crate::nemesis;
use crate::workloads::SetWorkload;

/// How long writes are watched without supervisors: several leases.
const WATCH: Duration = Duration::from_secs(6);
const RECOVERY: Duration = Duration::from_secs(60);

/// Kills every supervisor under load and returns the longest time between two acknowledgements while they are
/// away. The lab must have been started with `--restart-delay` longer than the watch, or they come back.
///
/// # Errors
/// If writes stop.
pub async fn without_supervisors(lab: &Lab, run: u64) -> Result<Duration> {
    lab.wait_healthy(RECOVERY)?;
    let info = lab.info()?;
    let router = info.routers.first().context("no router in the lab")?;
    let options = SetWorkload::options(&info, &router.rw)?;
    SetWorkload::prepare(&options).await?;
    let workload = SetWorkload::start(&options, 4, run);
    workload.wait_for(50, WATCH).await?;
    let struck = Clock.now();
    for supervisor in &info.supervisors {
        nemesis::kill_supervisor(lab, &supervisor.id)?;
    }
    tokio::time::sleep(WATCH).await;
    workload
        .wait_for(50, WATCH)
        .await
        .context("writes stopped without supervisors")?;
    let history = workload.finish().await?;
    ensure!(
        history.redials <= 4,
        "clients lost their connections: {} dials for 4 writers",
        history.redials
    );
    write_gap(&history, struck).context("nothing was acknowledged without supervisors")
}
