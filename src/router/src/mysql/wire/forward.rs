//! What goes to the client: pieces of the chunk as it came, and bytes made here.

use std::io::IoSlice;

use super::packet::{HEADER_BYTES, header_bytes, narrow};

#[derive(Debug, Clone, Copy)]
struct Segment {
    made: bool,
    start: usize,
    end: usize,
}

/// A list of pieces to write, in order, with one `write_vectored`. Reused, so that nothing is allocated per packet.
///
/// Ranges are those of one buffer, the caller's.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    segments: Vec<Segment>,
    scratch: Vec<u8>,
    length: usize,
}

impl Forward {
    /// Nothing to write.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, keeps the memory. To be called when all was written and the buffer changes.
    pub(crate) fn clear(&mut self) {
        self.segments.clear();
        self.scratch.clear();
        self.length = 0;
    }

    /// Bytes in all.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing to write.
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The one range of the buffer that is all there is to write, if so.
    pub(crate) fn only_range(&self) -> Option<(usize, usize)> {
        match self.segments.as_slice() {
            [
                Segment {
                    made: false,
                    start,
                    end,
                },
            ] => Some((*start, *end)),
            _ => None,
        }
    }

    /// Fills `out` with what is left to write after the first `written` bytes; returns how many slices it filled.
    ///
    /// `buffer` is the caller's buffer with the bytes as `advance` left them.
    pub(crate) fn slices<'a>(&'a self, buffer: &'a [u8], written: usize, out: &mut [IoSlice<'a>]) -> usize {
        let mut skip = written;
        let mut filled = 0_usize;
        let mut slots = out.iter_mut();
        for segment in &self.segments {
            let bytes = self.bytes(buffer, *segment);
            let Some((_, rest)) = bytes.split_at_checked(skip) else {
                skip = skip.saturating_sub(bytes.len());
                continue;
            };
            skip = 0;
            if rest.is_empty() {
                continue;
            }
            let Some(slot) = slots.next() else { break };
            *slot = IoSlice::new(rest);
            filled = filled.saturating_add(1);
        }
        filled
    }

    fn bytes<'a>(&'a self, buffer: &'a [u8], segment: Segment) -> &'a [u8] {
        let from = if segment.made { &self.scratch } else { buffer };
        from.get(segment.start..segment.end).unwrap_or_default()
    }

    /// Passes `start..end` of the current chunk.
    pub(super) fn pass(&mut self, start: usize, end: usize) {
        if start < end {
            self.push(Segment {
                made: false,
                start,
                end,
            });
        }
    }

    /// A packet whose payload `fill` appends.
    pub(super) fn packet(&mut self, sequence: u8, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.scratch.len();
        let body = start.saturating_add(HEADER_BYTES);
        self.scratch.extend_from_slice(&[0; HEADER_BYTES]);
        fill(&mut self.scratch);
        let end = self.scratch.len();
        let header = header_bytes(narrow(end.saturating_sub(body)), sequence);
        if let Some(place) = self.scratch.get_mut(start..body) {
            place.copy_from_slice(&header);
        }
        self.push(Segment { made: true, start, end });
    }

    fn push(&mut self, segment: Segment) {
        self.length = self.length.saturating_add(segment.end.saturating_sub(segment.start));
        if let Some(last) = self.segments.last_mut()
            && last.made == segment.made
            && last.end == segment.start
        {
            last.end = segment.end;
            return;
        }
        self.segments.push(segment);
    }
}
