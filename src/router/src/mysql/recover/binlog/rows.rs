//! Counts the rows of an event and reads the integers of one: an event carries no count, so that every value is walked.

use super::event::{Change, Table};
use crate::mysql::wire::packet::Fields;

/// Where each column's value ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(Vec<Size>);

/// How long a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// An integer of so many bytes.
    Integer(u8),
    /// So many bytes.
    Fixed(u16),
    /// A length of so many bytes, then as many bytes as it says.
    Counted(u8),
}

/// The integers of a row, by column; nothing where there is none, or where it is not in the image.
pub(super) type Integers = Vec<Option<i64>>;

/// What one event holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// Rows, or pairs of them.
    pub(super) rows: u64,
    /// The first row, as it is afterwards.
    pub(super) first: Option<Integers>,
}

impl Layout {
    /// Nothing if a column's type is not known.
    pub(super) fn of(table: &Table<'_>) -> Option<Self> {
        let mut metadata = Fields(table.metadata);
        table
            .types
            .iter()
            .map(|kind| size(*kind, &mut metadata))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Walks an event's images to their end. Nothing if they do not end where they should.
    pub(super) fn walk(&self, images: &[u8], change: Change) -> Option<Walked> {
        let mut fields = Fields(images);
        let columns = usize::try_from(fields.lenenc().ok()?).ok()?;
        if columns != self.0.len() {
            return None;
        }
        let before = bitmap(&mut fields, columns)?;
        let after = if change == Change::Update {
            bitmap(&mut fields, columns)?
        } else {
            before
        };
        let mut walked = Walked { rows: 0, first: None };
        while !fields.is_empty() {
            let left = fields.rest().len();
            let mut row = self.row(&mut fields, before)?;
            if change == Change::Update {
                row = self.row(&mut fields, after)?;
            }
            // A row without any column has no end, and no server writes one.
            if fields.rest().len() == left {
                return None;
            }
            walked.rows = walked.rows.checked_add(1)?;
            walked.first.get_or_insert(row);
        }
        Some(walked)
    }

    fn row(&self, fields: &mut Fields<'_>, present: &[u8]) -> Option<Integers> {
        let there = (0..self.0.len()).filter(|column| bit(present, *column)).count();
        let nulls = bitmap(fields, there)?;
        let mut nth = 0_usize;
        let mut integers = Vec::with_capacity(self.0.len());
        for (column, size) in self.0.iter().enumerate() {
            if !bit(present, column) {
                integers.push(None);
                continue;
            }
            let is_null = bit(nulls, nth);
            nth = nth.checked_add(1)?;
            integers.push(if is_null { None } else { value(fields, *size)? });
        }
        Some(integers)
    }
}

fn bitmap<'a>(fields: &mut Fields<'a>, bits: usize) -> Option<&'a [u8]> {
    fields.bytes(u64::try_from(bits.div_ceil(8)).ok()?).ok()
}

fn bit(bitmap: &[u8], at: usize) -> bool {
    let mask = 1_u8.checked_shl(u32::try_from(at & 7).unwrap_or(0)).unwrap_or(0);
    bitmap.get(at >> 3).is_some_and(|byte| byte & mask != 0)
}

/// Reads one value; its outer `None` is the end of the images inside it.
fn value(fields: &mut Fields<'_>, size: Size) -> Option<Option<i64>> {
    match size {
        Size::Integer(len) => {
            let bytes = fields.bytes(u64::from(len)).ok()?;
            let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) {
                0xff
            } else {
                0
            };
            let mut wide = [sign; 8];
            wide.iter_mut().zip(bytes).for_each(|(wide, byte)| *wide = *byte);
            Some(Some(i64::from_le_bytes(wide)))
        }
        Size::Fixed(len) => fields.bytes(u64::from(len)).ok().map(|_| None),
        Size::Counted(len) => {
            let bytes = fields.bytes(u64::from(len)).ok()?;
            let mut wide = [0; 8];
            wide.iter_mut().zip(bytes).for_each(|(wide, byte)| *wide = *byte);
            fields.bytes(u64::from_le_bytes(wide)).ok().map(|_| None)
        }
    }
}

/// A column's size from its type and metadata, as `log_event` and `field` of the server define them.
fn size(kind: u8, metadata: &mut Fields<'_>) -> Option<Size> {
    Some(match kind {
        1 => Size::Integer(1),
        2 => Size::Integer(2),
        9 => Size::Integer(3),
        3 => Size::Integer(4),
        8 => Size::Integer(8),
        // FLOAT and DOUBLE say how long they are.
        4 | 5 => Size::Fixed(u16::from(metadata.u8().ok()?)),
        6 => Size::Fixed(0),
        13 => Size::Fixed(1),
        10 | 11 | 14 => Size::Fixed(3),
        7 => Size::Fixed(4),
        12 => Size::Fixed(8),
        // TIMESTAMP, DATETIME, TIME with fractions.
        17 => Size::Fixed(fraction(metadata)?.checked_add(4)?),
        18 => Size::Fixed(fraction(metadata)?.checked_add(5)?),
        19 => Size::Fixed(fraction(metadata)?.checked_add(3)?),
        15 | 141 | 253 => Size::Counted(if metadata.u16().ok()? > 255 { 2 } else { 1 }),
        16 => {
            let (bits, bytes) = (metadata.u8().ok()?, metadata.u8().ok()?);
            Size::Fixed(u16::from(bytes).checked_add(u16::from(bits > 0))?)
        }
        246 => decimal(metadata.u8().ok()?, metadata.u8().ok()?)?,
        140 | 245 | 249..=252 | 255 => Size::Counted(metadata.u8().ok().filter(|len| *len <= 8)?),
        247 | 248 | 254 => string(metadata.u8().ok()?, metadata.u8().ok()?),
        _ => return None,
    })
}

fn fraction(metadata: &mut Fields<'_>) -> Option<u16> {
    let digits = u16::from(metadata.u8().ok()?);
    Some(digits.div_ceil(2))
}

/// CHAR, ENUM and SET share a type; two bits of the length of a long CHAR hide, inverted, in the type.
fn string(kind: u8, len: u8) -> Size {
    if matches!(kind, 247 | 248) {
        return Size::Fixed(u16::from(len));
    }
    Size::Counted(if kind & 0x30 == 0x30 { 1 } else { 2 })
}

fn decimal(precision: u8, scale: u8) -> Option<Size> {
    let bytes = |digits: u8| {
        let odd = [0, 1, 1, 2, 2, 3, 3, 4, 4].get(usize::from(digits.checked_rem(9)?))?;
        digits.checked_div(9)?.checked_mul(4)?.checked_add(*odd)
    };
    let whole = bytes(precision.checked_sub(scale)?)?;
    Some(Size::Fixed(u16::from(whole.checked_add(bytes(scale)?)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table<'a>(types: &'a [u8], metadata: &'a [u8]) -> Table<'a> {
        Table {
            id: 1,
            schema: b"s",
            name: b"t",
            types,
            metadata,
        }
    }

    #[test]
    fn rows_are_counted_and_integers_read() {
        // INT, VARCHAR(300), TINYINT.
        let layout = Layout::of(&table(&[3, 15, 1], &[44, 1])).unwrap();
        let images = [
            &[3, 0b111][..],
            &[0b010, 7, 0, 0, 0, 0xff],
            &[0b000, 8, 0, 0, 0, 2, 0, b'a', b'b', 1],
        ]
        .concat();
        let walked = layout.walk(&images, Change::Write).unwrap();
        assert_eq!((walked.rows, walked.first), (2, Some(vec![Some(7), None, Some(-1)])));
        assert_eq!(
            layout.walk(images.get(..images.len() - 1).unwrap(), Change::Write),
            None
        );
    }

    #[test]
    fn an_update_is_a_pair_and_its_second_half_counts() {
        let layout = Layout::of(&table(&[3, 1], &[])).unwrap();
        let images = [2, 0b01, 0b11, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 5];
        let walked = layout.walk(&images, Change::Update).unwrap();
        assert_eq!((walked.rows, walked.first), (1, Some(vec![Some(2), Some(5)])));
    }

    proptest! {
        #[test]
        fn no_images_panic_or_hang(types: Vec<u8>, metadata: Vec<u8>, images: Vec<u8>) {
            if let Some(layout) = Layout::of(&table(&types, &metadata)) {
                for change in [Change::Write, Change::Update, Change::Delete] {
                    let _ = layout.walk(&images, change);
                }
            }
        }

        #[test]
        fn rows_without_columns_do_not_hang(present in 0_u8..4, images: Vec<u8>) {
            let layout = Layout::of(&table(&[6, 6], &[])).unwrap();
            let images = [&[2, present, present][..], &images].concat();
            let _ = layout.walk(&images, Change::Update);
        }
    }
}
