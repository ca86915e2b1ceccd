//! `SHOW QUORATE STATUS`, `ROUTES` and `SESSIONS`: columns, and rows of text.

use std::sync::Arc;

use quorate_model::{Moment, NodeId};

use super::card::{Backend, Pin, Snapshot};
use super::choose::{Ask, judge};
use super::pool::{Key, Pool, Pooled};
use super::positions::{Fleet, Server, View};
use super::registry::Registry;
use crate::config::Reads;

/// Columns and rows.
pub(crate) type Shown = (Vec<&'static str>, Vec<Vec<String>>);

/// The router at a glance: a name and a value a row.
pub(crate) fn status<K: Key, B: Pooled>(
    fleet: &Fleet,
    registry: &Registry,
    pool: &Pool<K, B>,
    router: &str,
    reads: &Reads,
    now: Moment,
) -> Shown {
    let view = fleet.view();
    let ask = Ask::any(now, reads);
    let fit = view
        .replicas
        .iter()
        .filter(|server| judge(server, &ask).is_ok())
        .count();
    let (idle, open, waiting) = pool.counts().read();
    let sessions = registry.snapshot();
    let pinned = sessions.iter().filter(|session| !session.pins.is_empty()).count();
    let primary = view.primary.as_ref().map(|primary| primary.node().to_string());
    let rows = [
        ("router", router.to_owned()),
        ("epoch", view.epoch.to_string()),
        ("primary", primary.unwrap_or_else(|| "none is open".to_owned())),
        ("replicas", view.replicas.len().to_string()),
        ("replicas_fit", fit.to_string()),
        ("max_lag_ms", reads.max_lag_ms.to_string()),
        ("acknowledged", format!("0-1-{}", fleet.watermark())),
        ("sessions", sessions.len().to_string()),
        ("sessions_pinned", pinned.to_string()),
        ("backends_busy", open.saturating_sub(idle).to_string()),
        ("backends_idle", idle.to_string()),
        ("waiting_for_backend", waiting.to_string()),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    (vec!["name", "value"], rows.to_vec())
}

/// Every server of the table, whether it is read, and how many `dials` of it may be under way at once.
pub(crate) fn routes(fleet: &Fleet, dials: impl Fn(&NodeId) -> u32, reads: &Reads, now: Moment) -> Shown {
    let view = fleet.view();
    let columns = vec![
        "node",
        "role",
        "door",
        "read",
        "applied",
        "lag_ms",
        "latency_us",
        "under_way",
        "dials",
    ];
    let row = |server: &Arc<Server>| {
        let mut row = route(&view, server, reads, now);
        row.push(dials(server.node()).to_string());
        row
    };
    (columns, view.servers().map(row).collect())
}

fn route(view: &View, server: &Server, reads: &Reads, now: Moment) -> Vec<String> {
    let is = |leader: &Option<Arc<Server>>| leader.as_ref().is_some_and(|leader| leader.node() == server.node());
    let (is_primary, is_elected) = (is(&view.primary), is(&view.elected));
    let read = match judge(server, &Ask::any(now, reads)) {
        Ok(()) => "yes".to_owned(),
        Err(unfit) => format!("no: {unfit}"),
    };
    vec![
        server.node().to_string(),
        match (is_primary, is_elected) {
            (true, _) => "primary",
            (_, true) => "elected",
            _ => "replica",
        }
        .to_owned(),
        server.endpoint.door.clone(),
        if is_primary {
            format!("{:?}", reads.primary).to_lowercase()
        } else if is_elected {
            "no: its epoch is not open yet".to_owned()
        } else {
            read
        },
        server.applied().to_string(),
        server
            .lag()
            .map_or_else(String::new, |measured| measured.lag.as_millis().to_string()),
        server.load.latency().as_micros().to_string(),
        server.load.outstanding().to_string(),
    ]
}

/// Every session and what holds it in place.
///
/// As in a server's process list, who may not see everything sees the sessions of one user, `only`.
pub(crate) fn sessions(registry: &Registry, only: Option<&str>, now: Moment) -> Shown {
    let columns = vec![
        "id",
        "user",
        "client",
        "listener",
        "db",
        "command",
        "time_ms",
        "age_s",
        "commands",
        "on_replica",
        "primary",
        "replica",
        "pinned_by",
    ];
    let rows = registry
        .snapshot()
        .iter()
        .filter(|session| only.is_none_or(|user| session.user == user))
        .map(|session| session_row(session, now))
        .collect();
    (columns, rows)
}

fn session_row(session: &Snapshot, now: Moment) -> Vec<String> {
    let [primary, replica] = &session.backends;
    let (command, time_ms) = session.doing.map_or_else(
        || ("Sleep", String::new()),
        |(command, since)| (command_name(command), now.since(since).as_millis().to_string()),
    );
    let pins: Vec<_> = session.pins.iter().map(|pin| pin_text(pin, now)).collect();
    vec![
        session.id.to_string(),
        session.user.clone(),
        session.address.to_string(),
        session.listener.to_owned(),
        session.database.clone(),
        command.to_owned(),
        time_ms,
        now.since(session.since).as_secs().to_string(),
        session.commands.to_string(),
        session.on_replica.to_string(),
        primary.as_ref().map_or_else(String::new, thread_text),
        replica.as_ref().map_or_else(String::new, thread_text),
        pins.join("; "),
    ]
}

fn thread_text(backend: &Backend) -> String {
    format!("{} thread {}", backend.node, backend.thread)
}

fn pin_text(pin: &Pin, now: Moment) -> String {
    format!("{} for {} s: {}", pin.reason, now.since(pin.since).as_secs(), pin.cause)
}

/// As the server's process list names them.
const fn command_name(command: u8) -> &'static str {
    match command {
        0x01 => "Quit",
        0x02 => "Init DB",
        0x03 => "Query",
        0x04 => "Field List",
        0x0e => "Ping",
        0x11 => "Change user",
        0x12 | 0x1e => "Binlog Dump",
        0x16 => "Prepare",
        0x17 | 0xfa => "Execute",
        0x18 => "Long Data",
        0x19 => "Close stmt",
        0x1a => "Reset stmt",
        0x1b => "Set option",
        0x1c => "Fetch",
        0x1f => "Reset connection",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use quorate_model::{Endpoint, Epoch, RouteTable};

    use super::*;

    const NOW: Moment = Moment::from_micros(9_000_000);

    #[test]
    fn routes_say_why_a_server_is_not_read() {
        let fleet = Fleet::new();
        let endpoint = |node: &str| Endpoint {
            node: node.into(),
            door: format!("{node}:1"),
        };
        fleet.follow(&RouteTable {
            cluster: "lab".into(),
            epoch: Epoch(1),
            index: 1,
            revision: 0,
            writable: Some(endpoint("m1")),
            elected: None,
            readable: vec![endpoint("m2")],
        });
        let (columns, rows) = routes(&fleet, |_| 8, &Reads::default(), NOW);
        assert!(rows.iter().all(|row| row.len() == columns.len()));
        assert_eq!(rows[0][..4], ["m1", "primary", "m1:1", "fallback"]);
        assert_eq!(rows[1][3], "no: its lag was not measured lately");
    }

    #[test]
    fn sessions_name_what_pins_them() {
        let registry = Registry::new(5);
        let client = SocketAddr::from(([127, 0, 0, 1], 9));
        let session = registry.enroll("rw", client, Moment::from_micros(4_000_000));
        session.begin(3, Moment::from_micros(8_500_000));
        session.pin("user lock", "SELECT GET_LOCK('a', 1)", Moment::from_micros(6_000_000));
        let (columns, rows) = sessions(&registry, None, NOW);
        assert_eq!(rows[0].len(), columns.len());
        assert_eq!(rows[0][5..8], ["Query", "500", "5"]);
        assert_eq!(rows[0].last().unwrap(), "user lock for 3 s: SELECT GET_LOCK('a', 1)");
    }
}
