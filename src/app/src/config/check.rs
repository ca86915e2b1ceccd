//! What the types cannot say: values that contradict each other, named with their line.

use std::path::Path;

use super::read::{load, parse_failed};
use crate::output::Problem;
use serde::de::DeserializeOwned;

/// A role's configuration.
pub(crate) trait RoleConfig: DeserializeOwned {
    /// What is wrong, each beginning with the field: `server.server_id: must not be 0`.
    fn complaints(&self) -> Vec<String>;
}

impl RoleConfig for quorate_supervisor::Config {
    fn complaints(&self) -> Vec<String> {
        self.check().err().map(|error| error.to_string()).into_iter().collect()
    }
}

impl RoleConfig for quorate_agent::Config {
    fn complaints(&self) -> Vec<String> {
        Self::complaints(self)
    }
}

impl RoleConfig for quorate_router::Config {
    fn complaints(&self) -> Vec<String> {
        match self.check() {
            Ok(()) => Vec::new(),
            Err(quorate_router::Error::Config { field, problem }) => vec![format!("{field}: {problem}")],
            Err(other) => vec![other.to_string()],
        }
    }
}

/// Reads and checks a role's configuration.
pub(crate) fn read_checked<T: RoleConfig>(path: &Path) -> Result<T, Problem> {
    let text = load(path)?;
    let config: T = super::read::parse(&text).map_err(|mistake| parse_failed(path, &mistake))?;
    let complaints = config.complaints();
    if complaints.is_empty() {
        return Ok(config);
    }
    let located: Vec<String> = complaints.iter().map(|complaint| locate(&text, complaint)).collect();
    Err(parse_failed(path, &located.join("; ")))
}

/// The complaint with the line of its field in front, where it can be found.
fn locate(text: &str, complaint: &str) -> String {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    let field = complaint.split(|c| !is_path(c)).next().unwrap_or_default();
    match line_of(text, field) {
        Some(line) => format!("{line}: {complaint}"),
        None => format!(" {complaint}"),
    }
}

/// The line of a field: each part of its path is looked for below the one before.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let mut lines = text.lines().enumerate();
    let mut found = None;
    for part in field.split('.') {
        let name = part.split('[').next().unwrap_or(part);
        found = lines.by_ref().find_map(|(number, line)| {
            let key = line.trim_start().trim_start_matches("- ").trim_matches('"');
            let rest = key.strip_prefix(name)?.trim_start_matches('"');
            rest.trim_start().starts_with(':').then_some(number + 1)
        });
        found?;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "node: m1\ndoor:\n  listen: a\nserver:\n  home: /x\n  server_id: 0\n";

    #[test]
    fn a_field_is_found_below_its_parents() {
        assert_eq!(line_of(TEXT, "server.server_id"), Some(6));
        assert_eq!(line_of(TEXT, "node"), Some(1));
        assert_eq!(line_of(TEXT, "server.listen"), None);
    }

    #[test]
    fn a_complaint_gets_its_line() {
        assert_eq!(
            locate(TEXT, "server.server_id: must not be 0"),
            "6: server.server_id: must not be 0"
        );
        assert_eq!(locate(TEXT, "nothing known"), " nothing known");
    }
}
