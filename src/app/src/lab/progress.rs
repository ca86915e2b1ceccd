//! Progress while something takes long: a spinner on a terminal, one line per stage elsewhere, nothing with `--json`.

use std::fmt::Display;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Console;

/// Shows what is going on now.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    spinner: Option<ProgressBar>,
    stage: String,
}

impl Progress {
    /// Starts showing.
    pub(crate) fn new(console: Console) -> Self {
        let spinner = console.live.then(|| {
            let spinner = ProgressBar::new_spinner();
            spinner.enable_steady_tick(Duration::from_millis(100));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                spinner.set_style(style);
            }
            spinner
        });
        Self {
            console,
            spinner,
            stage: String::new(),
        }
    }

    /// Says what is going on; repeating it is free.
    pub(crate) fn stage(&mut self, stage: impl Display) {
        let stage = stage.to_string();
        if stage == self.stage {
            return;
        }
        match &self.spinner {
            Some(spinner) => spinner.set_message(stage.clone()),
            None if self.console.json => {}
            None => self.console.remark(format_args!("... {stage}")),
        }
        self.stage = stage;
    }

    /// A line that stays.
    pub(crate) fn milestone(&self, text: impl Display) {
        if self.console.json {
            return;
        }
        match &self.spinner {
            Some(spinner) => spinner.println(text.to_string()),
            None => self.console.remark(text),
        }
    }

    /// Stops showing.
    pub(crate) fn done(self) {
        if let Some(spinner) = self.spinner {
            spinner.finish_and_clear();
        }
    }
}
