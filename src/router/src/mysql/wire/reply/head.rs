//! The first packet of a result, the prepare-OK, and the first value of a result set.

use super::super::ok::{EOF, ERR, INFILE, OK};
use super::super::packet::{Fields, HEADER_BYTES, Malformed, PACKET_MAX, header};
use super::run::Run;
use super::{First, Notices, Prepared, Reply, State};

/// A column count of nine bytes and the byte that tells whether definitions follow.
const COUNT_BYTES_MAX: u32 = 10;
const PREPARE_OK_BYTES: u32 = 12;
/// Rows that are longer do not show their first value.
const FIRST_ROW_BYTES_MAX: u32 = 1024;

impl Reply {
    pub(super) fn head(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) -> Result<bool, Malformed> {
        let Some(first) = run.first() else { return Ok(false) };
        match first {
            OK | EOF => self.ok(run, length, sequence),
            ERR => self.error(run, length, sequence),
            _ if !self.many => Err(Malformed("a result set answers a command that has none")),
            INFILE if self.swallow => Err(Malformed("a file is asked for by a command of the router's own")),
            INFILE => {
                self.begin(run, length, sequence);
                self.state = State::File;
                Ok(true)
            }
            _ => self.column_count(run, length, sequence),
        }
    }

    fn column_count(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) -> Result<bool, Malformed> {
        if length > COUNT_BYTES_MAX {
            return Err(Malformed("a column count is too long"));
        }
        let Some(payload) = run.payload(length) else {
            return Ok(false);
        };
        let mut fields = Fields(payload);
        let count = u16::try_from(fields.lenenc()?).map_err(|_| Malformed("more columns than a table can have"))?;
        if count == 0 {
            return Err(Malformed("a result set without columns"));
        }
        let follow = !self.dialect.cache_metadata || fields.is_empty() || fields.u8()? != 0;
        if !fields.is_empty() {
            return Err(Malformed("a column count goes on after its end"));
        }
        let owed = std::mem::take(&mut self.owed);
        if !follow && !owed.is_empty() {
            self.tell_columns(run, length, sequence, &owed);
            return Ok(true);
        }
        self.begin(run, length, sequence);
        self.state = if follow {
            State::Columns { left: u32::from(count) }
        } else {
            self.after_columns()
        };
        Ok(true)
    }

    /// The server leaves the definitions out that the client lacks; it gets them all the same. A checksum is of what the server said.
    fn tell_columns(&mut self, run: &mut Run<'_>, length: u32, sequence: u8, definitions: &[u8]) {
        if let (Some(checksum), Some(payload)) = (&mut self.checksum, run.payload(length)) {
            checksum.write(payload);
        }
        run.replace(length, sequence.wrapping_add(self.shift), |payload, out| {
            let (_follow, count) = payload.split_last().unwrap_or((&0, &[]));
            out.extend_from_slice(count);
            out.push(1);
        });
        self.sequence = Some(sequence.wrapping_add(1));
        let mut rest = definitions;
        while let Some((length, _)) = header(rest) {
            let (packet, behind) = rest.split_at(rest.len().min(HEADER_BYTES.saturating_add(length as usize)));
            run.insert(self.next_sequence(), packet.get(HEADER_BYTES..).unwrap_or_default());
            self.shift = self.shift.wrapping_add(1);
            rest = behind;
        }
        self.outcome.definitions = definitions.to_vec();
        self.state = self.after_columns();
    }

    pub(super) fn prepare_head(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) -> Result<bool, Malformed> {
        match run.first() {
            None => return Ok(false),
            Some(ERR) => return self.error(run, length, sequence),
            Some(OK) if length == PREPARE_OK_BYTES => {}
            Some(_) => return Err(Malformed("no prepare-OK where one must be")),
        }
        let Some(payload) = run.payload_mut(length) else {
            return Ok(false);
        };
        let mut fields = Fields(payload);
        fields.u8()?;
        let prepared = Prepared {
            id: fields.u32()?,
            columns: fields.u16()?,
            params: fields.u16()?,
        };
        fields.u8()?;
        self.outcome.warnings = fields.u16()?;
        if let Some(id) = payload.get_mut(1..5) {
            id.copy_from_slice(&self.own_id.to_le_bytes());
        }
        self.outcome.prepared = Some(prepared);
        self.begin(run, length, sequence);
        self.state = match (prepared.params, prepared.columns) {
            (0, 0) => State::LastPacket,
            (0, columns) => State::Definitions { left: columns, then: 0 },
            (params, columns) => State::Definitions {
                left: params,
                then: columns,
            },
        };
        Ok(true)
    }

    /// Keeps the first value of the first row. False if the row is not whole yet.
    pub(super) fn first_value(&mut self, run: &Run<'_>) -> Result<bool, Malformed> {
        let (Some((length, _)), Some(first)) = (run.header(), run.first()) else {
            return Ok(false);
        };
        if first >= EOF || length > FIRST_ROW_BYTES_MAX {
            return Ok(true);
        }
        let Some(row) = run.payload(length) else {
            return Ok(false);
        };
        self.outcome.first = if self.notices == Notices::Binary {
            binary_value(row)
        } else if first == INFILE {
            Some(First::new(None))
        } else {
            Some(First::new(Some(Fields(row).string()?)))
        };
        Ok(true)
    }

    /// The packet at hand if it is whole; an error if it is too long to be waited for.
    pub(super) fn whole<'a>(run: &'a Run<'_>, length: u32) -> Result<Option<&'a [u8]>, Malformed> {
        if length == PACKET_MAX || length as usize > super::HELD_MAX.saturating_sub(HEADER_BYTES) {
            return Err(Malformed("the packet that ends a result is too long"));
        }
        Ok(run.payload(length))
    }
}

/// The integer of a binary row of one column; none if it is something else.
fn binary_value(row: &[u8]) -> Option<First> {
    const NULL: u8 = 1 << 2;
    let (&[0, nulls], value) = row.split_first_chunk()? else {
        return None;
    };
    if nulls == NULL {
        return Some(First::new(None));
    }
    let number = match *value {
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => i64::from_le_bytes(value.try_into().ok()?),
    };
    Some(First::new(Some(number.to_string().as_bytes())))
}
