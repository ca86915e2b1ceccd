//! The configuration contract, variable by variable.

use quorate_model::{Finding, Severity};

use super::Role;
use crate::contract::{Rule, rules_for};
use crate::error::SqlError;
use crate::session::{Deadline, Session, cell};

pub(super) async fn check(session: &mut Session, role: Role, deadline: Deadline) -> Result<Vec<Finding>, SqlError> {
    let rules: Vec<&Rule> = match role {
        Role::Replica => rules_for(false, false),
        Role::Armed => rules_for(true, false),
        Role::Primary => rules_for(true, true),
    }
    .collect();
    // As text, so that every variable compares alike whatever its type.
    let columns: Vec<String> = rules
        .iter()
        .map(|rule| format!("CAST(@@GLOBAL.{} AS CHAR)", rule.variable))
        .collect();
    let sql = format!("SELECT {}", columns.join(", "));
    let row = session
        .row("read the contract's variables", &sql, deadline.left())
        .await?;
    let actual = (0..rules.len()).map(|i| cell::<String>(&row, i).unwrap_or_default());
    Ok(rules
        .iter()
        .zip(actual)
        .filter(|(rule, actual)| rule.value != actual)
        .map(|(rule, actual)| finding(rule, &actual))
        .collect())
}

fn finding(rule: &Rule, actual: &str) -> Finding {
    let Rule {
        variable, value, lost, ..
    } = rule;
    Finding {
        code: format!("variable.{variable}"),
        severity: Severity::Critical,
        problem: format!("{variable} is {actual}, it must be {value}"),
        lost_guarantee: (*lost).to_owned(),
        remedy: format!(
            "undo the change: SET GLOBAL {variable}={}; if it cannot be set at run time, remove it from your included \
             configuration file and restart the agent",
            if value.parse::<u64>().is_ok() {
                (*value).to_owned()
            } else {
                format!("'{value}'")
            }
        ),
    }
}
