//! What a session has set, in the order in which it counts, so that another connection can be brought to the same state.

use thiserror::Error;

/// Most settings that are kept. Applications set a handful; beyond it a session stays where it is.
const ENTRIES_MAX: usize = 256;
/// Most bytes of all settings together, so that a session's memory is bounded.
const BYTES_MAX: usize = 64 * 1024;

/// How a statement begins that says something of the next transaction alone.
const ANNOUNCEMENT: &str = "SET TRANSACTION ";

/// The settings of one session. A later setting of the same thing replaces the earlier one and moves to the end, since
/// what came in between may depend on the old value no more.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    bytes: usize,
    version: u64,
    /// What `SET TRANSACTION` has said of the next transaction, or of the one that is open; in the server's words.
    announced: Vec<Box<str>>,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Entry {
    key: Box<str>,
    /// When it was recorded; connections remember up to which version they have everything.
    pub(crate) version: u64,
    /// The statement that brings it about.
    pub(crate) sql: Box<str>,
}

/// The journal takes no more: the session cannot be moved to another connection any longer.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("more than {ENTRIES_MAX} settings or {BYTES_MAX} bytes of them")]
pub(crate) struct Full;

impl Journal {
    /// Records a setting and returns the version that has it.
    pub(crate) fn record(&mut self, key: &str, sql: &str) -> Result<u64, Full> {
        if let Some(at) = self.entries.iter().position(|entry| &*entry.key == key) {
            let old = self.entries.remove(at);
            self.bytes = self.bytes.saturating_sub(old.size());
        }
        let entry = Entry {
            key: key.into(),
            version: self.version.saturating_add(1),
            sql: sql.into(),
        };
        let bytes = self.bytes.saturating_add(entry.size());
        if self.entries.len() >= ENTRIES_MAX || bytes > BYTES_MAX {
            return Err(Full);
        }
        self.version = entry.version;
        self.bytes = bytes;
        self.entries.push(entry);
        Ok(self.version)
    }

    /// The newest version.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// What a connection lacks that has everything up to `applied`.
    pub(crate) fn since(&self, applied: u64) -> impl Iterator<Item = &Entry> {
        let from = self.entries.partition_point(|entry| entry.version <= applied);
        self.entries.iter().skip(from)
    }

    /// Takes up what a server says of the next or the present transaction: statements that begin one like it. Only a server knows
    /// when it is over, since a read of a table is a transaction too.
    pub(crate) fn announce(&mut self, characteristics: &[u8]) {
        let text = String::from_utf8_lossy(characteristics);
        let mut statements = text.split(';').map(str::trim).filter(|sql| !sql.is_empty());
        // It has begun, and its beginning is the client's own statement.
        if statements.clone().all(|sql| sql.starts_with(ANNOUNCEMENT)) {
            self.announced = statements.by_ref().map(Box::from).collect();
        }
    }

    /// What another primary must be told before the next transaction, or before the open one is done again there.
    pub(crate) fn announced(&self) -> &[Box<str>] {
        &self.announced
    }

    /// Forgets everything, as COM_RESET_CONNECTION does. Versions go on, so that no connection seems up to date.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.announced.clear();
        self.bytes = 0;
        self.version = self.version.saturating_add(1);
    }
}

impl Entry {
    /// Whether it is the setting of this key.
    pub(crate) fn is(&self, key: &str) -> bool {
        &*self.key == key
    }

    fn size(&self) -> usize {
        self.key.len().saturating_add(self.sql.len())
    }
}

/// The statement that gives a session variable the value that the server has reported.
pub(crate) fn set_variable(name: &str, value: Option<&str>) -> String {
    match value {
        None => format!("SET SESSION {name}=NULL"),
        Some(value) if is_number(value) => format!("SET SESSION {name}={value}"),
        Some(value) => format!("SET SESSION {name}={}", quoted(value)),
    }
}

/// A literal that means the text whatever `sql_mode` says about backslashes.
fn quoted(text: &str) -> String {
    if text.contains('\\') {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        return format!("CONVERT(X'{hex}' USING utf8mb4)");
    }
    format!("'{}'", text.replace('\'', "''"))
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(journal: &Journal, applied: u64) -> Vec<&str> {
        journal.since(applied).map(|entry| &*entry.sql).collect()
    }

    #[test]
    fn a_later_setting_replaces_the_earlier_and_comes_last() {
        let mut journal = Journal::default();
        journal.record("var:sql_mode", "SET SESSION sql_mode=''").unwrap();
        let second = journal.record("user:@x", "SET @x=1").unwrap();
        journal.record("var:sql_mode", "SET SESSION sql_mode='ANSI'").unwrap();
        assert_eq!(texts(&journal, 0), ["SET @x=1", "SET SESSION sql_mode='ANSI'"]);
        assert_eq!(texts(&journal, second), ["SET SESSION sql_mode='ANSI'"]);
        assert!(texts(&journal, journal.version()).is_empty());
    }

    #[test]
    fn clearing_leaves_no_connection_up_to_date_by_accident() {
        let mut journal = Journal::default();
        let before = journal.record("user:@x", "SET @x=1").unwrap();
        journal.clear();
        assert!(journal.version() > before && texts(&journal, 0).is_empty());
        let after = journal.record("user:@x", "SET @x=2").unwrap();
        assert!(after > before);
    }

    #[test]
    fn what_is_said_of_a_transaction_holds_until_a_server_says_that_it_is_over() {
        let mut journal = Journal::default();
        let said = |journal: &Journal| journal.announced().join("|");
        journal.announce(b"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION READ ONLY;");
        let both = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE|SET TRANSACTION READ ONLY";
        assert_eq!(said(&journal), both);
        journal.announce(b"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION READ ONLY;");
        assert_eq!(said(&journal), both, "a replay needs it before its BEGIN");
        journal.announce(b"");
        assert_eq!(said(&journal), "");
        journal.announce(b"START TRANSACTION;");
        assert_eq!(said(&journal), "");
    }

    #[test]
    fn it_is_bounded() {
        let mut journal = Journal::default();
        for n in 0..ENTRIES_MAX {
            journal.record(&format!("user:@x{n}"), "SET @x=1").unwrap();
        }
        assert_eq!(journal.record("user:@y", "SET @y=1"), Err(Full));
        assert!(
            journal.record("user:@x1", "SET @x1=2").is_ok(),
            "replacing needs no room"
        );
        let mut journal = Journal::default();
        assert_eq!(journal.record("user:@x", &"x".repeat(BYTES_MAX)), Err(Full));
    }

    #[test]
    fn values_are_written_so_that_they_are_read_back() {
        assert_eq!(set_variable("autocommit", Some("ON")), "SET SESSION autocommit='ON'");
        assert_eq!(
            set_variable("max_statement_time", Some("1.5")),
            "SET SESSION max_statement_time=1.5"
        );
        assert_eq!(
            set_variable("character_set_results", None),
            "SET SESSION character_set_results=NULL"
        );
        assert_eq!(set_variable("init", Some("it's")), "SET SESSION init='it''s'");
        assert_eq!(
            set_variable("x", Some("\\")),
            "SET SESSION x=CONVERT(X'5c' USING utf8mb4)"
        );
        assert_eq!(set_variable("x", Some("1.")), "SET SESSION x='1.'");
    }
}
