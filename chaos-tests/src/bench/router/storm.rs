//! Five thousand clients that all write in the moment in which the primary is killed: how long until each has its answer. A server
//! bears a tenth of them at a time; the router lets them through in turn.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::path::{Path, PathName};
use super::process::resident_kib;
use super::stage::Stage;
use crate::bench::{Figure, Unit};
use crate::nemesis;
use crate::wire::{Login, Session, caps};
use crate::workloads::{Storm, each_once};

/// Clients, where the limit of open files has room.
const CLIENTS: usize = 5_000;
/// What an operator raises for so many: they may all be held, and all of them wait for a connection. The first two of each are
/// what the lab has.
const RAISED: [(&str, &str); 2] = [
    ("hold_max: 1024", "hold_max: 6000"),
    ("waiters_max: 4096", "waiters_max: 6000"),
];
const RECOVERY: Duration = Duration::from_secs(60);

/// One failover.
struct Round {
    took: Duration,
    errors: f64,
}

/// SIGKILLs the primary's server `rounds` times under clients of the split path. Nothing if that path is not measured.
///
/// # Errors
/// If the tier does not recover, a connection breaks, or a row is missing or there twice.
pub fn storms(stage: &Stage<'_>, rounds: usize, say: impl Fn(&str)) -> Result<Vec<Figure>> {
    let Some(path) = stage.paths.iter().find(|path| path.name == PathName::Split) else {
        return Ok(Vec::new());
    };
    let clients = Storm::room(CLIENTS)?;
    raise(stage)?;
    let pid = path.pid.context("no router")?;
    let mut storm = Storm::gather(&login(stage, path), clients)?;
    let before = resident_kib(pid)?;
    let mut seen = Vec::new();
    for _ in 0..rounds {
        seen.push(one(stage, path, &mut storm, clients, &say)?);
    }
    let grown = resident_kib(pid)?.saturating_sub(before);
    Ok(figures(clients, &seen, grown))
}

#[expect(clippy::cast_precision_loss, reason = "KiB and clients are far below 2^52")]
fn figures(clients: usize, rounds: &[Round], grown_kib: u64) -> Vec<Figure> {
    let name = |what: &str| format!("storm, {clients} conn: {what}");
    let took: Vec<_> = rounds.iter().map(|round| round.took).collect();
    let errors = rounds.iter().map(|round| round.errors).collect();
    let each = vec![grown_kib as f64 / clients as f64];
    [
        Figure::of_gaps(&name("time until all are answered"), &took, &[]),
        Figure::of(&name("errors seen by clients"), Unit::Count, errors, &[("max", 0.0)]),
        Figure::of(&name("memory that stays, for each"), Unit::Kibibytes, each, &[]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Gives the router settings for so many clients, while it serves.
fn raise(stage: &Stage<'_>) -> Result<()> {
    let router = stage.lab.info()?.routers.first().context("no router")?.id.clone();
    let file = stage.lab.dir().join("conf").join(format!("{router}.yaml"));
    let mut settings = std::fs::read_to_string(&file)?;
    for (old, new) in RAISED {
        ensure!(settings.contains(old), "no `{old}` in {}", file.display());
        settings = settings.replace(old, new);
    }
    std::fs::write(&file, settings)?;
    nemesis::reload_router(stage.lab, &router)
}

fn login(stage: &Stage<'_>, path: &Path) -> Login {
    Login {
        address: format!("{}:{}", path.host, path.port),
        user: stage.account.user.clone(),
        password: stage.account.password.clone(),
        database: Some("app".to_owned()),
        caps: caps::DEPRECATE_EOF,
        collation: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "clients are far below 2^52")]
fn one(stage: &Stage<'_>, path: &Path, storm: &mut Storm, clients: usize, say: &impl Fn(&str)) -> Result<Round> {
    let primary = stage.lab.wait_healthy(RECOVERY)?.primary.context("no primary")?;
    // Through the router as well: a server has no connection left beside its.
    let mut session = Session::open(&login(stage, path))?;
    session.run("SET @quorate_causal_reads = 'global'")?;
    session.run("CREATE OR REPLACE TABLE storm (id INT PRIMARY KEY AUTO_INCREMENT, client INT, KEY (client))")?;
    nemesis::kill_server(stage.lab, &primary)?;
    let calmed = storm.strike("storm")?;
    let errors = clients - calmed.done;
    if errors == 0 {
        each_once(&mut session, "storm", clients)?;
    }
    say(&format!(
        "  killed {primary}: {clients} clients answered within {:?}, {errors} errors {:?}",
        calmed.took, calmed.errors
    ));
    Ok(Round {
        took: calmed.took,
        errors: errors as f64,
    })
}
