//! The statements that a session has prepared, under ids of the router, so that any server can run them.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use super::needs::Needs;
use crate::mysql::wire::checksum::Checksum;

/// What clients send to mean "the one that I prepared last".
const LAST: u32 = u32::MAX;
/// Most that are kept; a server's own default for all its sessions together is 16,382.
const STATEMENTS_MAX: usize = 16_382;
/// Most bytes of all texts together, so that a session's memory is bounded: a kilobyte for each of that many. The types of
/// parameters take no more than the texts again, since each `?` stands in one.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// As the client sent it.
    pub(crate) text: Bytes,
    /// Where it may run.
    pub(crate) needs: Needs,
    /// Number of parameters.
    pub(crate) parameters: u16,
    /// Types of the parameters, as the client has last sent them; it sends them again only when they change.
    pub(crate) types: Option<Box<[u8]>>,
    /// Grows with each change of `types`.
    pub(crate) types_version: u32,
    /// Checksum of the definitions of its columns that the client was told last; only of clients that servers do not tell again
    /// (`CACHE_METADATA`), and of statements with columns.
    pub(crate) columns: Option<u128>,
    /// Parameters were sent in pieces, or a cursor is open: the next command for it must go to the same server.
    pub(crate) held: bool,
}

impl Statement {
    /// Takes up the types that a client has sent.
    pub(crate) fn bind(&mut self, types: &[u8]) {
        if self.types.as_deref() != Some(types) {
            self.types = Some(types.into());
            self.types_version = self.types_version.wrapping_add(1).max(1);
        }
    }
}

/// All of a session.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    by_id: BTreeMap<u32, Statement>,
    bytes: usize,
    last: u32,
    next: u32,
}

/// No more statements can be kept.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Full {
    #[error("more than {STATEMENTS_MAX} statements are prepared in this session; close some")]
    Statements,
    #[error("the statements prepared in this session have more than {BYTES_MAX} bytes together; close some")]
    Bytes,
}

/// What a server knows of one of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OnServer {
    /// The server's id.
    pub(crate) id: u32,
    /// Version of the types that it was told; 0 for none.
    pub(crate) types_version: u32,
    /// Checksum of the definitions of columns that it has told last, as it thinks to the client.
    pub(crate) columns: Option<u128>,
    /// Those definitions, if the client lacks them.
    pub(crate) owed: Box<[u8]>,
}

impl OnServer {
    /// Just prepared, with these definitions of columns, for a client that was told `told`.
    pub(crate) fn new(id: u32, definitions: Vec<u8>, told: Option<u128>) -> Self {
        let columns = columns(&definitions);
        let lacks = told.is_some() && told != columns;
        Self {
            id,
            types_version: 0,
            columns,
            owed: if lacks { definitions.into() } else { Box::default() },
        }
    }

    /// Whether the server would leave out, of what it has told, what the client has heard otherwise since.
    pub(crate) fn misleads(&self, told: Option<u128>) -> bool {
        self.owed.is_empty() && told.is_some() && told != self.columns
    }
}

/// Checksum of definitions of columns; of none without any.
pub(crate) fn columns(definitions: &[u8]) -> Option<u128> {
    (!definitions.is_empty()).then(|| Checksum::of(definitions))
}

impl Statements {
    /// The id that the next one will get.
    pub(crate) fn reserve(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if self.next != 0 && self.next != LAST && !self.by_id.contains_key(&self.next) {
                return self.next;
            }
        }
    }

    /// Whether another one of so many bytes may be kept.
    pub(crate) fn room(&self, bytes: usize) -> Result<(), Full> {
        if self.by_id.len() >= STATEMENTS_MAX {
            Err(Full::Statements)
        } else if self.bytes.saturating_add(bytes) > BYTES_MAX {
            Err(Full::Bytes)
        } else {
            Ok(())
        }
    }

    /// Keeps one under a reserved id.
    pub(crate) fn insert(&mut self, id: u32, statement: Statement) {
        self.last = id;
        self.bytes = self.bytes.saturating_add(statement.text.len());
        self.by_id.insert(id, statement);
    }

    /// Whether one must stay where it is.
    pub(crate) fn any_held(&self) -> bool {
        self.by_id.values().any(|statement| statement.held)
    }

    /// The id that a client means.
    pub(crate) const fn resolve(&self, id: u32) -> u32 {
        if id == LAST { self.last } else { id }
    }

    /// By id, as the client gave it.
    pub(crate) fn get(&self, id: u32) -> Option<&Statement> {
        self.by_id.get(&self.resolve(id))
    }

    /// By id, as the client gave it.
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Statement> {
        let id = self.resolve(id);
        self.by_id.get_mut(&id)
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Statement> {
        let id = self.resolve(id);
        let removed = self.by_id.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(removed.text.len());
        Some(removed)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.bytes = 0;
        self.last = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &'static str) -> Statement {
        Statement {
            text: Bytes::from_static(text.as_bytes()),
            needs: Needs::UNKNOWN,
            parameters: 0,
            types: None,
            types_version: 0,
            columns: None,
            held: false,
        }
    }

    #[test]
    fn the_last_one_has_a_second_name() {
        let mut statements = Statements::default();
        assert!(statements.get(LAST).is_none());
        let first = statements.reserve();
        statements.insert(first, statement("SELECT 1"));
        let second = statements.reserve();
        statements.insert(second, statement("SELECT 2"));
        assert_eq!(statements.resolve(LAST), second);
        assert_eq!(&*statements.get(LAST).unwrap().text, b"SELECT 2");
        assert!(statements.remove(first).is_some() && statements.get(first).is_none());
        assert_eq!(statements.by_id.len(), 1);
    }

    #[test]
    fn they_are_bounded_in_number_and_in_bytes() {
        let mut statements = Statements::default();
        let text = "x".repeat(BYTES_MAX / 4).leak();
        for id in 1..=4 {
            assert_eq!(statements.room(text.len()), Ok(()));
            statements.insert(id, statement(text));
        }
        assert_eq!(statements.room(1), Err(Full::Bytes));
        statements.remove(2);
        assert_eq!(statements.room(text.len()), Ok(()), "closing one makes room");
        statements.clear();
        for _ in 0..STATEMENTS_MAX {
            let id = statements.reserve();
            statements.insert(id, statement("SELECT 1"));
        }
        assert_eq!(statements.room(1), Err(Full::Statements));
    }

    #[test]
    fn ids_in_use_are_not_given_again() {
        let mut statements = Statements::default();
        statements.insert(1, statement("SELECT 1"));
        assert_eq!(statements.reserve(), 2);
        statements.next = LAST - 1;
        statements.insert(2, statement("SELECT 2"));
        assert_eq!(statements.reserve(), 3, "0 and the last one's name are no ids");
    }
}
