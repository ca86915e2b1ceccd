//! Definitions and rows: what most bytes of a reply are.

use super::super::ok::{EOF, ERR, EofPacket, Status};
use super::super::packet::{HEADER_BYTES, Malformed, PACKET_MAX, header_bytes, narrow, shift_sequence};
use super::run::Run;
use super::{Notices, Reply, State};

/// Whether definitions of columns are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathering {
    Off,
    On,
    /// The packet that flows is one.
    Within,
}

impl Reply {
    /// The loop that most packets go through: passes up to `max` small and plain packets, of which at most the last is
    /// not whole. Returns how many.
    fn plain(&mut self, run: &mut Run<'_>, max: u64) -> u64 {
        let Some(mut expected) = self.sequence else { return 0 };
        self.defined();
        let (mut at, mut end, mut count) = (run.at, run.at, 0_u64);
        let defines = self.gathering != Gathering::Off && matches!(self.state, State::Columns { .. });
        while count < max {
            let Some(&[a, b, c, sequence, first]) = run.chunk.get(at..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            let length = u32::from_le_bytes([a, b, c, 0]);
            if first >= EOF || length == PACKET_MAX || length == 0 || sequence != expected {
                break;
            }
            shift_sequence(run.chunk, at, self.shift);
            let body = at.saturating_add(HEADER_BYTES);
            end = body.saturating_add(length as usize);
            at = end.min(run.chunk.len());
            let bytes = run.chunk.get(body..at).unwrap_or_default();
            if let Some(checksum) = &mut self.checksum {
                checksum.write(bytes);
            }
            if defines {
                self.define(length);
                self.outcome.definitions.extend_from_slice(bytes);
            }
            expected = expected.wrapping_add(1);
            count = count.saturating_add(1);
        }
        run.at = at;
        self.sequence = Some(expected);
        self.left = narrow(end.saturating_sub(at));
        count
    }

    pub(super) fn columns(&mut self, run: &mut Run<'_>, left: u32) -> Result<bool, Malformed> {
        let passed = self.plain(run, u64::from(left));
        let left = left.saturating_sub(u32::try_from(passed).unwrap_or(left));
        self.state = if left > 0 {
            State::Columns { left }
        } else {
            self.after_columns()
        };
        if passed > 0 {
            return Ok(true);
        }
        let (Some((length, sequence)), Some(first)) = (run.header(), run.first()) else {
            return Ok(false);
        };
        if first == ERR && length < PACKET_MAX {
            return self.error(run, length, sequence);
        }
        self.begin(run, length, sequence);
        self.define(length);
        let left = left.saturating_sub(1);
        self.state = if left > 0 {
            State::Columns { left }
        } else {
            self.after_columns()
        };
        Ok(true)
    }

    pub(super) const fn after_columns(&self) -> State {
        if self.dialect.deprecate_eof {
            State::Rows
        } else {
            State::BeforeRows
        }
    }

    pub(super) fn rows(&mut self, run: &mut Run<'_>) -> Result<bool, Malformed> {
        if self.notices != Notices::Nothing && self.outcome.rows == 0 && !self.first_value(run)? {
            return Ok(false);
        }
        let passed = self.plain(run, u64::MAX);
        self.outcome.rows = self.outcome.rows.saturating_add(passed);
        if passed > 0 {
            return Ok(true);
        }
        let (Some((length, sequence)), Some(first)) = (run.header(), run.first()) else {
            return Ok(false);
        };
        match first {
            EOF if length < PACKET_MAX => self.ok(run, length, sequence),
            ERR => self.error(run, length, sequence),
            _ => {
                self.begin(run, length, sequence);
                self.outcome.rows = self.outcome.rows.saturating_add(1);
                Ok(true)
            }
        }
    }

    /// Before the first row for a client that awaits an EOF there. A cursor has none: there, the packet at hand is the
    /// one EOF.
    pub(super) fn before_rows(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) -> Result<bool, Malformed> {
        let Some(first) = run.first() else { return Ok(false) };
        if first == EOF && length < PACKET_MAX {
            let Some(status) = Self::peek_status(run, length)? else {
                return Ok(false);
            };
            if status.any(Status::CURSOR_EXISTS) {
                return self.ok(run, length, sequence);
            }
        }
        self.make_eof(run);
        self.state = State::Rows;
        Ok(true)
    }

    /// An EOF for a client that awaits one.
    pub(super) fn make_eof(&mut self, run: &mut Run<'_>) {
        if self.dialect.deprecate_eof {
            return;
        }
        let status = self.visible(self.status);
        run.insert(self.next_sequence(), &EofPacket { warnings: 0, status }.payload());
        self.shift = self.shift.wrapping_add(1);
    }

    /// The packet at hand is no definition of a column, as far as is known.
    pub(super) fn defined(&mut self) {
        if self.gathering == Gathering::Within {
            self.gathering = Gathering::On;
        }
    }

    /// The packet that begins is one.
    pub(super) fn define(&mut self, length: u32) {
        if self.gathering != Gathering::Off {
            self.gathering = Gathering::Within;
            self.outcome.definitions.extend_from_slice(&header_bytes(length, 0));
        }
    }
}
