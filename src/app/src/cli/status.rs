//! `status`: who leads, who replicates, who supervises.

use quorate_api::rest::{ClusterStatus, MemberRole, NodeRoleView, NodeStateView, NodeStatus, PhaseView, StatusView};

use super::connect::{client, problem};
use super::{Global, time};
use crate::output::{Console, Exit, Tone, table};

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct StatusOptions {
    /// Ask again every second until Ctrl-C
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(console: Console, global: &Global, options: StatusOptions) -> anyhow::Result<Exit> {
    let client = client(global)?;
    loop {
        let view = client.status().await.map_err(problem)?;
        if console.json {
            if options.watch {
                console.record(&view)?;
            } else {
                console.document(&view)?;
            }
        } else {
            print(console, &view);
        }
        if !options.watch {
            return Ok(health(&view));
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// Healthy, degraded or blocked.
fn health(view: &StatusView) -> Exit {
    let blocked = |cluster: &ClusterStatus| cluster.phase == PhaseView::Blocked;
    let healthy = |cluster: &ClusterStatus| {
        cluster.phase == PhaseView::Open
            && cluster.alarms.is_empty()
            && cluster.nodes.iter().all(|node| node.state == NodeStateView::Healthy)
            && cluster
                .supervisors
                .iter()
                .all(|it| matches!(it.role, MemberRole::Leader | MemberRole::Follower))
    };
    if view.clusters.iter().any(blocked) {
        Exit::Refused
    } else if view.clusters.iter().all(healthy) {
        Exit::Ok
    } else {
        Exit::Degraded
    }
}

/// The status as tables.
pub(crate) fn print(console: Console, view: &StatusView) {
    if view.clusters.is_empty() {
        console.line("no cluster is declared yet: the supervisors have not elected a leader");
    }
    for cluster in &view.clusters {
        print_cluster(console, cluster);
    }
    if !view.from_leader {
        console.line(format_args!(
            "{} answered, which does not lead: this is its own view",
            view.answered_by
        ));
    }
}

fn print_cluster(console: Console, cluster: &ClusterStatus) {
    console.line(format_args!(
        "cluster {}: epoch {} {} for {}, primary {}",
        cluster.name,
        cluster.epoch,
        phase(cluster.phase),
        time::span(cluster.phase_ms),
        cluster.primary.as_deref().unwrap_or("none"),
    ));
    let nodes = cluster
        .nodes
        .iter()
        .map(|node| node_row(node, &cluster.ack_set))
        .collect();
    console.line(table(console, &["node", "role", "state", "gtid", "lag", "note"], nodes));
    let supervisors = cluster.supervisors.iter().map(|it| {
        let (role, tone) = member(it.role);
        vec![
            (it.id.clone(), Tone::Strong),
            (role.to_owned(), tone),
            (it.term.to_string(), Tone::Plain),
            (it.api.clone(), Tone::Plain),
        ]
    });
    console.line(table(
        console,
        &["supervisor", "role", "term", "api"],
        supervisors.collect(),
    ));
    let routers: Vec<_> = cluster
        .routers
        .iter()
        .map(|it| {
            let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            let behind = it.confirmed.is_none_or(|confirmed| confirmed < cluster.epoch);
            vec![
                (it.id.clone(), Tone::Strong),
                (number(it.confirmed), if behind { Tone::Middling } else { Tone::Good }),
                (number(it.connections), Tone::Plain),
                (number(it.held), Tone::Plain),
                (it.silent_ms.map_or_else(|| "-".to_owned(), time::span), Tone::Plain),
            ]
        })
        .collect();
    if !routers.is_empty() {
        console.line(table(
            console,
            &["router", "epoch", "connections", "held", "heard"],
            routers,
        ));
    }
    print_remarks(console, cluster);
}

fn print_remarks(console: Console, cluster: &ClusterStatus) {
    match &cluster.forecast.successor {
        Some(next) => console.line(format_args!(
            "if the primary died now: {next} takes over; {}",
            cluster.forecast.note
        )),
        None => console.line(format_args!(
            "if the primary died now: nobody could take over; {}",
            cluster.forecast.note
        )),
    }
    if let Some(pause) = &cluster.paused {
        console.line(format_args!(
            "PAUSED by {} since {}: {} (`quorate resume` ends it)",
            pause.by,
            time::moment(pause.at_unix_ms),
            pause.why
        ));
    }
    for held in &cluster.held_back {
        let until = held
            .until_ms
            .map_or_else(String::new, |ms| format!(", for {} at most", time::span(ms)));
        console.line(format_args!(
            "held back: {}; waits for {}{until}",
            held.what, held.waiting_for
        ));
    }
    for alarm in &cluster.alarms {
        console.line(format_args!("ALARM: {alarm}"));
    }
}

fn node_row(node: &NodeStatus, ack_set: &[String]) -> Vec<(String, Tone)> {
    let role = match node.role {
        NodeRoleView::Primary => ("primary".to_owned(), Tone::Strong),
        NodeRoleView::Replica if ack_set.contains(&node.id) => ("replica, acknowledges".to_owned(), Tone::Plain),
        NodeRoleView::Replica => ("replica".to_owned(), Tone::Middling),
        NodeRoleView::None => ("-".to_owned(), Tone::Middling),
    };
    vec![
        (node.id.clone(), Tone::Strong),
        role,
        state(node.state),
        (node.gtid.clone(), Tone::Plain),
        (node.lag_ms.map_or_else(|| "-".to_owned(), time::span), Tone::Plain),
        (node.note.clone(), Tone::Plain),
    ]
}

fn state(state: NodeStateView) -> (String, Tone) {
    let (text, tone) = match state {
        NodeStateView::Healthy => ("healthy", Tone::Good),
        NodeStateView::Joining => ("joining", Tone::Middling),
        NodeStateView::Lagging => ("lagging", Tone::Middling),
        NodeStateView::Down => ("down", Tone::Bad),
        NodeStateView::Silent => ("silent", Tone::Bad),
        NodeStateView::Diverged => ("diverged", Tone::Bad),
        NodeStateView::Unknown => ("unknown", Tone::Middling),
    };
    (text.to_owned(), tone)
}

const fn phase(phase: PhaseView) -> &'static str {
    match phase {
        PhaseView::Forming => "forming",
        PhaseView::Revoking => "revoking",
        PhaseView::Blocked => "BLOCKED",
        PhaseView::Elected => "elected",
        PhaseView::Open => "open",
    }
}

const fn member(role: MemberRole) -> (&'static str, Tone) {
    match role {
        MemberRole::Leader => ("leader", Tone::Strong),
        MemberRole::Follower => ("follower", Tone::Plain),
        MemberRole::Learner => ("learner", Tone::Middling),
        MemberRole::Absent => ("absent", Tone::Bad),
    }
}
