//! What the processes cost when nothing happens.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Figure, Unit};
use crate::lab::Lab;

/// How long CPU time is watched.
const WATCH: Duration = Duration::from_secs(10);

/// The processes of one role, and the most that each may cost.
struct Processes {
    role: &'static str,
    pids: Vec<i32>,
    resident_most: f64,
    cpu_targets: &'static [(&'static str, f64)],
}

/// Resident memory and CPU share of every process of an idle lab.
///
/// # Errors
/// If a process cannot be read.
pub async fn idle_costs(lab: &Lab) -> Result<Vec<Figure>> {
    let info = lab.info()?;
    let roles = [
        Processes {
            role: "supervisor",
            pids: info.supervisors.iter().filter_map(|s| s.pid).collect(),
            resident_most: 40.0,
            cpu_targets: &[("max", 2.0)],
        },
        Processes {
            role: "agent",
            pids: info.mariadb.iter().filter_map(|node| node.agent_pid).collect(),
            resident_most: 20.0,
            cpu_targets: &[],
        },
        Processes {
            role: "router",
            pids: info.routers.iter().filter_map(|router| router.pid).collect(),
            resident_most: 15.0,
            cpu_targets: &[],
        },
    ];
    let before: Vec<Vec<f64>> = roles
        .iter()
        .map(|processes| cpu(&processes.pids))
        .collect::<Result<_>>()?;
    tokio::time::sleep(WATCH).await;
    let mut figures = Vec::new();
    for (processes, before) in roles.iter().zip(before) {
        let role = processes.role;
        let after = cpu(&processes.pids)?;
        let used = after.iter().zip(before).map(|(after, before)| after - before);
        let shares = used.map(|seconds| seconds * 100.0 / WATCH.as_secs_f64()).collect();
        let resident = processes.pids.iter().map(|pid| resident(*pid)).collect::<Result<_>>()?;
        let most = [("max", processes.resident_most)];
        figures.extend(Figure::of(
            &format!("idle {role}: resident"),
            Unit::Mebibytes,
            resident,
            &most,
        ));
        figures.extend(Figure::of(
            &format!("idle {role}: cpu"),
            Unit::PercentOfCore,
            shares,
            processes.cpu_targets,
        ));
    }
    Ok(figures)
}

fn resident(pid: i32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// CPU seconds used so far by each process.
fn cpu(pids: &[i32]) -> Result<Vec<f64>> {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    pids.iter()
        .map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let (_, fields) = stat.rsplit_once(')').context("odd /proc stat")?;
            let fields: Vec<&str> = fields.split_whitespace().collect();
            let ticks = |i: usize| -> Result<u64> { Ok(fields.get(i).context("short /proc stat")?.parse()?) };
            let total = ticks(11)?.saturating_add(ticks(12)?);
            #[expect(clippy::cast_precision_loss, reason = "tick counts of minutes are far below 2^52")]
            Ok(total as f64 / ticks_per_second as f64)
        })
        .collect()
}
