//! `lab status`: who runs where, and what the supervisors say.

use quorate_api::client::Client;
use quorate_api::rest::{PhaseView, StatusView};

use super::dir::LabDir;
use super::inventory::Inventory;
use crate::cli;
use crate::output::{Console, Exit, Tone, table};

/// Shows the lab in `dir`.
pub(crate) async fn show(console: Console, dir: &LabDir) -> anyhow::Result<Exit> {
    let inventory = Inventory::require(dir)?;
    if console.json {
        console.document(&inventory)?;
    } else {
        print(console, dir).await?;
    }
    Ok(if inventory.is_live(dir) {
        Exit::Ok
    } else {
        Exit::Degraded
    })
}

/// The processes, then the supervisors' view.
pub(crate) async fn print(console: Console, dir: &LabDir) -> anyhow::Result<()> {
    let inventory = Inventory::require(dir)?;
    if !inventory.is_live(dir) {
        console.line("the lab's runner is dead: nothing is restarted; `quorate lab down` cleans up");
    }
    console.line(table(console, &["process", "pid", "addresses"], rows(&inventory)));
    match status(&inventory).await {
        Ok(view) => cli::print_status(console, &view),
        Err(error) => console.line(format_args!("no status: {error}")),
    }
    print_addresses(console, dir, &inventory);
    Ok(())
}

/// How any MySQL client gets in.
pub(crate) fn print_addresses(console: Console, dir: &LabDir, inventory: &Inventory) {
    if let Some(router) = inventory.routers.first()
        && let Some((host, port)) = router.rw.rsplit_once(':')
    {
        let app = &inventory.accounts.app;
        console.line(format_args!(
            "write:   mariadb -h {host} -P {port} -u {} -p\"$(cat {})\"",
            app.user,
            dir.secret(&app.user).display()
        ));
        console.line(format_args!("read:    the same with {} (replicas)", router.ro));
    }
    console.line(format_args!("ask:     quorate --lab {} status", dir.path().display()));
    console.line(format_args!(
        "play:    quorate --lab {} lab kill m1",
        dir.path().display()
    ));
}

/// What the supervisors wait for, in words; none while they do not answer.
pub(crate) async fn waiting(inventory: &Inventory) -> Option<String> {
    let view = status(inventory).await.ok()?;
    let cluster = view.clusters.first()?;
    if let Some(held) = cluster.held_back.first() {
        return Some(format!("{}: waiting for {}", held.what, held.waiting_for));
    }
    Some(match (cluster.phase, &cluster.primary) {
        (PhaseView::Open, Some(primary)) => {
            format!("{primary} is primary of epoch {}; opening the router", cluster.epoch)
        }
        (PhaseView::Elected, Some(primary)) => format!("{primary} is elected for epoch {}", cluster.epoch),
        _ => format!("forming epoch {}", cluster.epoch),
    })
}

/// What the supervisors say.
pub(crate) async fn status(inventory: &Inventory) -> anyhow::Result<StatusView> {
    let client = client(inventory)?;
    client.status().await.map_err(cli::client_problem)
}

fn client(inventory: &Inventory) -> anyhow::Result<Client> {
    let token = std::fs::read_to_string(&inventory.token_file)?;
    let ca = std::fs::read(&inventory.ca)?;
    Client::new(inventory.apis(), token.trim(), &ca).map_err(cli::client_problem)
}

fn rows(inventory: &Inventory) -> Vec<Vec<(String, Tone)>> {
    let row = |id: &str, pid: Option<u32>, addresses: String| {
        vec![
            (id.to_owned(), Tone::Strong),
            pid.map_or_else(
                || ("not running".to_owned(), Tone::Bad),
                |pid| (pid.to_string(), Tone::Plain),
            ),
            (addresses, Tone::Plain),
        ]
    };
    let supervisors = inventory
        .supervisors
        .iter()
        .map(|it| row(&it.id, it.pid, it.api.clone()));
    let nodes = inventory.mariadb.iter().flat_map(|it| {
        [
            row(&it.id, it.pid, it.socket.display().to_string()),
            row(&format!("{} agent", it.id), it.agent_pid, it.door.clone()),
        ]
    });
    let routers = inventory.routers.iter().map(|it| {
        row(
            &it.id,
            it.pid,
            format!("rw {}  ro {}  tunnel {}", it.rw, it.ro, it.tunnel),
        )
    });
    supervisors.chain(nodes).chain(routers).collect()
}
