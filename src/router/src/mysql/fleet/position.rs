//! The question that the monitor asks, and how its answer is read. Pure.

use bytes::Bytes;
use quorate_model::{Epoch, Moment};

use super::lag::{Beat, Reading};

/// One row: applied from a primary, logged, newest heartbeat, whether new sessions have ANSI_QUOTES.
pub(crate) const QUESTION: &str = "SELECT @@GLOBAL.gtid_slave_pos, @@GLOBAL.gtid_binlog_pos, \
    (SELECT CONCAT(epoch, ':', beat) FROM quorate.heartbeat WHERE id = 1), \
    FIND_IN_SET('ANSI_QUOTES', @@GLOBAL.sql_mode) > 0";

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// What the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) reading: Reading,
    /// Whether `"x"` is a name in sessions that begin now.
    pub(crate) ansi_quotes: bool,
}

/// The answer; none if it is not one.
pub(crate) fn parse(rows: &[Vec<Option<Bytes>>], role: Role, asked: Moment) -> Option<Answer> {
    let [row] = rows else {
        return None;
    };
    let [applied, logged, beat, ansi_quotes] = row.as_slice() else {
        return None;
    };
    let position = match role {
        Role::Primary => logged,
        Role::Replica => applied,
    };
    let reading = Reading {
        asked,
        sequence: sequence(text(position.as_ref())?),
        beat: beat.as_ref().and_then(|beat| parse_beat(text(Some(beat))?)),
    };
    Some(Answer {
        reading,
        ansi_quotes: text(ansi_quotes.as_ref())? == "1",
    })
}

/// The sequence number of domain 0 in a list such as `0-1-1000000000042,7-3-9`; 0 if it has none.
pub(crate) fn sequence(position: &str) -> u64 {
    position
        .split(',')
        .find_map(|gtid| gtid.trim().strip_prefix("0-")?.rsplit_once('-')?.1.parse().ok())
        .unwrap_or_default()
}

fn parse_beat(text: &str) -> Option<Beat> {
    let (epoch, beat) = text.split_once(':')?;
    Some(Beat {
        epoch: Epoch(epoch.parse().ok()?),
        written_ms: beat.parse().ok()?,
    })
}

fn text(cell: Option<&Bytes>) -> Option<&str> {
    std::str::from_utf8(cell?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [Option<&'static str>; 4]) -> Vec<Vec<Option<Bytes>>> {
        vec![cells.map(|cell| cell.map(Bytes::from)).to_vec()]
    }

    #[test]
    fn each_role_has_its_own_position() {
        let rows = row([Some("0-1-7"), Some("3-1-99,0-2-8"), Some("2:1234"), Some("1")]);
        let of = |role| parse(&rows, role, Moment::ZERO).unwrap().reading;
        assert_eq!((of(Role::Replica).sequence, of(Role::Primary).sequence), (7, 8));
        let beat = of(Role::Replica).beat.unwrap();
        assert_eq!((beat.epoch, beat.written_ms), (Epoch(2), 1234));
        assert!(parse(&rows, Role::Primary, Moment::ZERO).unwrap().ansi_quotes);
    }

    #[test]
    fn a_new_server_has_no_position_and_no_heartbeat() {
        let answer = parse(&row([Some(""), Some(""), None, Some("0")]), Role::Replica, Moment::ZERO).unwrap();
        assert_eq!((answer.reading.sequence, answer.reading.beat), (0, None));
        assert!(!answer.ansi_quotes);
        assert_eq!(
            parse(&row([None, Some(""), None, Some("0")]), Role::Replica, Moment::ZERO),
            None
        );
        assert_eq!(parse(&[], Role::Replica, Moment::ZERO), None);
    }

    #[test]
    fn only_the_first_domain_counts() {
        assert_eq!(sequence("10-1-5, 0-3-6"), 6);
        assert_eq!(sequence("10-1-5"), 0);
        assert_eq!(sequence("0-1-rubbish"), 0);
    }
}
