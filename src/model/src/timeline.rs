//! Who was entitled to write what.

use serde::{Deserialize, Serialize};

use crate::{Epoch, Gtid, GtidSet, NodeId};

/// One primary's right to write: sequence numbers `first..=last` of `domain` under `server_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The epoch of the term.
    pub epoch: Epoch,
    /// Who was primary.
    pub node: NodeId,
    /// The `server_id` it wrote under.
    pub server_id: u32,
    /// First sequence number of the term.
    pub first: u64,
    /// Last one that counts; open while the term lasts.
    pub last: Option<u64>,
}

/// The terms so far, oldest first: the exact test for errant transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(Vec<Term>);

impl Timeline {
    /// The terms, oldest first.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// Closes the open term at `last`.
    pub fn close(&mut self, last: u64) {
        if let Some(term) = self.0.last_mut()
            && term.last.is_none()
        {
            term.last = Some(last);
        }
    }

    /// The first transaction of the open term is known: nothing before it belongs to the term.
    pub fn begin_at(&mut self, first: u64) {
        if let Some(term) = self.0.last_mut() {
            term.first = term.first.max(first);
        }
    }

    /// Starts a term.
    pub fn start(&mut self, term: Term) {
        self.0.push(term);
    }

    /// The GTIDs of a binlog state that no term covers: transactions that nobody was entitled to write.
    ///
    /// A binlog state holds the last sequence of each server, and each server's sequences grow, so one look
    /// at the last is enough: an errant tail always shows as the last sequence of its server.
    #[must_use]
    pub fn errant(&self, binlog_state: &GtidSet) -> Vec<Gtid> {
        binlog_state.iter().filter(|gtid| !self.entitled(*gtid)).collect()
    }

    fn entitled(&self, gtid: Gtid) -> bool {
        self.0.iter().any(|term| {
            term.server_id == gtid.server && gtid.seq >= term.first && term.last.is_none_or(|last| gtid.seq <= last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        let mut timeline = Timeline::default();
        for (epoch, node, server_id, first) in [(1, "m1", 10, 1), (2, "m2", 11, 23)] {
            timeline.close(first - 1);
            timeline.start(Term {
                epoch: Epoch(epoch),
                node: node.into(),
                server_id,
                first,
                last: None,
            });
        }
        timeline
    }

    /// Seed 699 of the simulation: a server whose tail was cut off led again and gave the same GTIDs to other transactions,
    /// so whoever still held the first ones passed for a sound replica.
    #[test]
    fn a_tail_of_a_former_term_of_the_same_server_is_errant() {
        let mut timeline = Timeline::default();
        for epoch in [Epoch(2), Epoch(3)] {
            timeline.close(84);
            timeline.start(Term {
                epoch,
                node: "m2".into(),
                server_id: 12,
                first: 85,
                last: None,
            });
        }
        let again = Epoch(3).first_seq();
        assert!(again > Epoch(2).first_seq());
        timeline.begin_at(again);
        let state = |seq: u64| format!("0-12-{seq}").parse::<GtidSet>().unwrap();
        assert_eq!(timeline.errant(&state(Epoch(2).first_seq())).len(), 1);
        assert_eq!(timeline.errant(&state(85)).len(), 1);
        assert!(timeline.errant(&state(again)).is_empty());
    }

    #[test]
    fn a_tail_past_the_end_of_a_term_is_errant() {
        assert!(timeline().errant(&"0-10-22,0-11-40".parse().unwrap()).is_empty());
        let errant = timeline().errant(&"0-10-23,0-12-24".parse().unwrap());
        assert_eq!(
            errant.iter().map(Gtid::to_string).collect::<Vec<_>>(),
            ["0-10-23", "0-12-24"]
        );
    }
}
