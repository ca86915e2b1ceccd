//! Write gaps under faults of the primary, with every acknowledged write looked for afterwards.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mysql_async::Opts;
use quorate_api::clock::Clock;

use crate::checkers::{Loss, lost_writes, stored_ids, write_gap};
use crate::lab::{ClusterStatus, Lab};
use crate::nemesis;
use crate::workloads::{History, SetWorkload};

/// Clients that write during a fault.
const WRITERS: u64 = 4;
/// Writes that must flow before and after a fault.
const WARM: u64 = 50;
/// Longest that writes may stand still before a round is called failed.
const STANDSTILL: Duration = Duration::from_secs(20);
/// Longest that the tier may take until every node is back in its place.
const RECOVERY: Duration = Duration::from_secs(60);

/// What a series of faults showed.
#[derive(Debug)]
pub struct FaultRun {
    /// One gap per fault.
    pub gaps: Vec<Duration>,
    /// All writes against what is stored at the end.
    pub loss: Loss,
    /// Connections that clients had to dial again.
    pub redials: u64,
}

/// SIGKILLs the primary's server, `rounds` times.
///
/// # Errors
/// If the tier does not recover between two faults.
pub async fn kills(lab: &Lab, rounds: u64, first_run: u64) -> Result<FaultRun> {
    run(
        lab,
        rounds,
        first_run,
        |primary| nemesis::kill_server(lab, primary),
        |_| Ok(()),
    )
    .await
}

/// SIGSTOPs the primary's agent and server together, lets the tier fail over, and thaws them, `rounds` times.
///
/// # Errors
/// If the tier does not recover between two faults.
pub async fn freezes(lab: &Lab, rounds: u64, first_run: u64) -> Result<FaultRun> {
    run(
        lab,
        rounds,
        first_run,
        |primary| nemesis::freeze(lab, primary),
        |primary| nemesis::thaw(lab, primary),
    )
    .await
}

/// Switches over to the best replica, `rounds` times.
///
/// # Errors
/// If a switchover is refused or the tier does not recover between two.
pub async fn switchovers(lab: &Lab, rounds: u64, first_run: u64) -> Result<FaultRun> {
    let switch = |_: &str| lab.must(&["switchover", "--why", "bench"]).map(drop);
    run(lab, rounds, first_run, switch, |_| Ok(())).await
}

async fn run(
    lab: &Lab,
    rounds: u64,
    first_run: u64,
    fault: impl Fn(&str) -> Result<()>,
    undo: impl Fn(&str) -> Result<()>,
) -> Result<FaultRun> {
    let info = lab.info()?;
    let router = info.routers.first().context("no router in the lab")?;
    let options = SetWorkload::options(&info, &router.rw)?;
    SetWorkload::prepare(&options).await?;
    let mut history = History::default();
    let mut gaps = Vec::new();
    for round in 0..rounds {
        let before = lab.wait_healthy(RECOVERY)?;
        let (mut one, gap) = round_of(&options, first_run.saturating_add(round), &before, &fault, &undo)
            .await
            .with_context(|| format!("round {round}"))?;
        gaps.push(gap);
        history.writes.append(&mut one.writes);
        history.redials = history.redials.saturating_add(one.redials);
        let after = lab.wait_healthy(RECOVERY)?;
        ensure!(
            after.epoch > before.epoch,
            "round {round}: epoch {} did not end",
            before.epoch
        );
        ensure!(
            after.primary != before.primary,
            "round {round}: {:?} still leads",
            before.primary
        );
    }
    let runs: std::collections::BTreeSet<u64> = history.writes.iter().map(|write| write.id >> 40).collect();
    let mut stored = stored_ids(&options).await?;
    stored.retain(|id| runs.contains(&(id >> 40)));
    Ok(FaultRun {
        gaps,
        loss: lost_writes(&history, &stored),
        redials: history.redials,
    })
}

async fn round_of(
    options: &Opts,
    run: u64,
    before: &ClusterStatus,
    fault: impl Fn(&str) -> Result<()>,
    undo: impl Fn(&str) -> Result<()>,
) -> Result<(History, Duration)> {
    let primary = before.primary.as_deref().context("no primary")?;
    let workload = SetWorkload::start(options, WRITERS, run);
    workload.wait_for(WARM, STANDSTILL).await?;
    let struck = Clock.now();
    fault(primary)?;
    let flowing = workload.wait_for(WARM, STANDSTILL).await;
    undo(primary)?;
    let history = workload.finish().await?;
    flowing?;
    let gap = write_gap(&history, struck).context("nothing was acknowledged after the fault")?;
    Ok((history, gap))
}
