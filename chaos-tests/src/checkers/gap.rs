//! How long nobody was served.

use std::time::Duration;

use quorate_model::Moment;

use crate::workloads::{History, Outcome};

/// The write gap around a fault: the longest time between two successive acknowledgements, over all clients,
/// of which the later came after `fault`. None if nothing was acknowledged after it.
#[must_use]
pub fn write_gap(history: &History, fault: Moment) -> Option<Duration> {
    let mut acks: Vec<Moment> = history
        .writes
        .iter()
        .filter(|write| write.outcome == Outcome::Acknowledged)
        .map(|write| write.answered)
        .collect();
    acks.sort_unstable();
    acks.windows(2)
        .filter(|pair| pair[1] > fault)
        .map(|pair| pair[1].since(pair[0]))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::Write;

    #[test]
    fn the_gap_spans_the_fault_and_unknown_writes_do_not_fill_it() {
        let at = Moment::from_micros;
        let write = |id, answered, outcome| Write {
            id,
            sent: at(answered - 1),
            answered: at(answered),
            outcome,
        };
        let history = History {
            writes: vec![
                write(1, 100, Outcome::Acknowledged),
                write(2, 1_000, Outcome::Acknowledged),
                write(3, 1_500, Outcome::Unknown),
                write(4, 2_000, Outcome::Acknowledged),
                write(5, 2_100, Outcome::Acknowledged),
            ],
            redials: 0,
        };
        assert_eq!(write_gap(&history, at(1_200)), Some(Duration::from_micros(1_000)));
        assert_eq!(write_gap(&history, at(3_000)), None);
    }
}
