//! One command of a client, as it is carried out.

use crate::mysql::session::needs::Needs;
use crate::mysql::wire::command::{Command, ReplyShape};

/// Longest command that is kept until it is answered, so that it can be sent again to another server. Longer ones flow
/// through, and an error says so if their server is lost.
pub(super) const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) command: Command,
    /// Bytes of it at the front of the client's buffer, headers included. All of it if `whole`.
    pub(super) len: usize,
    /// Whether all of it is in the buffer, and stays there until it is answered.
    pub(super) whole: bool,
    pub(super) needs: Needs,
    pub(super) wire: Wire,
}

/// How it is put to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// As it came.
    AsIs,
    /// With the session's marker in front of the text.
    Marked,
    /// With the server's id of this prepared statement.
    Statement(u32),
}

impl Job {
    /// Whether it is a statement that runs.
    pub(super) const fn runs(&self) -> bool {
        matches!(
            self.command,
            Command::Query | Command::StmtExecute | Command::StmtBulkExecute
        )
    }

    pub(super) const fn shape(&self) -> ReplyShape {
        self.command.reply_shape()
    }
}
