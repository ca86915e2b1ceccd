//! An error that says what to do next.

use crate::output::Exit;

/// A failure with its remedy and its exit code; travels inside `anyhow::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Problem {
    /// What failed, naming the thing.
    pub(crate) what: String,
    /// What to do next.
    pub(crate) remedy: String,
    /// The exit code.
    pub(crate) exit: Exit,
    #[source]
    source: Option<anyhow::Error>,
}

impl Problem {
    /// A plain failure.
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
            exit: Exit::Failure,
            source: None,
        }
    }

    /// The command line or a file given by the user is wrong.
    pub(crate) fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(what, remedy).exiting(Exit::Usage)
    }

    /// With another exit code.
    pub(crate) const fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// With its cause.
    pub(crate) fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// The exit code of an error: that of the outermost [`Problem`] in its chain.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Problem>())
        .map_or(Exit::Failure, |problem| problem.exit)
}

/// The remedies along the chain, outermost first.
pub(crate) fn remedies(error: &anyhow::Error) -> Vec<&str> {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<Problem>())
        .map(|problem| problem.remedy.as_str())
        .filter(|remedy| !remedy.is_empty())
        .collect()
}
