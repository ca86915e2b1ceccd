//! The events that matter here, out of a MariaDB binlog (version 4).

use crate::mysql::wire::packet::{Fields, Malformed};

/// Bytes before an event's body.
const HEADER_BYTES: usize = 19;
/// CRC32 at the end of each event.
const CHECKSUM_BYTES: usize = 4;
/// Body of a format description before the lengths of the other events' fixed parts.
const FORMAT_FIXED_BYTES: usize = 57;
/// Fixed part of a query event.
const QUERY_FIXED_BYTES: usize = 13;

/// Set in [`Gtid::flags`]: one event that commits itself, no BEGIN.
const STANDALONE: u8 = 0x01;
/// Set in [`Gtid::flags`]: only tables with transactions.
const TRANSACTIONAL: u8 = 0x04;

/// What an event says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A group begins.
    Gtid(Gtid),
    /// The text of the statement whose rows follow.
    Annotation(&'a [u8]),
    /// A table that rows refer to.
    Table(Table<'a>),
    /// Rows of one table.
    Rows(Rows<'a>),
    /// A statement in the server's or the user's words; also COMMIT and ROLLBACK.
    Query {
        /// The text.
        text: &'a [u8],
        /// The error it ended with on the primary, after a part of its effect.
        error: u16,
    },
    /// A statement that cannot be read, because it is compressed.
    CompressedQuery,
    /// A transaction is committed.
    Commit,
    /// The binlog has a hole.
    Incident,
    /// Of no interest.
    Other,
}

/// Beginning of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gtid {
    pub(crate) domain: u32,
    pub(crate) server: u32,
    pub(crate) seq: u64,
    flags: u8,
}

/// Definition of a table for the rows that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table<'a> {
    pub(crate) id: u64,
    pub(crate) schema: &'a [u8],
    pub(crate) name: &'a [u8],
    /// One byte a column.
    pub(crate) types: &'a [u8],
    /// As many bytes as each type has.
    pub(crate) metadata: &'a [u8],
}

/// What happened to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// New rows.
    Write,
    /// Pairs of a row before and after.
    Update,
    /// Rows that are gone.
    Delete,
}

/// Rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows<'a> {
    pub(crate) table: u64,
    pub(crate) change: Change,
    /// Whether the statement ends here.
    pub(crate) ends: bool,
    /// Columns, bitmaps and images; nothing if they cannot be read (compressed, or in MySQL's newer form).
    pub(crate) images: Option<&'a [u8]>,
}

impl Gtid {
    /// Whether the group is a single event, such as a definition.
    pub(crate) const fn is_standalone(self) -> bool {
        self.flags & STANDALONE != 0
    }

    /// Whether the group was rolled back as a whole if it is not committed.
    pub(crate) const fn is_transactional(self) -> bool {
        self.flags & TRANSACTIONAL != 0
    }
}

/// Reads events one after the other; remembers whether they end with a checksum.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    checksums: bool,
}

impl Reader {
    /// One whole event.
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Result<Event<'a>, Malformed> {
        let mut head = Fields(bytes.get(..HEADER_BYTES).ok_or(Malformed("an event's header"))?);
        head.array::<4>()?;
        let kind = head.u8()?;
        let server = head.u32()?;
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        if kind == 15 {
            self.checksums = is_checksummed(body);
            return Ok(Event::Other);
        }
        let end = body
            .len()
            .saturating_sub(if self.checksums { CHECKSUM_BYTES } else { 0 });
        parse(kind, server, body.get(..end).unwrap_or_default())
    }
}

/// The format description's last five bytes: the algorithm and its own checksum.
fn is_checksummed(body: &[u8]) -> bool {
    let algorithm = body.len().checked_sub(CHECKSUM_BYTES.saturating_add(1));
    body.len() > FORMAT_FIXED_BYTES && algorithm.and_then(|at| body.get(at)) == Some(&1)
}

fn parse(kind: u8, server: u32, body: &[u8]) -> Result<Event<'_>, Malformed> {
    let mut fields = Fields(body);
    Ok(match kind {
        2 => return query(body),
        16 => Event::Commit,
        19 => Event::Table(table(&mut fields)?),
        23 | 166 => Event::Rows(rows(fields, Change::Write, kind < 100)?),
        24 | 167 => Event::Rows(rows(fields, Change::Update, kind < 100)?),
        25 | 168 => Event::Rows(rows(fields, Change::Delete, kind < 100)?),
        30 | 169 => Event::Rows(rows(fields, Change::Write, false)?),
        31 | 170 => Event::Rows(rows(fields, Change::Update, false)?),
        32 | 171 => Event::Rows(rows(fields, Change::Delete, false)?),
        26 => Event::Incident,
        160 => Event::Annotation(body),
        162 => Event::Gtid(Gtid {
            seq: u64::from_le_bytes(fields.array()?),
            domain: fields.u32()?,
            flags: fields.u8()?,
            server,
        }),
        165 => Event::CompressedQuery,
        _ => Event::Other,
    })
}

fn table<'a>(fields: &mut Fields<'a>) -> Result<Table<'a>, Malformed> {
    let id = table_id(fields)?;
    fields.u16()?;
    let mut name = || -> Result<&'a [u8], Malformed> {
        let len = fields.u8()?;
        let name = fields.bytes(u64::from(len))?;
        fields.u8()?;
        Ok(name)
    };
    let (schema, name) = (name()?, name()?);
    let columns = fields.lenenc()?;
    Ok(Table {
        id,
        schema,
        name,
        types: fields.bytes(columns)?,
        metadata: fields.string()?,
    })
}

fn rows(mut fields: Fields<'_>, change: Change, readable: bool) -> Result<Rows<'_>, Malformed> {
    let table = table_id(&mut fields)?;
    let flags = fields.u16()?;
    Ok(Rows {
        table,
        change,
        ends: flags & 1 != 0,
        images: readable.then_some(fields.rest()),
    })
}

fn table_id(fields: &mut Fields<'_>) -> Result<u64, Malformed> {
    let [a, b, c, d, e, f] = fields.array::<6>()?;
    Ok(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
}

fn query(body: &[u8]) -> Result<Event<'_>, Malformed> {
    let (fixed, rest) = body
        .split_at_checked(QUERY_FIXED_BYTES)
        .ok_or(Malformed("a query event"))?;
    let mut fixed = Fields(fixed);
    fixed.array::<8>()?;
    let schema = fixed.u8()?;
    let error = fixed.u16()?;
    let variables = fixed.u16()?;
    let mut rest = Fields(rest);
    rest.bytes(u64::from(variables))?;
    rest.bytes(u64::from(schema).saturating_add(1))?;
    Ok(Event::Query {
        text: rest.rest(),
        error,
    })
}
