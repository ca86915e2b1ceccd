//! The configuration contract: every variable that the promise "no acknowledged write is lost" rests on, and which part
//! of the promise is gone when it has another value. Rendered into the configuration file, checked by the doctor.

/// When a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At boot and at any later time, whatever the role.
    Always,
    /// At boot and while the server is not the open primary.
    UntilArmed,
    /// At boot and until writes are opened.
    UntilOpen,
    /// Only while the server is armed or open as primary: the value differs from the one in the file.
    OncePrimary,
}

/// One variable with the value it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The system variable.
    pub variable: &'static str,
    /// The value as `CAST(@@variable AS CHAR)` shows it, which a configuration file accepts as well.
    pub value: &'static str,
    /// When it must have it.
    pub scope: Scope,
    /// What is no longer true when it has another one.
    pub lost: &'static str,
}

/// The semi-sync timeout in milliseconds: a hundred years. Not the type's maximum, which the server adds to the
/// present time and would overflow.
pub const ACK_TIMEOUT_MS: &str = "3153600000000";

const fn rule(variable: &'static str, value: &'static str, scope: Scope, lost: &'static str) -> Rule {
    Rule {
        variable,
        value,
        scope,
        lost,
    }
}

/// The contract.
pub const RULES: &[Rule] = &[
    rule(
        "read_only",
        "ON",
        Scope::UntilOpen,
        "a node that is not the primary could accept writes nobody else has",
    ),
    rule(
        "rpl_semi_sync_master_enabled",
        "OFF",
        Scope::UntilArmed,
        "a replica would wait for acknowledgements of what it applies and stop applying",
    ),
    rule(
        "rpl_semi_sync_master_enabled",
        "ON",
        Scope::OncePrimary,
        "commits are confirmed to clients although no other node holds them",
    ),
    rule(
        "rpl_semi_sync_master_timeout",
        ACK_TIMEOUT_MS,
        Scope::Always,
        "commits are confirmed to clients after a time although no other node holds them",
    ),
    rule(
        "rpl_semi_sync_master_wait_point",
        "AFTER_SYNC",
        Scope::Always,
        "readers can see rows that a failover takes back",
    ),
    rule(
        "rpl_semi_sync_master_wait_no_slave",
        "ON",
        Scope::Always,
        "commits are confirmed to clients while no replica is connected",
    ),
    rule(
        "rpl_semi_sync_slave_enabled",
        "ON",
        Scope::Always,
        "this node acknowledges nothing, and a rebuilt node could skip its own earlier transactions",
    ),
    rule(
        "rpl_semi_sync_slave_kill_conn_timeout",
        "1",
        Scope::Always,
        "revoking this node's acknowledgements can take long when the primary is frozen",
    ),
    rule(
        "gtid_strict_mode",
        "ON",
        Scope::Always,
        "diverged histories are mixed instead of refused",
    ),
    rule(
        "gtid_domain_id",
        "0",
        Scope::Always,
        "divergence hides in a second domain",
    ),
    rule(
        "log_bin",
        "ON",
        Scope::Always,
        "this node could not feed the others after a promotion",
    ),
    rule(
        "log_slave_updates",
        "ON",
        Scope::Always,
        "this node could not feed the others after a promotion",
    ),
    rule(
        "binlog_format",
        "ROW",
        Scope::Always,
        "replicas can compute other rows than the primary did",
    ),
    rule(
        "sync_binlog",
        "1",
        Scope::Always,
        "a power cut can lose transactions that were acknowledged",
    ),
    rule(
        "innodb_flush_log_at_trx_commit",
        // 1 leaves the last step of a commit unflushed when the binlog is on; see docs/decisions/0008.
        "3",
        Scope::Always,
        "a crash of this node can take back transactions that it acknowledged and applied, after their relay log is gone",
    ),
    rule(
        "relay_log_recovery",
        "OFF",
        Scope::Always,
        "a restart of this node deletes acknowledged transactions that it had not applied yet",
    ),
    rule("relay_log_purge", "ON", Scope::Always, "relay logs fill the disk"),
    rule(
        "binlog_checksum",
        "CRC32",
        Scope::Always,
        "after a crash, the torn end of a log cannot be told from a whole one",
    ),
    rule(
        "encrypt_binlog",
        "OFF",
        Scope::Always,
        "after a restart, acknowledged transactions in the relay logs cannot be found",
    ),
    rule(
        "slave_net_timeout",
        "2",
        Scope::Always,
        "a primary that fell silent is noticed late",
    ),
    rule(
        "event_scheduler",
        "OFF",
        Scope::UntilOpen,
        "events fire on more than one node",
    ),
    rule(
        "skip_networking",
        "ON",
        Scope::Always,
        "clients and replicas can reach the server without passing the door",
    ),
];

/// The rules that hold for a server that is `armed` (semi-sync on) and `open` (writes allowed).
pub fn rules_for(armed: bool, open: bool) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| match rule.scope {
        Scope::Always => true,
        Scope::UntilArmed => !armed && !open,
        Scope::UntilOpen => !open,
        Scope::OncePrimary => armed || open,
    })
}

/// The rules that the configuration file states: those that hold at boot.
pub fn boot_rules() -> impl Iterator<Item = &'static Rule> {
    rules_for(false, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_one_value_per_variable() {
        for (armed, open) in [(false, false), (true, false), (true, true), (false, true)] {
            let mut names: Vec<_> = rules_for(armed, open).map(|rule| rule.variable).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "armed {armed} open {open}");
        }
    }

    #[test]
    fn an_open_primary_without_semi_sync_breaks_a_rule() {
        assert!(rules_for(false, true).any(|r| r.variable == "rpl_semi_sync_master_enabled" && r.value == "ON"));
    }
}
