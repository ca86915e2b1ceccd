//! What kind of change a statement is and of which table, from its text: the binlog holds the rows of triggers, too.

use std::iter::Peekable;

use super::words::{Word, Words};

/// How rows become affected rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Insert,
    /// `INSERT … ON DUPLICATE KEY UPDATE`.
    Upsert,
    Replace,
    Update,
    Delete,
}

/// A statement that changes one table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    pub(super) verb: Verb,
    /// The table's name without its schema.
    pub(super) table: &'a [u8],
    /// How many rows the text lists.
    pub(super) rows: Option<u64>,
    /// The columns that the text lists.
    pub(super) columns: Option<Vec<&'a [u8]>>,
}

/// Why a result cannot be told from text and rows.
pub(super) const UNCLEAR: &str = "the statement's form is not understood";
const SEVERAL: &str = "it changes several tables";
const ARRAY: &str = "it has an array of parameters";
const RETURNING: &str = "it returns rows";
const LAST_INSERT_ID: &str = "it uses LAST_INSERT_ID";

type Text<'a> = Peekable<Words<'a>>;

impl<'a> Shape<'a> {
    /// Reads a statement.
    ///
    /// # Errors
    /// Why its result cannot be told.
    pub(super) fn of(text: &'a [u8]) -> Result<Self, &'static str> {
        if let Some(why) = Words::of(text).find_map(obstacle) {
            return Err(why);
        }
        Self::of_table(text)
    }

    /// The same without looking for what spoils the result: the table is sure.
    ///
    /// # Errors
    /// Why even that cannot be told.
    pub(super) fn of_table(text: &'a [u8]) -> Result<Self, &'static str> {
        let mut words = Words::of(text).peekable();
        let verb = words.next().ok_or(UNCLEAR)?;
        while skip(&mut words, &["LOW_PRIORITY", "HIGH_PRIORITY", "QUICK", "IGNORE"]) {}
        if verb.is("INSERT") || verb.is("REPLACE") {
            skip(&mut words, &["INTO"]);
            let verb = if verb.is("REPLACE") {
                Verb::Replace
            } else {
                Verb::Insert
            };
            return insert(verb, words);
        }
        let (verb, ends): (_, fn(Word<'_>) -> bool) = if verb.is("UPDATE") {
            (Verb::Update, |word| word.is("SET"))
        } else if verb.is("DELETE") && skip(&mut words, &["FROM"]) {
            (Verb::Delete, |word| {
                word.is("WHERE") || word.is("ORDER") || word.is("LIMIT") || word == Word::Sign(b';')
            })
        } else if verb.is("LOAD") {
            return load(words);
        } else {
            return Err(SEVERAL);
        };
        let table = name(&mut words)?;
        let mut end = words.next();
        if end.is_some_and(|word| word.is("AS")) {
            words.next();
            end = words.next();
        } else if end.is_some_and(|word| !ends(word) && matches!(word, Word::Bare(_) | Word::Quoted(_))) {
            end = words.next();
        }
        match end {
            None if verb == Verb::Delete => {}
            Some(word) if ends(word) => {}
            _ => return Err(SEVERAL),
        }
        Ok(Self {
            verb,
            table,
            rows: None,
            columns: None,
        })
    }
}

/// Whether a text may have been executed in several transactions: the server carries out an array of parameters as one
/// statement for lists of rows only, else row by row. `whole`: all of the text is there.
pub(super) fn may_be_several(text: &[u8], whole: bool) -> bool {
    let is_array = !whole || Words::of(text).any(|word| word == Word::Sign(b'?'));
    is_array && Shape::of_table(text).map_or(true, |shape| shape.rows.is_none())
}

fn obstacle(word: Word<'_>) -> Option<&'static str> {
    match word {
        Word::Unreadable => Some(UNCLEAR),
        // Other parameters are logged with their values.
        Word::Sign(b'?') => Some(ARRAY),
        word if word.is("RETURNING") => Some(RETURNING),
        word if word.is("LAST_INSERT_ID") => Some(LAST_INSERT_ID),
        word if word.is("PARTITION") => Some(UNCLEAR),
        _ => None,
    }
}

fn skip(words: &mut Text<'_>, keywords: &[&str]) -> bool {
    words
        .next_if(|word| keywords.iter().any(|keyword| word.is(keyword)))
        .is_some()
}

/// A table's name, with or without its schema.
fn name<'a>(words: &mut Text<'a>) -> Result<&'a [u8], &'static str> {
    let mut part = || match words.next() {
        Some(Word::Bare(name)) => Ok(name),
        Some(Word::Quoted(name)) if !name.contains(&b'`') => Ok(name),
        _ => Err(UNCLEAR),
    };
    let first = part()?;
    if words.next_if_eq(&Word::Sign(b'.')).is_none() {
        return Ok(first);
    }
    match words.next() {
        Some(Word::Bare(name)) => Ok(name),
        Some(Word::Quoted(name)) if !name.contains(&b'`') => Ok(name),
        _ => Err(UNCLEAR),
    }
}

fn insert<'a>(verb: Verb, mut words: Text<'a>) -> Result<Shape<'a>, &'static str> {
    let table = name(&mut words)?;
    let columns = words.next_if_eq(&Word::Sign(b'(')).and_then(|_| columns(&mut words));
    let rows = match words.next() {
        Some(word) if word.is("VALUES") || word.is("VALUE") => Some(lists(&mut words)),
        Some(word) if word.is("SET") => Some(1),
        _ => None,
    };
    let upserts = verb == Verb::Insert && words.any(|word| word.is("DUPLICATE"));
    Ok(Shape {
        verb: if upserts { Verb::Upsert } else { verb },
        table,
        rows,
        columns,
    })
}

/// The rest of a list of columns; nothing if it was a query in parentheses.
fn columns<'a>(words: &mut Text<'a>) -> Option<Vec<&'a [u8]>> {
    let mut columns = Vec::new();
    for word in words {
        match word {
            Word::Bare(name) | Word::Quoted(name) => columns.push(name),
            Word::Sign(b',') => {}
            Word::Sign(b')') => return Some(columns),
            _ => return None,
        }
    }
    None
}

/// How many lists of values follow.
fn lists(words: &mut Text<'_>) -> u64 {
    let (mut lists, mut depth) = (0_u64, 0_u32);
    while let Some(word) = words.next_if(|word| depth > 0 || matches!(word, Word::Sign(b'(' | b','))) {
        match word {
            Word::Sign(b'(') => {
                lists = lists.saturating_add(u64::from(depth == 0));
                depth = depth.saturating_add(1);
            }
            Word::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    lists
}

fn load(mut words: Text<'_>) -> Result<Shape<'_>, &'static str> {
    loop {
        let word = words.next().ok_or(UNCLEAR)?;
        if word.is("REPLACE") {
            return Err(UNCLEAR);
        }
        if word.is("INTO") && skip(&mut words, &["TABLE"]) {
            break;
        }
    }
    Ok(Shape {
        verb: Verb::Insert,
        table: name(&mut words)?,
        rows: None,
        columns: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the number of columns.
    type Told<'a> = (Verb, &'a str, Option<u64>, Option<usize>);

    fn shape(text: &str) -> Result<Told<'_>, &'static str> {
        Shape::of(text.as_bytes()).map(|shape| {
            let table = std::str::from_utf8(shape.table).unwrap();
            (
                shape.verb,
                table,
                shape.rows,
                shape.columns.map(|columns| columns.len()),
            )
        })
    }

    #[test]
    fn statements_on_one_table_are_understood() {
        for (text, verb, rows, columns) in [
            (
                "/*q:0*/INSERT INTO t VALUES (1, f(2)), (3, '(')",
                Verb::Insert,
                Some(2),
                None,
            ),
            (
                "insert ignore a.`t` (x, `y`) value (1, 2)",
                Verb::Insert,
                Some(1),
                Some(2),
            ),
            (
                "INSERT INTO t (x) VALUES (1) ON DUPLICATE KEY UPDATE x = VALUES(x)",
                Verb::Upsert,
                Some(1),
                Some(1),
            ),
            ("INSERT INTO t SET x = 1", Verb::Insert, Some(1), None),
            ("INSERT INTO t (x, y) SELECT 1, 2", Verb::Insert, None, Some(2)),
            ("INSERT INTO t (SELECT a.b FROM u)", Verb::Insert, None, None),
            ("REPLACE LOW_PRIORITY t VALUES (1)", Verb::Replace, Some(1), None),
            ("UPDATE LOW_PRIORITY IGNORE t SET x = 1", Verb::Update, None, None),
            ("UPDATE t AS b SET b.x = (SELECT 1)", Verb::Update, None, None),
            ("UPDATE t b SET x = 1", Verb::Update, None, None),
            ("DELETE FROM t", Verb::Delete, None, None),
            ("DELETE QUICK FROM a.t WHERE x = 1", Verb::Delete, None, None),
            (
                "LOAD DATA LOCAL INFILE 'x' IGNORE INTO TABLE t",
                Verb::Insert,
                None,
                None,
            ),
        ] {
            assert_eq!(shape(text), Ok((verb, "t", rows, columns)), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_to_be_so() {
        for (text, why) in [
            ("UPDATE t, u SET t.x = 1", SEVERAL),
            ("UPDATE t JOIN u SET t.x = 1", SEVERAL),
            ("UPDATE t b, u SET t.x = 1", SEVERAL),
            ("DELETE t, u FROM t JOIN u", SEVERAL),
            ("DELETE FROM t USING t JOIN u", SEVERAL),
            ("INSERT INTO t VALUES (1) RETURNING id", RETURNING),
            ("INSERT INTO t VALUES (?)", ARRAY),
            ("UPDATE t SET x = LAST_INSERT_ID(x + 1)", LAST_INSERT_ID),
            ("UPDATE t PARTITION (p) SET x = 1", UNCLEAR),
            ("INSERT INTO t VALUES (1) /*!99999 x */", UNCLEAR),
            ("LOAD DATA INFILE 'x' REPLACE INTO TABLE t", UNCLEAR),
            ("INSERT INTO `a``b` VALUES (1)", UNCLEAR),
        ] {
            assert_eq!(shape(text), Err(why), "{text}");
        }
    }

    #[test]
    fn an_array_of_parameters_is_one_statement_only_for_lists_of_rows() {
        for text in [
            "UPDATE t SET v = ?",
            "DELETE FROM t WHERE v = ?",
            "INSERT INTO t SELECT ?",
            "UPDATE t, u SET t.v = ?",
        ] {
            assert!(may_be_several(text.as_bytes(), true), "{text}");
        }
        for text in [
            "REPLACE INTO t VALUES (?)",
            "INSERT INTO t SET v = ?",
            "UPDATE t SET v = '?' /* ? */",
        ] {
            assert!(!may_be_several(text.as_bytes(), true), "{text}");
        }
        assert!(may_be_several(b"UPDATE t SET v = 'beginning of", false));
        assert!(!may_be_several(b"INSERT INTO t VALUES (1), (2", false));
    }
}
