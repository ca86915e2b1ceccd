//! A result for a client: names of columns, rows of text.

/// What `SHOW QUORATE …` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// The columns' names.
    pub(crate) columns: &'static [&'static str],
    /// As many values as columns in each.
    pub(crate) rows: Vec<Vec<String>>,
}

/// Milliseconds with three decimals.
pub(super) fn milliseconds(time: std::time::Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
