//! Checks everything that the promise rests on and says in words what is lost where it does not hold.

mod accounts;
mod alike;
mod privileges;
mod tables;
mod variables;

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::Finding;

use crate::error::SqlError;
use crate::secrets::Secrets;
use crate::session::{Deadline, Session};

/// What the server is supposed to be while it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Booted behind the gate, or replicating.
    Replica,
    /// Semi-sync is on, writes are not open yet.
    Armed,
    /// Open for writes.
    Primary,
}

/// Checks the variables, the agent's privileges, everybody's accounts and the tables' engines. Nothing found means that the promise holds.
///
/// # Errors
/// No answer within the limit.
pub async fn examine(
    session: &mut Session,
    role: Role,
    secrets: &Secrets,
    limit: Duration,
) -> Result<Vec<Finding>, SqlError> {
    let deadline = Deadline::after(limit);
    let mut findings = variables::check(session, role, deadline).await?;
    findings.extend(privileges::check(session, deadline).await?);
    findings.extend(accounts::check(session, secrets, deadline).await?);
    findings.extend(tables::check(session, deadline).await?);
    Ok(findings)
}

/// Reads the settings that must be the same on every node, by name. Whether they are is seen where all nodes are known.
///
/// # Errors
/// No answer within the limit.
pub async fn settings(session: &mut Session, limit: Duration) -> Result<BTreeMap<String, String>, SqlError> {
    alike::read(session, Deadline::after(limit)).await
}
