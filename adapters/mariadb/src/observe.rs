//! Everything the agent wants to know about its server, in one round trip.
//!
//! Only variables, status counters and replication state are read: a DDL that waits for an acknowledgement holds
//! metadata locks, and whatever touches tables or `information_schema` then hangs.

use std::io;
use std::time::Duration;

use mysql_async::Row;
use quorate_model::{GtidSet, IoThread};
use tokio::time::timeout;

use crate::error::SqlError;
use crate::session::{Session, cell, column};

const OBSERVE: &str = "observe the server";

const QUERY: &str = "SELECT @@server_id AS server_id, @@gtid_binlog_pos AS binlog_pos, @@gtid_binlog_state AS binlog_state, \
    @@gtid_slave_pos AS slave_pos, @@read_only AS read_only, @@event_scheduler AS event_scheduler, \
    @@rpl_semi_sync_master_enabled AS master_enabled, @@rpl_semi_sync_slave_enabled AS slave_enabled; \
    SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Threads_connected', 'Rpl_semi_sync_master_status', \
    'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_no_tx', 'Rpl_semi_sync_master_yes_tx', \
    'Rpl_semi_sync_master_wait_sessions', 'Rpl_semi_sync_slave_status'); \
    SHOW ALL SLAVES STATUS";

/// What the server said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `server_id`.
    pub server_id: u32,
    /// Since its start.
    pub uptime: Duration,
    /// Connections, ours included.
    pub threads_connected: u64,
    /// `gtid_binlog_pos`.
    pub binlog_pos: GtidSet,
    /// `gtid_binlog_state`: the fingerprint of everything it ever logged.
    pub binlog_state: GtidSet,
    /// `gtid_slave_pos`.
    pub slave_pos: GtidSet,
    /// `read_only`.
    pub read_only: bool,
    /// Whether events fire.
    pub event_scheduler: bool,
    /// The acknowledging and the acknowledged side.
    pub semi_sync: SemiSync,
    /// How it replicates; none if it was never told to.
    pub replication: Option<Replication>,
}

/// Semi-sync variables and counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SemiSync {
    /// `rpl_semi_sync_master_enabled`.
    pub master_enabled: bool,
    /// `Rpl_semi_sync_master_status`.
    pub master_on: bool,
    /// `rpl_semi_sync_slave_enabled`.
    pub slave_enabled: bool,
    /// `Rpl_semi_sync_slave_status`.
    pub slave_on: bool,
    /// Replicas that acknowledge.
    pub clients: u64,
    /// Commits acknowledged by a replica.
    pub yes_tx: u64,
    /// Commits acknowledged by nobody. Any rise is an incident.
    pub no_tx: u64,
    /// Commits that wait now.
    pub wait_sessions: u64,
}

/// `SHOW ALL SLAVES STATUS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replication {
    /// The receiving thread.
    pub io: IoThread,
    /// Whether the applier runs.
    pub applier: bool,
    /// `Gtid_IO_Pos`: empty after a restart until replication starts.
    pub io_pos: GtidSet,
    /// Whether it replicates by GTID (it does not during a salvage).
    pub by_gtid: bool,
    /// The port it dials.
    pub source_port: u16,
    /// The server it reads from.
    pub source_server_id: u32,
    /// Last receiving error.
    pub io_error: Option<ReplicationError>,
    /// Last applying error.
    pub applier_error: Option<ReplicationError>,
    /// `Seconds_Behind_Master`; none while unknown.
    pub seconds_behind: Option<u64>,
}

/// An error of a replication thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationError {
    /// The server's number.
    pub code: u32,
    /// The server's words.
    pub text: String,
}

impl ReplicationError {
    /// Whether the source no longer has, or never had, what this node needs next: only a rebuild helps.
    #[must_use]
    pub const fn needs_rebuild(&self) -> bool {
        self.code == 1236
    }
}

impl Facts {
    /// What this node holds applied: the replicated position, or its own binlog where that is further.
    #[must_use]
    pub fn applied(&self) -> GtidSet {
        further(&self.slave_pos, &self.binlog_pos)
    }

    /// What this node holds at all, applied or only received.
    #[must_use]
    pub fn received(&self) -> GtidSet {
        let applied = self.applied();
        self.replication
            .as_ref()
            .map_or_else(|| applied.clone(), |replication| further(&applied, &replication.io_pos))
    }

    /// The same in the words that agents report to the supervisors. The lag comes from the heartbeat row, which is read
    /// by [`crate::probe::newest_heartbeat`] because it is a table.
    #[must_use]
    pub fn report(&self, lag: Option<Duration>) -> quorate_model::ServerFacts {
        let replication = self.replication.as_ref();
        quorate_model::ServerFacts {
            binlog_pos: self.binlog_pos.clone(),
            binlog_state: self.binlog_state.clone(),
            applied: self.applied(),
            received: self.received(),
            read_only: self.read_only,
            semi_sync_armed: self.semi_sync.master_enabled && self.semi_sync.master_on,
            unprotected_commits: self.semi_sync.no_tx,
            waiting_commits: self.semi_sync.wait_sessions,
            io: replication.map_or(IoThread::No, |r| r.io),
            applier: replication.is_some_and(|r| r.applier),
            replication_error: replication
                .and_then(|r| r.applier_error.as_ref().or(r.io_error.as_ref()))
                .map(|error| format!("{} (error {})", error.text, error.code)),
            lag_ms: lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// Per domain the GTID with the higher sequence. Sound where one history is a prefix of the other, as within one node.
pub(crate) fn further(one: &GtidSet, other: &GtidSet) -> GtidSet {
    let mut gtids: Vec<_> = one
        .iter()
        .filter(|gtid| other.seq(gtid.domain).is_none_or(|seq| gtid.seq >= seq))
        .collect();
    gtids.extend(
        other
            .iter()
            .filter(|gtid| one.seq(gtid.domain).is_none_or(|seq| gtid.seq > seq)),
    );
    gtids.into_iter().collect()
}

/// Asks the server. What it received is durable when this returns.
///
/// # Errors
/// No answer within the limit, or one that is not a 10.11 server's; or what it received cannot be made durable.
pub async fn observe(session: &mut Session, limit: Duration) -> Result<Facts, SqlError> {
    let sets = session.row_sets(OBSERVE, QUERY, limit).await?;
    let [variables, status, replication] = sets.as_slice() else {
        return Err(unexpected(&format!("{} result sets", sets.len())));
    };
    let variables = variables.first().ok_or_else(|| unexpected("no variables"))?;
    let mut facts = from_variables(variables)?;
    apply_status(&mut facts, status);
    facts.replication = replication.first().map(from_replication).transpose()?;
    // Whoever hears a position relies on it, for instance by deleting relay logs that hold the same. What is applied is durable.
    if !facts.applied().covers(&facts.received()) {
        let durable = timeout(limit, session.relay_logs().make_durable()).await;
        durable
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(SqlError::NotDurable)?;
    }
    Ok(facts)
}

fn from_variables(row: &Row) -> Result<Facts, SqlError> {
    let flag = |name: &str| column::<u8>(row, name).unwrap_or_default() == 1;
    Ok(Facts {
        server_id: column(row, "server_id").ok_or_else(|| unexpected("no server_id"))?,
        binlog_pos: gtids(row, "binlog_pos")?,
        binlog_state: gtids(row, "binlog_state")?,
        slave_pos: gtids(row, "slave_pos")?,
        read_only: flag("read_only"),
        event_scheduler: column::<String>(row, "event_scheduler").is_some_and(|value| value == "ON"),
        semi_sync: SemiSync {
            master_enabled: flag("master_enabled"),
            slave_enabled: flag("slave_enabled"),
            ..SemiSync::default()
        },
        ..Facts::default()
    })
}

fn apply_status(facts: &mut Facts, rows: &[Row]) {
    for row in rows {
        let (Some(name), Some(value)) = (cell::<String>(row, 0), cell::<String>(row, 1)) else {
            continue;
        };
        let number = value.parse().unwrap_or_default();
        let semi_sync = &mut facts.semi_sync;
        match name.as_str() {
            "Uptime" => facts.uptime = Duration::from_secs(number),
            "Threads_connected" => facts.threads_connected = number,
            "Rpl_semi_sync_master_status" => semi_sync.master_on = value == "ON",
            "Rpl_semi_sync_slave_status" => semi_sync.slave_on = value == "ON",
            "Rpl_semi_sync_master_clients" => semi_sync.clients = number,
            "Rpl_semi_sync_master_no_tx" => semi_sync.no_tx = number,
            "Rpl_semi_sync_master_yes_tx" => semi_sync.yes_tx = number,
            "Rpl_semi_sync_master_wait_sessions" => semi_sync.wait_sessions = number,
            _ => {}
        }
    }
}

fn from_replication(row: &Row) -> Result<Replication, SqlError> {
    let text = |name: &str| column::<String>(row, name).unwrap_or_default();
    let error = |code: &str, message: &str| {
        let code = column::<u32>(row, code).filter(|code| *code != 0)?;
        Some(ReplicationError {
            code,
            text: text(message),
        })
    };
    Ok(Replication {
        io: match text("Slave_IO_Running").as_str() {
            "Yes" => IoThread::Yes,
            "No" => IoThread::No,
            // "Connecting" and "Preparing": not stopped, it may still attach.
            _ => IoThread::Connecting,
        },
        applier: text("Slave_SQL_Running") == "Yes",
        io_pos: gtids(row, "Gtid_IO_Pos")?,
        by_gtid: text("Using_Gtid") != "No",
        source_port: column(row, "Master_Port").unwrap_or_default(),
        source_server_id: column(row, "Master_Server_Id").unwrap_or_default(),
        io_error: error("Last_IO_Errno", "Last_IO_Error"),
        applier_error: error("Last_SQL_Errno", "Last_SQL_Error"),
        seconds_behind: column(row, "Seconds_Behind_Master"),
    })
}

fn gtids(row: &Row, name: &str) -> Result<GtidSet, SqlError> {
    let text: String = column(row, name).unwrap_or_default();
    text.parse().map_err(|error| unexpected(&format!("{name}: {error}")))
}

fn unexpected(detail: &str) -> SqlError {
    SqlError::Unexpected {
        operation: OBSERVE,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> GtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn the_further_position_wins_in_each_domain() {
        assert_eq!(further(&set("0-1-5"), &set("0-2-7,1-1-1")), set("0-2-7,1-1-1"));
        assert_eq!(further(&set("0-1-5"), &set("0-1-5")), set("0-1-5"));
        assert_eq!(further(&set(""), &set("0-1-5")), set("0-1-5"));
        assert_eq!(further(&set("0-1-9"), &set("0-2-7")), set("0-1-9"));
    }
}
