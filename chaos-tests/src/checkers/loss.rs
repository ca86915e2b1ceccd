//! Lost and phantom writes.

use std::collections::BTreeSet;

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};

use crate::workloads::History;

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Writes that clients were told are stored.
    pub acknowledged: usize,
    /// Of those, the ones that are not there.
    pub lost: Vec<u64>,
    /// Stored though nobody ever sent them.
    pub phantoms: Vec<u64>,
    /// Stored though their clients got no acknowledgement: replies that were lost. Where servers die that may happen; where a
    /// router stops in order it must not.
    pub unanswered: Vec<u64>,
}

/// Every id that the server at `options` holds.
///
/// # Errors
/// If it cannot be read.
pub async fn stored_ids(options: &Opts) -> Result<BTreeSet<u64>> {
    let mut conn = Conn::new(options.clone()).await?;
    let ids: Vec<u64> = conn
        .query("/* quorate route to primary */ SELECT id FROM app.set_writes")
        .await?;
    conn.disconnect().await?;
    Ok(ids.into_iter().collect())
}

/// Compares what was promised with what is stored.
#[must_use]
pub fn lost_writes(history: &History, stored: &BTreeSet<u64>) -> Loss {
    let sent: BTreeSet<u64> = history.writes.iter().map(|write| write.id).collect();
    let acknowledged: BTreeSet<u64> = history.acknowledged().collect();
    Loss {
        acknowledged: acknowledged.len(),
        lost: acknowledged.difference(stored).copied().collect(),
        phantoms: stored.difference(&sent).copied().collect(),
        unanswered: (&(stored & &sent) - &acknowledged).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::{Outcome, Write};
    use quorate_model::Moment;

    #[test]
    fn a_lost_write_a_phantom_and_a_lost_reply_are_found_and_an_unknown_write_is_none() {
        let write = |id, outcome| Write {
            id,
            sent: Moment::ZERO,
            answered: Moment::ZERO,
            outcome,
        };
        let history = History {
            writes: vec![
                write(1, Outcome::Acknowledged),
                write(2, Outcome::Acknowledged),
                write(3, Outcome::Unknown),
                write(4, Outcome::Unknown),
            ],
            redials: 0,
        };
        let loss = lost_writes(&history, &BTreeSet::from([1, 3, 9]));
        assert_eq!((loss.acknowledged, loss.lost, loss.phantoms), (2, vec![2], vec![9]));
        assert_eq!(loss.unanswered, [3]);
    }
}
