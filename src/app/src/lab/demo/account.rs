//! The account of a failover: what was promised, what is there, how long writes stayed away.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::writers::Outcomes;
use crate::output::Console;

/// Reading everything back takes well under this.
const READ_MAX: Duration = Duration::from_secs(30);

/// What happened to the writes.
#[derive(Debug)]
pub(super) struct Account {
    /// Who was killed.
    pub(super) killed: String,
    /// Writes acknowledged.
    pub(super) acknowledged: usize,
    /// Acknowledged, but not there: must be none.
    pub(super) lost: Vec<u64>,
    /// Broken off without an answer, and there.
    unknown_present: usize,
    /// Broken off without an answer, and not there.
    unknown_absent: usize,
    /// Refused by a server.
    refused: usize,
    /// Times that a writer had to connect again.
    reconnects: u64,
    /// Last acknowledgement before the failover to the first after it.
    write_gap: Duration,
}

/// The account as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    killed: &'a str,
    primary: Option<String>,
    epoch: Option<u64>,
    write_gap_ms: u128,
    acknowledged: usize,
    lost: &'a [u64],
    unknown_present: usize,
    unknown_absent: usize,
    refused: usize,
    reconnects: u64,
}

impl Account {
    /// Reads all rows back through the router and compares.
    pub(super) async fn settle(
        opts: &Opts,
        killed: String,
        killed_at: Instant,
        outcomes: Vec<Outcomes>,
    ) -> anyhow::Result<Self> {
        let present = timeout(READ_MAX, read_back(opts))
            .await
            .context("reading everything back took too long")?
            .context("reading everything back")?;
        let mut times: Vec<Instant> = Vec::new();
        let mut account = Self {
            killed,
            acknowledged: 0,
            lost: Vec::new(),
            unknown_present: 0,
            unknown_absent: 0,
            refused: 0,
            reconnects: 0,
            write_gap: Duration::ZERO,
        };
        for outcome in outcomes {
            account.acknowledged += outcome.acknowledged.len();
            account.refused += outcome.refused.len();
            account.reconnects += outcome.reconnects;
            let there = outcome.unknown.iter().filter(|id| present.contains(id)).count();
            account.unknown_present += there;
            account.unknown_absent += outcome.unknown.len() - there;
            for (id, at) in outcome.acknowledged {
                times.push(at);
                if !present.contains(&id) {
                    account.lost.push(id);
                }
            }
        }
        account.write_gap = gap_around(times, killed_at);
        Ok(account)
    }

    /// For people.
    pub(super) fn print(&self, console: Console) {
        console.line(format_args!("killed:               {} (SIGKILL)", self.killed));
        console.line(format_args!("write gap:            {} ms", self.write_gap.as_millis()));
        console.line(format_args!("writes acknowledged:  {}", self.acknowledged));
        console.line(format_args!("writes lost:          {}", self.lost.len()));
        console.line(format_args!(
            "outcome unknown:      {} (connection broke before the answer; {} of them are there)",
            self.unknown_present + self.unknown_absent,
            self.unknown_present
        ));
        if self.refused > 0 {
            console.line(format_args!("refused:              {}", self.refused));
        }
        console.line(format_args!("reconnects:           {}", self.reconnects));
    }

    /// For programs.
    pub(super) fn document(&self, primary: Option<String>, epoch: Option<u64>) -> Document<'_> {
        Document {
            killed: &self.killed,
            primary,
            epoch,
            write_gap_ms: self.write_gap.as_millis(),
            acknowledged: self.acknowledged,
            lost: &self.lost,
            unknown_present: self.unknown_present,
            unknown_absent: self.unknown_absent,
            refused: self.refused,
            reconnects: self.reconnects,
        }
    }
}

async fn read_back(opts: &Opts) -> anyhow::Result<BTreeSet<u64>> {
    let mut conn = Conn::new(opts.clone()).await?;
    let ids: Vec<u64> = conn
        .query("/* quorate route to primary */ SELECT id FROM app.demo")
        .await?;
    conn.disconnect().await?;
    Ok(ids.into_iter().collect())
}

/// The longest time without an acknowledgement that ends after `moment`.
fn gap_around(mut times: Vec<Instant>, moment: Instant) -> Duration {
    times.sort_unstable();
    times
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] if *after >= moment => Some(after.duration_since(*before)),
            _ => None,
        })
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_the_longest_one_that_ends_after_the_kill() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let times = vec![at(0), at(900), at(910), at(1_100), at(1_110)];
        assert_eq!(gap_around(times, at(950)), Duration::from_millis(190));
        assert_eq!(gap_around(vec![at(0)], at(0)), Duration::ZERO);
    }
}
