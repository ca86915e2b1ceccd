//! Wait until the applier has reached a position.

use std::time::Duration;

use quorate_model::GtidSet;

use super::ActError;
use crate::observe::{Facts, observe};
use crate::session::{Deadline, Session, cell};
use crate::sql::literal;

/// `MASTER_GTID_WAIT` does not notice that the applier stopped, so it is asked in slices.
const SLICE: Duration = Duration::from_millis(200);
/// What the server may take longer than a slice to answer.
const ANSWER_SLACK: Duration = Duration::from_secs(1);

/// Waits until everything up to `until` is applied; returns the position reached.
///
/// # Errors
/// The applier is stopped before the position, or the limit passes.
pub async fn drain(session: &mut Session, until: &GtidSet, limit: Duration) -> Result<GtidSet, ActError> {
    let deadline = Deadline::after(limit);
    loop {
        let facts = observe(session, deadline.left().max(ANSWER_SLACK)).await?;
        let applied = facts.applied();
        if applied.covers(until) {
            return Ok(applied);
        }
        require_applier(&facts, until)?;
        if deadline.passed() {
            return Err(ActError::NotDrained {
                until: until.clone(),
                applied,
                after: limit,
            });
        }
        let slice = deadline.left().min(SLICE);
        let sql = format!(
            "SELECT MASTER_GTID_WAIT({}, {})",
            literal(&until.to_string()),
            slice.as_secs_f64()
        );
        let answer = session.row("wait for the applier", &sql, slice + ANSWER_SLACK).await?;
        let _reached_or_not: Option<i64> = cell(&answer, 0);
    }
}

fn require_applier(facts: &Facts, until: &GtidSet) -> Result<(), ActError> {
    let stopped = |why: String| {
        Err(ActError::ApplierStopped {
            until: until.clone(),
            why,
        })
    };
    match &facts.replication {
        Some(replication) if replication.applier => Ok(()),
        Some(replication) => stopped(replication.applier_error.as_ref().map_or_else(
            || "somebody stopped it".to_owned(),
            |error| format!("{} (error {})", error.text, error.code),
        )),
        None => stopped("this server does not replicate".to_owned()),
    }
}
