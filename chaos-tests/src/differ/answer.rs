//! What one side answered to a step, ready to be compared.

use super::mask::{forget_plan, masked};
use crate::wire::{End, Reply};

/// An answer, without what may differ.
#[derive(Debug)]
pub(super) struct Answer {
    /// What is compared: the packets of each reply, or an error that came for a reply.
    pub(super) replies: Vec<Vec<Vec<u8>>>,
    pub(super) errors: usize,
    pub(super) rows: usize,
    /// The flags that the server reported last, if it did.
    pub(super) status: Option<u16>,
    /// The replies for people.
    pub(super) said: String,
}

impl Answer {
    pub(super) fn new(replies: &[Reply], said: Option<String>) -> Self {
        let sets = || replies.iter().flat_map(|reply| &reply.sets);
        let packets = |reply: &Reply| {
            let mut packets = reply.comparable();
            forget_plan(&mut packets);
            packets.into_iter().map(masked).collect()
        };
        let refused = said.iter().map(|error| vec![error.clone().into_bytes()]);
        Self {
            replies: replies.iter().map(packets).chain(refused).collect(),
            errors: replies.iter().filter(|reply| reply.error().is_some()).count() + usize::from(said.is_some()),
            status: sets()
                .filter_map(|set| match set.end {
                    End::Ok { status, .. } => Some(status),
                    End::Failed(_) => None,
                })
                .next_back(),
            rows: sets().map(|set| set.rows.len()).sum(),
            said: said.unwrap_or_else(|| sets().map(|set| format!("{set:?}")).collect()),
        }
    }

    /// Takes these flags off every EOF.
    pub(super) fn forget_flags(&mut self, flags: u16) {
        for packet in self.replies.iter_mut().flatten() {
            if let [0xfe, _, _, low, high] = packet.as_mut_slice() {
                let status = u16::from_le_bytes([*low, *high]) & !flags;
                [*low, *high] = status.to_le_bytes();
            }
        }
    }

    /// Says which packet is the first that differs.
    pub(super) fn point_at(&mut self, other: &mut Self) {
        let packets = |answer: &Self| answer.replies.iter().flatten().cloned().collect::<Vec<_>>();
        let (ours, theirs) = (packets(self), packets(other));
        let first = ours.iter().zip(&theirs).position(|(one, two)| one != two);
        let nth = first.unwrap_or_else(|| ours.len().min(theirs.len()));
        for (answer, packets) in [(self, ours), (other, theirs)] {
            let packet = packets.get(nth).map(|packet| packet.escape_ascii().to_string());
            answer.said = format!("packet {nth} of {}: {packet:?} in {}", packets.len(), answer.said);
        }
    }

    /// Replaces a database's name by another one of the same length.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.said = self.said.replace(from, to);
        for packet in self.replies.iter_mut().flatten() {
            let mut at = 0;
            while let Some(found) = packet[at..]
                .windows(from.len())
                .position(|piece| piece == from.as_bytes())
            {
                at += found;
                packet[at..at + to.len()].copy_from_slice(to.as_bytes());
                at += to.len();
            }
        }
    }
}
