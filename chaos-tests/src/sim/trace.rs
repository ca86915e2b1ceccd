//! What happened, in words for people and as one number for comparing two runs.

use std::collections::VecDeque;

use super::clock::Micros;
use super::event::What;

/// Lines kept.
const KEPT: usize = 100_000;

/// The story of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    wanted: bool,
    hash: u64,
    pub(crate) events: u64,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) const fn new(wanted: bool) -> Self {
        Self {
            wanted,
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            lines: VecDeque::new(),
        }
    }

    fn fold(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Takes an event into the number, and when wanted its text.
    pub(crate) fn mix(&mut self, now: Micros, what: &What) {
        self.events += 1;
        self.hash = (self.hash ^ now).wrapping_mul(0x0100_0000_01b3);
        if self.wanted {
            let text = format!("{what:?}");
            self.fold(text.as_bytes());
        }
    }

    /// A remark; the words are only put together when somebody reads them.
    pub(crate) fn say(&mut self, now: Micros, words: impl FnOnce() -> String) {
        self.hash = (self.hash ^ now ^ 0x5a5a).wrapping_mul(0x0100_0000_01b3);
        if !self.wanted {
            return;
        }
        let words = words();
        self.fold(words.as_bytes());
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>10.3} ms  {words}", to_ms(now)));
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "for people; a run is far shorter than 2^52 microseconds"
)]
fn to_ms(now: Micros) -> f64 {
    now as f64 / 1000.0
}
