//! The names that a text mentions, and the temporary tables of a session.
//!
//! A temporary table lives in one connection. Which tables a text reads would take a parser to say; that it mentions a
//! name at all takes none and cannot miss one. A column of that name sends the statement to the primary too: harmless.

use super::lex::{Dialect, Kind, Lexer};

/// Every name and word in the text, without quotes. Words inside strings, variables and comments are no names.
pub(crate) fn names(text: &[u8], dialect: Dialect) -> impl Iterator<Item = &[u8]> {
    Lexer::new(text, dialect).filter_map(|token| token.name())
}

/// Most temporary tables that are told apart; beyond that every statement counts as mentioning one.
const TABLES_MAX: usize = 64;

/// The temporary tables that a session's texts have created, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TemporaryTables {
    names: Vec<Box<[u8]>>,
    overflowed: bool,
}

impl TemporaryTables {
    /// Takes note of a text that creates (or renames) temporary tables: of every name in it that follows `TABLE`, `EXISTS`,
    /// `SEQUENCE`, `TO`, `RENAME` or a dot.
    pub(crate) fn observe(&mut self, text: &[u8], dialect: Dialect) {
        let mut leads = false;
        let mut last: Option<&[u8]> = None;
        for token in Lexer::new(text, dialect) {
            if let Some(name) = token.name() {
                if leads && !is_lead(name) {
                    last = Some(name);
                    self.add(name);
                }
                leads = token.kind == Kind::Word && is_lead(name);
            } else {
                leads = token.kind == Kind::Dot && last.is_some();
            }
        }
    }

    fn add(&mut self, name: &[u8]) {
        let known = self.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if known {
            return;
        }
        if self.names.len() < TABLES_MAX {
            self.names.push(name.into());
        } else {
            self.overflowed = true;
        }
    }

    /// Whether the text mentions one of them.
    pub(crate) fn mentioned_in(&self, text: &[u8], dialect: Dialect) -> bool {
        self.overflowed
            || (!self.names.is_empty()
                && names(text, dialect).any(|name| self.names.iter().any(|known| known.eq_ignore_ascii_case(name))))
    }

    /// The session was reset.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Words that a table's name follows where tables are created.
fn is_lead(word: &[u8]) -> bool {
    super::word::is_any(word, &["TABLE", "TABLES", "EXISTS", "SEQUENCE", "TO", "RENAME"])
}

#[cfg(test)]
#[path = "names_test.rs"]
mod tests;
