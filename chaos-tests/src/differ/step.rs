//! What a session does.

use crate::wire::Arg;

/// What one session does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A text statement.
    Query(String),
    /// A statement that is prepared, executed with each set of arguments, and closed or left open.
    Prepared {
        /// Its text.
        sql: String,
        /// Arguments of each execution.
        runs: Vec<Vec<Arg>>,
        /// Whether the types of the arguments come with the first execution only.
        types_once: bool,
        /// Whether it is left open.
        keep: bool,
    },
    /// One that was left open is executed again; the number counts from the oldest.
    Again(usize, Vec<Arg>),
    /// Reset the session.
    Reset,
    /// Choose the database anew.
    Use,
    /// Close the connection and log in again.
    Reconnect,
}

impl Step {
    /// Whether it locks rows or leaves something in its connection though its transaction only reads.
    pub(super) fn leaves_traces(&self) -> bool {
        let value = self.text().strip_prefix("SET @").and_then(|set| set.split_once("= "));
        let expression = value.is_some_and(|(_, value)| value.contains(['(', '@']));
        let traces = [
            "FOR UPDATE",
            "LOCK IN SHARE MODE",
            "INTO @",
            ":=",
            "TEMPORARY",
            "PREPARE",
            "EXECUTE",
            "CALL",
            "f1_",
        ];
        expression || traces.iter().any(|words| self.text().contains(words))
    }

    /// Whether it waits until nobody uses the table.
    pub(super) fn defines(&self) -> bool {
        let table = [
            "CREATE TABLE",
            "CREATE OR REPLACE TABLE",
            "ALTER",
            "CREATE INDEX",
            "DROP INDEX",
            "TRUNCATE",
        ];
        table.iter().any(|words| self.text().starts_with(words))
    }

    /// Whether it asks what the last statement has warned of.
    pub(super) fn asks_for_warnings(&self) -> bool {
        let text = self.text();
        text.ends_with("WARNINGS") || text == "SHOW ERRORS" || text.contains("@@warning_count")
    }

    /// Whether it surely uses a table.
    pub(super) fn is_about_tables(&self) -> bool {
        let text = self.text();
        let words = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH", "("];
        let verb = words.iter().any(|word| text.starts_with(word));
        verb && [" t", " meet", " v0"].iter().any(|table| text.contains(table))
    }

    /// The statement; nothing for what is none.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Query(sql) | Self::Prepared { sql, .. } => sql,
            Self::Again(..) | Self::Reset | Self::Use | Self::Reconnect => "",
        }
    }
}
