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

/// The only parameter of a COM_STMT_EXECUTE, as the integer that a server makes of it: 0 of NULL and of what is no number. `types`
/// are those of the last time. None of a type that gives integers by rules of its own (a date, a decimal).
pub(crate) fn only_integer(payload: &[u8], types: Option<&[u8]>) -> Result<Option<i128>, Malformed> {
    let mut fields = Fields(payload);
    fields.array::<EXECUTE_HEAD_BYTES>()?;
    let is_null = fields.u8()? & 1 != 0;
    let bound = fields.u8()? != 0;
    let [kind, flags] = if bound {
        fields.array::<2>()?
    } else {
        let missing = Malformed("a parameter without its type");
        types.and_then(<[u8]>::first_chunk).copied().ok_or(missing)?
    };
    if is_null {
        return Ok(Some(0));
    }
    let unsigned = flags & 0x80 != 0;
    let integer = |bits: u64, width: u32| {
        let shift = 64_u32.saturating_sub(width);
        let signed = bits.wrapping_shl(shift).cast_signed() >> shift;
        if unsigned { i128::from(bits) } else { i128::from(signed) }
    };
    Ok(match kind {
        1 => Some(integer(fields.u8()?.into(), 8)),
        2 => Some(integer(fields.u16()?.into(), 16)),
        3 => Some(integer(fields.u32()?.into(), 32)),
        8 => Some(integer(u64::from_le_bytes(fields.array()?), 64)),
        4 => Some(nearest(f32::from_le_bytes(fields.array()?).into())),
        5 => Some(nearest(f64::from_le_bytes(fields.array()?))),
        6 => Some(0),
        // Texts and blobs of all kinds.
        15 | 249..=254 => Some(leading_integer(fields.string()?)),
        _ => None,
    })
}

/// The nearest integer; 0 of what is none.
#[expect(clippy::cast_possible_truncation, reason = "a cast from a float stops at the ends")]
const fn nearest(value: f64) -> i128 {
    value.round_ties_even() as i128
}

/// What a text begins with, as a number.
fn leading_integer(text: &[u8]) -> i128 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_i128, |value, digit| {
            value
                .saturating_mul(10)
                .saturating_add(i128::from(digit.saturating_sub(b'0')))
        });
    if negative { value.saturating_neg() } else { value }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn execute(null: u8, types: &[u8], value: &[u8]) -> Vec<u8> {
        let head = [0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, null, u8::from(!types.is_empty())];
        [&head, types, value].concat()
    }

    #[test]
    fn a_parameter_gives_the_integer_that_a_server_makes_of_it() {
        let of = |types: &[u8], value: &[u8]| only_integer(&execute(0, types, value), None).unwrap();
        assert_eq!(of(&[8, 0], &7_i64.to_le_bytes()), Some(7));
        assert_eq!(of(&[8, 0], &(-7_i64).to_le_bytes()), Some(-7));
        assert_eq!(of(&[8, 0x80], &u64::MAX.to_le_bytes()), Some(i128::from(u64::MAX)));
        assert_eq!(of(&[3, 0], &(-2_i32).to_le_bytes()), Some(-2));
        assert_eq!(of(&[2, 0x80], &[255, 255]), Some(65_535));
        assert_eq!(of(&[1, 0], &[255]), Some(-1));
        assert_eq!(of(&[5, 0], &6.7_f64.to_le_bytes()), Some(7));
        assert_eq!(of(&[4, 0], &f32::NAN.to_le_bytes()), Some(0));
        assert_eq!(of(&[253, 0], b"\x05 12x3"), Some(12));
        assert_eq!(of(&[254, 0], b"\x01x"), Some(0));
        assert_eq!(of(&[12, 0], &[0]), None, "a date");
        let null = execute(1, &[8, 0], &[]);
        assert_eq!(only_integer(&null, None), Ok(Some(0)));
    }

    #[test]
    fn a_parameter_without_a_type_has_that_of_the_last_time() {
        let again = execute(0, &[], &[5, 0]);
        assert_eq!(only_integer(&again, Some(&[2, 0])), Ok(Some(5)));
        assert!(only_integer(&again, None).is_err());
        assert!(only_integer(&execute(0, &[8, 0], &[1]), None).is_err(), "cut off");
    }
}
