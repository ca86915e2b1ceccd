//! Exit codes, the same for every verb.

use std::process::ExitCode;

/// How a verb ended. Documented in `quorate --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or healthy.
    Ok,
    /// Failed.
    Failure,
    /// The command line or a configuration file is wrong.
    Usage,
    /// No supervisor could be reached.
    Unreachable,
    /// The cluster refused, or is blocked.
    Refused,
    /// Answered, but not healthy (`status`, `doctor`).
    Degraded,
}

/// The table of exit codes as shown by `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done; for status and doctor: healthy
  1  failed
  2  the command line or a configuration file is wrong
  3  no supervisor could be reached
  4  refused by the cluster, or the cluster is blocked
  5  answered, but degraded (status, doctor)";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::Refused => 4,
            Exit::Degraded => 5,
        })
    }
}
