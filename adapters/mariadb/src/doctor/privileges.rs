//! Whether the agent's account may still do what a failover needs.

use quorate_model::{Finding, Severity};

use crate::error::SqlError;
use crate::install::AGENT_PRIVILEGES;
use crate::session::{Deadline, Session, cell};

pub(super) async fn check(session: &mut Session, deadline: Deadline) -> Result<Vec<Finding>, SqlError> {
    let rows = session
        .rows("read the agent's privileges", "SHOW GRANTS", deadline.left())
        .await?;
    let grants: Vec<String> = rows.iter().filter_map(|row| cell(row, 0)).collect();
    let held = global_privileges(&grants);
    Ok(AGENT_PRIVILEGES
        .iter()
        .filter(|wanted| !held.iter().any(|have| have == *wanted))
        .map(|name| finding(name))
        .collect())
}

/// What is granted on `*.*`.
fn global_privileges(grants: &[String]) -> Vec<String> {
    grants
        .iter()
        .filter_map(|line| {
            line.strip_prefix("GRANT ")?
                .split_once(" ON *.* TO ")
                .map(|(list, _)| list)
        })
        .flat_map(|list| list.split(','))
        .map(|name| canonical(name.trim()))
        .collect()
}

/// The server prints some privileges under older names.
fn canonical(name: &str) -> String {
    match name {
        "REPLICATION CLIENT" => "BINLOG MONITOR",
        "READ_ONLY ADMIN" => "READ ONLY ADMIN",
        "SLAVE MONITOR" => "REPLICA MONITOR",
        "REPLICATION REPLICA ADMIN" => "REPLICATION SLAVE ADMIN",
        other => other,
    }
    .to_owned()
}

fn finding(name: &str) -> Finding {
    Finding {
        code: format!("privilege.{}", name.to_lowercase().replace(' ', "_")),
        severity: Severity::Critical,
        problem: format!("the agent's account lacks {name}"),
        lost_guarantee: "a failover or a rejoin would stop half-way on this node".to_owned(),
        remedy: format!("on every node, with the binlog off: GRANT {name} ON *.* TO the agent's account"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_names_count() {
        let line = "GRANT RELOAD, SUPER, SLAVE MONITOR, READ_ONLY ADMIN ON *.* TO `quorate_agent`@`localhost` IDENTIFIED BY PASSWORD '*X'";
        assert_eq!(
            global_privileges(&[line.to_owned()]),
            ["RELOAD", "SUPER", "REPLICA MONITOR", "READ ONLY ADMIN"]
        );
        assert!(global_privileges(&["GRANT SELECT ON `quorate`.* TO `a`@`b`".to_owned()]).is_empty());
    }
}
