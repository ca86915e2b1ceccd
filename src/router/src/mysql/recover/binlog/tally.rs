//! The rows of one statement, table by table, and the result that the server must have reported for them.

use super::event::{Change, Rows, Table};
use super::rows::{Integers, Layout};
use crate::mysql::recover::shape::{Shape, UNCLEAR, Verb, may_be_several};

/// Longest text that is kept to be understood.
const TEXT_MAX: usize = 1024 * 1024;
/// Most tables of one statement.
const TABLES_MAX: usize = 64;

const COMPRESSED: &str = "its rows cannot be read";
const OTHER_TABLE: &str = "none of its rows belong to the table that it names";
const MIXED: &str = "its rows are not of the kind that it names";
const FOUND_ROWS: &str = "the client counts rows that match, and only changed ones are logged";
const GENERATED: &str = "its last insert id is not certain";

/// What one statement has written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    text: Vec<u8>,
    /// Whether that is all of it.
    whole: bool,
    tables: Vec<Counts>,
    why_not: Option<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    id: u64,
    schema: Box<[u8]>,
    name: Box<[u8]>,
    columns: usize,
    layout: Option<Layout>,
    writes: u64,
    updates: u64,
    deletes: u64,
    first: Option<Integers>,
    first_write: Option<Integers>,
}

/// The column that a table numbers its rows with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generated {
    /// From 0.
    pub(crate) column: usize,
    /// Its name.
    pub(crate) name: Vec<u8>,
}

impl Tally {
    /// Begins with the statement's text.
    pub(super) fn of(text: &[u8]) -> Self {
        Self {
            text: text.get(..TEXT_MAX).unwrap_or(text).to_vec(),
            whole: text.len() <= TEXT_MAX,
            tables: Vec::new(),
            why_not: (text.len() > TEXT_MAX).then_some("its text is too long to be read again"),
        }
    }

    pub(super) fn define(&mut self, table: &Table<'_>) {
        if self.tables.iter().any(|known| known.id == table.id) {
            return;
        }
        if self.tables.len() >= TABLES_MAX {
            self.why_not.get_or_insert(UNCLEAR);
            return;
        }
        self.tables.push(Counts {
            id: table.id,
            schema: table.schema.into(),
            name: table.name.into(),
            columns: table.types.len(),
            layout: Layout::of(table),
            writes: 0,
            updates: 0,
            deletes: 0,
            first: None,
            first_write: None,
        });
    }

    /// Counts an event's rows. `cut`: only the event's beginning is there.
    pub(super) fn count(&mut self, rows: &Rows<'_>, cut: bool) {
        let images = rows.images.filter(|_| !cut);
        let table = self.tables.iter_mut().find(|table| table.id == rows.table);
        let walked = table.zip(images).and_then(|(table, images)| {
            let walked = table.layout.as_ref()?.walk(images, rows.change)?;
            table.add(rows.change, walked.rows, walked.first)
        });
        if walked.is_none() {
            self.why_not.get_or_insert(COMPRESSED);
        }
    }

    /// Whether there may be other transactions of the same statement, of which some may be missing.
    pub(crate) fn may_be_several(&self) -> bool {
        may_be_several(&self.text, self.whole)
    }

    /// Schema, name and number of columns of the table whose numbering column matters for the result.
    pub(crate) fn generating(&self) -> Option<(&[u8], &[u8], usize)> {
        let shape = Shape::of(&self.text).ok()?;
        let inserts = matches!(shape.verb, Verb::Insert | Verb::Upsert | Verb::Replace);
        let table = self.target(shape.table).ok().filter(|_| inserts)?;
        Some((&table.schema, &table.name, table.columns))
    }

    /// Affected rows and last insert id.
    ///
    /// # Errors
    /// Why they cannot be told.
    pub(crate) fn result(&self, found_rows: bool, generated: Option<&Generated>) -> Result<(u64, u64), &'static str> {
        if let Some(why) = self.why_not {
            return Err(why);
        }
        let shape = Shape::of(&self.text)?;
        let table = self.target(shape.table)?;
        let affected = table.affected(&shape, found_rows)?;
        let last_insert_id = match (shape.verb, generated) {
            (Verb::Update | Verb::Delete, _) | (_, None) => 0,
            (Verb::Insert | Verb::Upsert | Verb::Replace, Some(generated)) => {
                table.last_insert_id(&shape, generated)?
            }
        };
        Ok((affected, last_insert_id))
    }

    fn target(&self, name: &[u8]) -> Result<&Counts, &'static str> {
        let mut named = self.tables.iter().filter(|table| table.name.eq_ignore_ascii_case(name));
        match (named.next(), named.next()) {
            (Some(table), None) => Ok(table),
            _ => Err(OTHER_TABLE),
        }
    }
}

impl Counts {
    fn add(&mut self, change: Change, rows: u64, first: Option<Integers>) -> Option<()> {
        let count = match change {
            Change::Write => &mut self.writes,
            Change::Update => &mut self.updates,
            Change::Delete => &mut self.deletes,
        };
        *count = count.checked_add(rows)?;
        if change == Change::Write && self.first_write.is_none() {
            self.first_write.clone_from(&first);
        }
        if change != Change::Delete && self.first.is_none() {
            self.first = first;
        }
        Some(())
    }

    fn affected(&self, shape: &Shape<'_>, found_rows: bool) -> Result<u64, &'static str> {
        let Self {
            writes,
            updates,
            deletes,
            ..
        } = *self;
        match shape.verb {
            Verb::Update | Verb::Upsert if found_rows => Err(FOUND_ROWS),
            Verb::Update if writes == 0 && deletes == 0 => Ok(updates),
            Verb::Delete if writes == 0 && updates == 0 => Ok(deletes),
            Verb::Insert if updates == 0 && deletes == 0 => Ok(writes),
            // One for a new row, two for a changed one, none for one that stays as it is.
            Verb::Upsert if deletes == 0 => Ok(updates.saturating_mul(2).saturating_add(writes)),
            // One for each row of the list, and one for each row that it replaces: by a deletion or by an update.
            // Rows replaced by their likes are not logged, but they are in the list.
            Verb::Replace => {
                let rows = shape
                    .rows
                    .filter(|rows| writes.saturating_add(updates) <= *rows)
                    .ok_or(UNCLEAR)?;
                Ok(rows.saturating_add(deletes).saturating_add(updates))
            }
            Verb::Update | Verb::Delete | Verb::Insert | Verb::Upsert => Err(MIXED),
        }
    }

    /// The server reports the first number that it generated, else the last one that was given.
    fn last_insert_id(&self, shape: &Shape<'_>, generated: &Generated) -> Result<u64, &'static str> {
        let touched = self.writes.saturating_add(self.updates);
        let is_listed = |columns: &Vec<&[u8]>| columns.iter().any(|name| name.eq_ignore_ascii_case(&generated.name));
        let row = if touched == 1 && shape.rows.is_none_or(|rows| rows == 1) {
            &self.first
        } else if shape.columns.as_ref().is_some_and(|columns| !is_listed(columns)) {
            &self.first_write
        } else {
            &None
        };
        let value = row
            .as_ref()
            .and_then(|row| row.get(generated.column).copied().flatten());
        value.map(i64::cast_unsigned).ok_or(GENERATED)
    }
}
