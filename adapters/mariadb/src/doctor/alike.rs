//! Settings that nodes must have in common.

use std::collections::BTreeMap;

use quorate_model::ALIKE;

use crate::error::SqlError;
use crate::session::{Deadline, Session, cell};

pub(super) async fn read(session: &mut Session, deadline: Deadline) -> Result<BTreeMap<String, String>, SqlError> {
    let columns: Vec<String> = ALIKE
        .iter()
        .map(|alike| format!("CAST(@@GLOBAL.{} AS CHAR)", alike.variable))
        .collect();
    let sql = format!("SELECT {}", columns.join(", "));
    let row = session
        .row("read the settings that nodes have in common", &sql, deadline.left())
        .await?;
    Ok(ALIKE
        .iter()
        .enumerate()
        .filter_map(|(at, alike)| Some((alike.variable.to_owned(), cell::<String>(&row, at)?)))
        .collect())
}
