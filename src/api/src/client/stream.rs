//! Server-sent events.

use std::collections::VecDeque;

use crate::rest::EventView;

use super::ClientError;

/// Longest line of a stream that is kept; a longer one is no event of ours.
const LINE_MAX: usize = 64 * 1024;

/// Committed decisions as they come.
#[derive(Debug)]
pub struct EventStream {
    answer: reqwest::Response,
    rest: Vec<u8>,
    ready: VecDeque<EventView>,
}

impl EventStream {
    pub(super) const fn new(answer: reqwest::Response) -> Self {
        Self {
            answer,
            rest: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next event; none when the supervisor ended the stream. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If the connection breaks; watch again, after the last event's index.
    pub async fn next(&mut self) -> Result<Option<EventView>, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.answer.chunk().await.map_err(ClientError::Stream)? else {
                return Ok(None);
            };
            self.take(&chunk);
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Some(data) = line.strip_prefix(b"data:")
                && let Ok(event) = serde_json::from_slice(data)
            {
                self.ready.push_back(event);
            }
        }
        if self.rest.len() > LINE_MAX {
            self.rest.clear();
        }
    }
}
