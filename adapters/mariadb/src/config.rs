//! Renders the server's configuration file: the contract, the boot gate and the tuning.
//!
//! The file is the whole configuration (`--defaults-file`). A file of the operator's is included *before* ours, so that
//! it can tune the server but not weaken the contract.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::contract;
use crate::durable;
use crate::layout::{Layout, RELAY_LOG};

/// Sizes and limits that no promise rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// `innodb_buffer_pool_size`, in MiB.
    pub buffer_pool_mib: u32,
    /// `innodb_log_file_size`, in MiB.
    pub redo_log_mib: u32,
    /// `max_connections`.
    pub connections_max: u32,
    /// `max_binlog_size` in MiB: also bounds what a boot and a salvage have to read.
    pub binlog_mib: u32,
    /// How long binlogs are kept for replicas that are away.
    pub binlog_kept: Duration,
}

impl Tuning {
    /// Small enough for three servers on a laptop.
    #[must_use]
    pub const fn lab() -> Self {
        Self {
            buffer_pool_mib: 48,
            redo_log_mib: 32,
            connections_max: 500,
            binlog_mib: 64,
            binlog_kept: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Everything the file depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where the server's files are.
    pub layout: Layout,
    /// From the data directory's identity.
    pub server_id: u32,
    /// How the node calls itself in `SHOW SLAVE HOSTS`.
    pub report_host: String,
    /// Sizes and limits.
    pub tuning: Tuning,
    /// A file of the operator's, read before ours.
    pub include: Option<PathBuf>,
}

impl ServerConfig {
    /// The file's text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text =
            String::from("# Written by the agent at every start. Changes are overwritten and found by the doctor.\n");
        if let Some(include) = &self.include {
            let _infallible = writeln!(text, "!include {}", include.display());
        }
        text.push_str("[mariadbd]\n");
        for (name, value) in self.own_settings() {
            let _infallible = writeln!(text, "{name} = {value}");
        }
        text.push_str("# The contract: see the doctor's findings for what each line guarantees.\n");
        for rule in contract::boot_rules() {
            // `log_bin` takes a base name in a file and shows a boolean as a variable.
            let value = if rule.variable == "log_bin" {
                "binlog"
            } else {
                rule.value
            };
            let _infallible = writeln!(text, "{} = {value}", rule.variable);
        }
        text
    }

    /// Writes the file where the layout says.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self) -> io::Result<()> {
        durable::replace(&self.layout.config_file(), self.render().as_bytes(), 0o640)
    }

    fn own_settings(&self) -> Vec<(&'static str, String)> {
        let path = |path: &std::path::Path| path.display().to_string();
        let text = str::to_owned;
        let tuning = &self.tuning;
        vec![
            ("datadir", path(&self.layout.datadir())),
            // Not the shared temporary folder: every starting server deletes the temporary tables it finds there.
            ("tmpdir", path(&self.layout.datadir())),
            ("socket", path(self.layout.socket())),
            ("pid_file", path(&self.layout.pid_file())),
            ("log_error", path(&self.layout.error_log())),
            ("server_id", self.server_id.to_string()),
            ("report_host", self.report_host.clone()),
            // The boot gate: unacknowledged transactions are truncated, nothing replicates before a permit.
            ("init_rpl_role", text("SLAVE")),
            ("skip_slave_start", text("1")),
            ("log_bin_index", text("binlog.index")),
            ("relay_log", text(RELAY_LOG)),
            ("relay_log_index", text("relay.index")),
            ("max_binlog_size", format!("{}M", tuning.binlog_mib)),
            ("binlog_expire_logs_seconds", tuning.binlog_kept.as_secs().to_string()),
            // The agent flushes the relay logs once for many events, before it lets an acknowledgement out.
            ("sync_relay_log", text("0")),
            // One applier, as a salvage needs; attaching raises it.
            ("slave_parallel_threads", text("0")),
            // Only what the primary committed together is applied together, so nothing collides and is taken back.
            ("slave_parallel_mode", text("conservative")),
            ("skip_name_resolve", text("1")),
            // Lets a router tell whose connection it carries. Through the socket only; nobody else comes this way.
            ("proxy_protocol_networks", text("localhost")),
            ("max_connections", tuning.connections_max.to_string()),
            ("innodb_buffer_pool_size", format!("{}M", tuning.buffer_pool_mib)),
            ("innodb_log_file_size", format!("{}M", tuning.redo_log_mib)),
            ("performance_schema", text("OFF")),
            ("character_set_server", text("utf8mb4")),
            ("feedback", text("OFF")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ServerConfig {
        ServerConfig {
            layout: Layout::below("/srv/m1"),
            server_id: 7,
            report_host: "m1".to_owned(),
            tuning: Tuning::lab(),
            include: Some(PathBuf::from("/etc/quorate/extra.cnf")),
        }
    }

    #[test]
    fn the_operators_file_comes_first_and_the_contract_last() {
        let text = config().render();
        let at = |needle: &str| {
            text.find(needle)
                .unwrap_or_else(|| panic!("{needle} missing in {text}"))
        };
        assert!(at("!include") < at("server_id = 7"));
        assert!(at("server_id = 7") < at("relay_log_recovery = OFF"));
    }

    #[test]
    fn the_boot_gate_is_closed() {
        let text = config().render();
        for line in [
            "init_rpl_role = SLAVE",
            "skip_slave_start = 1",
            "read_only = ON",
            "rpl_semi_sync_master_enabled = OFF",
            "event_scheduler = OFF",
            "skip_networking = ON",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} missing in {text}");
        }
    }
}
