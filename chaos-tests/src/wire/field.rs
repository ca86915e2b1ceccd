//! Values of rows and arguments of statements.

use anyhow::Result;

use super::packets::{Fields, put_bytes};

/// An argument of a prepared statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    /// NULL
    Null,
    /// A BIGINT.
    Int(i64),
    /// A DOUBLE.
    Double(f64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// Its value was sent ahead with `COM_STMT_SEND_LONG_DATA`.
    Long,
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl Arg {
    /// The type's code with its flags, as execute sends them.
    pub(super) const fn code(&self) -> [u8; 2] {
        match self {
            Self::Null => [6, 0],
            Self::Int(_) => [8, 0],
            Self::Double(_) => [5, 0],
            Self::Bytes(_) => [0xfd, 0],
            Self::Long => [0xfb, 0],
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null | Self::Long => {}
            Self::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
            Self::Double(number) => out.extend_from_slice(&number.to_le_bytes()),
            Self::Bytes(bytes) => put_bytes(out, bytes),
        }
    }
}

/// What a row needs to know of its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) code: u8,
    pub(super) unsigned: bool,
}

impl Column {
    pub(super) fn parse(packet: &[u8], extended: bool) -> Result<Self> {
        let mut fields = Fields(packet);
        for _ in ["catalog", "schema", "table", "original table"] {
            fields.bytes()?;
        }
        let name = String::from_utf8_lossy(fields.bytes()?.unwrap_or_default()).into_owned();
        fields.bytes()?;
        if extended {
            fields.bytes()?;
        }
        fields.take(1 + 2 + 4)?;
        let code = u8::try_from(fields.number(1)?)?;
        let unsigned = fields.number(2)? & 0x20 != 0;
        Ok(Self { name, code, unsigned })
    }
}

/// The values of a text row.
pub(super) fn text_row(packet: &[u8], columns: usize) -> Result<Vec<Option<String>>> {
    let mut fields = Fields(packet);
    (0..columns).map(|_| Ok(fields.bytes()?.map(readable))).collect()
}

/// The values of a text row as they are, NULL as nothing; none if it is no such row.
#[must_use]
pub fn values(packet: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Fields(packet);
    let mut values = Vec::new();
    while !fields.0.is_empty() {
        values.push(fields.bytes().ok()?.unwrap_or_default());
    }
    Some(values)
}

/// The values of a binary row, written as text.
pub(super) fn binary_row(packet: &[u8], columns: &[Column]) -> Result<Vec<Option<String>>> {
    let mut fields = Fields(packet);
    fields.take(1)?;
    let nulls = fields.take((columns.len() + 9) / 8)?;
    let mut row = Vec::with_capacity(columns.len());
    for (nth, column) in columns.iter().enumerate() {
        let bit = nth + 2;
        if nulls.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0) {
            row.push(None);
            continue;
        }
        row.push(Some(binary_value(&mut fields, column)?));
    }
    Ok(row)
}

fn binary_value(fields: &mut Fields<'_>, column: &Column) -> Result<String> {
    let width = match column.code {
        1 => 1,
        2 | 13 => 2,
        3 | 9 => 4,
        8 => 8,
        4 => return Ok(f32::from_bits(u32::try_from(fields.number(4)?)?).to_string()),
        5 => return Ok(f64::from_bits(fields.number(8)?).to_string()),
        // Dates and times: their bytes are enough to compare.
        7 | 10..=12 => {
            let length = usize::try_from(fields.number(1)?)?;
            return Ok(format!("{:02x?}", fields.take(length)?));
        }
        _ => return Ok(readable(fields.bytes()?.unwrap_or_default())),
    };
    let number = fields.number(width)?;
    if column.unsigned {
        return Ok(number.to_string());
    }
    let unused = 64 - 8 * u32::try_from(width)?;
    Ok(((number << unused).cast_signed() >> unused).to_string())
}

/// Text as such, other bytes in hexadecimal.
fn readable(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("0x{}", hex(bytes)), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
