//! One connection to the server, on which every statement has a limit.
//!
//! A statement that passes its limit is *abandoned*, never killed: killing a commit that waits for an acknowledgement
//! would confirm it. The session is then broken, and the caller opens another.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Conn, Row};
use tokio::time::{Instant, timeout};

use crate::error::SqlError;
use crate::relay_logs::RelayLogs;

/// A connection of the agent's.
pub struct Session {
    conn: Option<Conn>,
    id: u32,
    relay_logs: Arc<RelayLogs>,
}

impl Session {
    pub(crate) fn new(conn: Conn, relay_logs: Arc<RelayLogs>) -> Self {
        let id = conn.id();
        Self {
            conn: Some(conn),
            id,
            relay_logs,
        }
    }

    /// The server's number for this connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The relay logs of its server.
    pub(crate) const fn relay_logs(&self) -> &Arc<RelayLogs> {
        &self.relay_logs
    }

    /// Whether an abandoned statement made it unusable.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.conn.is_none()
    }

    /// Closes it in an orderly way, if the server still listens.
    pub async fn close(mut self, limit: Duration) {
        if let Some(conn) = self.conn.take() {
            let _server_may_be_gone = timeout(limit, conn.disconnect()).await;
        }
    }

    /// Runs a statement without a result.
    pub(crate) async fn execute(
        &mut self,
        operation: &'static str,
        sql: &str,
        limit: Duration,
    ) -> Result<(), SqlError> {
        self.with(operation, limit, async |conn| conn.query_drop(sql).await)
            .await
    }

    /// Runs a query and returns its rows.
    pub(crate) async fn rows(
        &mut self,
        operation: &'static str,
        sql: &str,
        limit: Duration,
    ) -> Result<Vec<Row>, SqlError> {
        self.with(operation, limit, async |conn| conn.query(sql).await).await
    }

    /// Runs a query that has exactly one row.
    pub(crate) async fn row(&mut self, operation: &'static str, sql: &str, limit: Duration) -> Result<Row, SqlError> {
        let rows = self.rows(operation, sql, limit).await?;
        rows.into_iter().next().ok_or_else(|| SqlError::Unexpected {
            operation,
            detail: "no row".to_owned(),
        })
    }

    /// Runs several queries in one round trip and returns the rows of each.
    pub(crate) async fn row_sets(
        &mut self,
        operation: &'static str,
        sql: &str,
        limit: Duration,
    ) -> Result<Vec<Vec<Row>>, SqlError> {
        self.with(operation, limit, async |conn| {
            let mut result = conn.query_iter(sql).await?;
            let mut sets = Vec::new();
            loop {
                sets.push(result.collect::<Row>().await?);
                if result.is_empty() {
                    break;
                }
            }
            result.drop_result().await?;
            Ok(sets)
        })
        .await
    }

    /// Takes the connection out for the time of the statement, so that a dropped or late future leaves the session broken
    /// rather than out of step.
    async fn with<T>(
        &mut self,
        operation: &'static str,
        limit: Duration,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, mysql_async::Error>,
    ) -> Result<T, SqlError> {
        let mut conn = self.conn.take().ok_or(SqlError::Broken { operation })?;
        match timeout(limit, work(&mut conn)).await {
            Ok(Ok(value)) => {
                self.conn = Some(conn);
                Ok(value)
            }
            Ok(Err(source)) => {
                if matches!(source, mysql_async::Error::Server(_)) {
                    self.conn = Some(conn);
                }
                Err(SqlError::Query { operation, source })
            }
            Err(_) => Err(SqlError::Timeout {
                operation,
                after: limit,
            }),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}

/// A column by name; `NULL` and an absent column are `None`.
pub(crate) fn column<T: FromValue>(row: &Row, name: &str) -> Option<T> {
    row.get_opt::<Option<T>, _>(name).and_then(Result::ok).flatten()
}

/// A column by position; `NULL` and an absent column are `None`.
pub(crate) fn cell<T: FromValue>(row: &Row, index: usize) -> Option<T> {
    row.get_opt::<Option<T>, _>(index).and_then(Result::ok).flatten()
}

/// One limit over several statements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// Starts counting now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left; zero when it passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it passed.
    pub(crate) fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// Names the type of a boxed statement that is kept across calls.
pub(crate) type Pending<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
