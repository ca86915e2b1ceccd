//! Tables that a crash cannot take back.
//!
//! They are found by their files: asking `information_schema` opens tables, which hangs behind a DDL that waits for an
//! acknowledgement.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_model::{Finding, Severity};

use crate::error::SqlError;
use crate::session::{Deadline, Session, cell};

/// Index files of MyISAM and Aria, and the data of CSV and ARCHIVE.
const EXTENSIONS: [&str; 4] = ["MYI", "MAI", "CSV", "ARZ"];
/// The server's own schemas, which are Aria by design and never written by clients.
const SYSTEM_SCHEMAS: [&str; 4] = ["mysql", "sys", "performance_schema", "quorate"];
/// How many tables a finding names.
const NAMED_MAX: usize = 5;

const OPERATION: &str = "look for non-transactional tables";

pub(super) async fn check(session: &mut Session, deadline: Deadline) -> Result<Vec<Finding>, SqlError> {
    let row = session.row(OPERATION, "SELECT @@datadir", deadline.left()).await?;
    let datadir = PathBuf::from(cell::<String>(&row, 0).unwrap_or_default());
    let failed = |error: io::Error| SqlError::Unexpected {
        operation: OPERATION,
        detail: error.to_string(),
    };
    let tables = tokio::task::spawn_blocking(move || non_transactional(&datadir))
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)?;
    Ok(if tables.is_empty() {
        Vec::new()
    } else {
        vec![finding(&tables)]
    })
}

fn non_transactional(datadir: &Path) -> io::Result<Vec<String>> {
    let mut tables = Vec::new();
    for schema in fs::read_dir(datadir)? {
        let schema = schema?;
        let name = schema.file_name().to_string_lossy().into_owned();
        if SYSTEM_SCHEMAS.contains(&name.as_str()) || !schema.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(schema.path())? {
            let path = file?.path();
            if path
                .extension()
                .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
            {
                tables.push(format!(
                    "{name}.{}",
                    path.file_stem().unwrap_or_default().to_string_lossy()
                ));
            }
        }
    }
    tables.sort_unstable();
    Ok(tables)
}

fn finding(tables: &[String]) -> Finding {
    let named = tables
        .iter()
        .take(NAMED_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let more = tables.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Finding {
        code: "table.non_transactional".to_owned(),
        severity: Severity::Warning,
        problem: format!("not InnoDB: {named}{more}"),
        lost_guarantee:
            "a crash after a write to such a table cannot take it back: rows can differ between nodes, and the \
                         old primary can refuse to start and must be rebuilt"
                .to_owned(),
        remedy: "on the primary: ALTER TABLE ... ENGINE=InnoDB".to_owned(),
    }
}
