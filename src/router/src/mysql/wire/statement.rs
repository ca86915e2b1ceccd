//! Payloads of the commands of prepared statements. A payload includes its command byte.
//!
//! A client sends the types of its parameters with the first EXECUTE only (`new_params_bound`). A server that did not see
//! that one must be told: [`execute_with_types`] puts them in front of what flows on untouched.

use bytes::BytesMut;

use super::packet::{Fields, HEADER_BYTES, Malformed, PACKET_MAX, header_bytes, narrow};

/// Command byte, statement id, cursor flags, iteration count.
const EXECUTE_HEAD_BYTES: usize = 10;
/// Bulk flag: the types are in this packet.
const BULK_SENDS_TYPES: u16 = 128;

/// The statement id in an EXECUTE, BULK_EXECUTE, FETCH, LONG_DATA, RESET or CLOSE.
pub(crate) fn statement_id(payload: &[u8]) -> Result<u32, Malformed> {
    let mut fields = Fields(payload);
    fields.u8()?;
    fields.u32()
}

/// What an EXECUTE says about the types of its parameters: two bytes for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Types<'a> {
    /// Here they are.
    Bound(&'a [u8]),
    /// Those of the last time.
    Unbound,
    /// There are no parameters.
    None,
}

/// Start of a COM_STMT_EXECUTE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Execute {
    /// Statement id.
    pub(crate) id: u32,
    /// 0, or the kind of cursor.
    pub(crate) cursor: u8,
}

impl Execute {
    /// From a payload, or its start.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(payload);
        fields.u8()?;
        Ok(Self {
            id: fields.u32()?,
            cursor: fields.u8()?,
        })
    }
}

/// The types in a COM_STMT_EXECUTE of a statement with `params` parameters.
pub(crate) fn execute_types(payload: &[u8], params: u16) -> Result<Types<'_>, Malformed> {
    if params == 0 {
        return Ok(Types::None);
    }
    let mut fields = Fields(payload);
    fields.array::<EXECUTE_HEAD_BYTES>()?;
    fields.bytes(null_bitmap_bytes(params))?;
    if fields.u8()? == 0 {
        return Ok(Types::Unbound);
    }
    fields.bytes(types_bytes(params)).map(Types::Bound)
}

/// Writes the header and the start of a COM_STMT_EXECUTE with `types` in it, for a client's that came without.
///
/// `packet` is the client's packet, header included, at least up to where the types belong.
/// Returns how many bytes of the client's packet are replaced by what was written: the rest follows as it is. `None` if
/// the packet would become so long that it has to be split; then build it with [`super::write::put_command`].
pub(crate) fn execute_with_types(
    packet: &[u8],
    params: u16,
    types: &[u8],
    out: &mut BytesMut,
) -> Result<Option<usize>, Malformed> {
    let start = EXECUTE_HEAD_BYTES as u64;
    let replaced = start.saturating_add(null_bitmap_bytes(params));
    insert(packet, types, out, replaced, |head, out| {
        out.extend_from_slice(head);
        out.extend_from_slice(&[1]);
    })
}

/// The types in a COM_STMT_BULK_EXECUTE.
pub(crate) fn bulk_types(payload: &[u8], params: u16) -> Result<Types<'_>, Malformed> {
    if params == 0 {
        return Ok(Types::None);
    }
    let mut fields = Fields(payload);
    fields.array::<5>()?;
    if fields.u16()? & BULK_SENDS_TYPES == 0 {
        return Ok(Types::Unbound);
    }
    fields.bytes(types_bytes(params)).map(Types::Bound)
}

/// As [`execute_with_types`], for a COM_STMT_BULK_EXECUTE.
pub(crate) fn bulk_with_types(packet: &[u8], types: &[u8], out: &mut BytesMut) -> Result<Option<usize>, Malformed> {
    insert(packet, types, out, 6, |head, out| {
        let (id, flags) = head.split_at_checked(5).unwrap_or((head, &[]));
        out.extend_from_slice(id);
        let [low, high] = BULK_SENDS_TYPES.to_le_bytes();
        out.extend_from_slice(&[flags.first().copied().unwrap_or(0) | low, high]);
    })
}

/// Replaces `replaced` bytes of payload, and the byte after them, by what `head` makes of them and `types`.
fn insert(
    packet: &[u8],
    types: &[u8],
    out: &mut BytesMut,
    replaced: u64,
    head: impl FnOnce(&[u8], &mut BytesMut),
) -> Result<Option<usize>, Malformed> {
    let mut fields = Fields(packet);
    let [a, b, c, sequence] = fields.array::<HEADER_BYTES>()?;
    let length = u32::from_le_bytes([a, b, c, 0]);
    let longer = length.saturating_add(narrow(types.len()));
    let start = fields.bytes(replaced)?;
    fields.u8()?;
    if length == PACKET_MAX || longer >= PACKET_MAX {
        return Ok(None);
    }
    out.extend_from_slice(&header_bytes(longer, sequence));
    head(start, out);
    out.extend_from_slice(types);
    Ok(Some(packet.len().saturating_sub(fields.rest().len())))
}

const fn null_bitmap_bytes(params: u16) -> u64 {
    (params as u64).div_ceil(8)
}

const fn types_bytes(params: u16) -> u64 {
    (params as u64).saturating_mul(2)
}
