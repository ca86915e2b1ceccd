//! Route tables: published when they change, numbered so that every router agrees on their order.

use quorate_model::RouteTable;

use super::{Effect, Machine};

/// Room for tables of one leader between two log entries.
const TERM_SHIFT: u32 = 24;

/// The table that was published last.
#[derive(Debug)]
pub(super) struct Published {
    table: RouteTable,
    count: u64,
}

impl Machine {
    /// Publishes a table unless the last one says the same. The revision starts with the leader's term, so that the first table of a new leader
    /// comes after the last of its predecessor even when the log did not move.
    pub(super) fn publish(&mut self, mut table: RouteTable, effects: &mut Vec<Effect>) {
        if let Some(Published { table: last, .. }) = &self.published {
            table.revision = last.revision;
            if *last == table {
                return;
            }
        }
        let count = self
            .published
            .as_ref()
            .map_or(0, |published| published.count.saturating_add(1));
        table.revision = (self.leading.unwrap_or_default() << TERM_SHIFT).saturating_add(count);
        effects.push(Effect::Routes(table.clone()));
        self.published = Some(Published { table, count });
    }

    /// The table that was published last.
    #[must_use]
    pub fn routes(&self) -> Option<&RouteTable> {
        self.published.as_ref().map(|published| &published.table)
    }
}
