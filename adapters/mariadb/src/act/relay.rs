//! What the relay logs hold beyond the applied position, read from the files.

use std::io;
use std::path::PathBuf;

use quorate_model::{Gtid, GtidSet};

use super::ActError;
use crate::parse::LogError;
use crate::parse::groups::{Group, scan};
use crate::parse::index::log_files;
use crate::session::{Deadline, Session, cell};

/// Whole transactions that are received and not applied.
#[derive(Debug, Default)]
pub(super) struct Unapplied {
    /// The first of them.
    pub(super) first: Option<Group>,
    /// How many.
    pub(super) count: u64,
    /// The last whole transaction in the files, applied or not.
    pub(super) received: GtidSet,
    /// A transaction that is cut off.
    pub(super) unfinished: Option<Gtid>,
}

/// Reads the relay logs that the server's own index names.
pub(super) async fn unapplied(
    session: &mut Session,
    applied: GtidSet,
    deadline: Deadline,
) -> Result<Unapplied, ActError> {
    let row = session
        .row("find the relay logs", "SELECT @@relay_log_index", deadline.left())
        .await?;
    let Some(index) = cell::<String>(&row, 0).map(PathBuf::from) else {
        return Ok(Unapplied::default());
    };
    let failed = {
        let path = index.clone();
        move |error| LogError::Read {
            path,
            source: io::Error::other(error),
        }
    };
    let reading = tokio::task::spawn_blocking(move || {
        let mut found = Unapplied::default();
        let scan = scan(&log_files(&index)?, false, |group| {
            if applied.seq(group.gtid.domain).is_none_or(|seq| group.gtid.seq > seq) {
                found.first.get_or_insert_with(|| group.clone());
                found.count += 1;
            }
        })?;
        Ok::<_, LogError>(Unapplied {
            received: scan.position,
            unfinished: scan.unfinished,
            ..found
        })
    });
    Ok(reading.await.map_err(failed)??)
}
