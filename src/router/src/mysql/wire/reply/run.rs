//! A walk over one chunk, with the list of what goes to the client.

use super::super::forward::Forward;
use super::super::packet::{HEADER_BYTES, header, shift_sequence};

/// The chunk, how far it was read, and how far it was passed on.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) chunk: &'a mut [u8],
    pub(super) at: usize,
    passed: usize,
    forward: &'a mut Forward,
    swallow: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(chunk: &'a mut [u8], forward: &'a mut Forward, swallow: bool) -> Self {
        Self {
            chunk,
            at: 0,
            passed: 0,
            forward,
            swallow,
        }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.chunk.get(self.at..).unwrap_or_default()
    }

    /// Header of the next packet.
    pub(super) fn header(&self) -> Option<(u32, u8)> {
        header(self.rest())
    }

    /// First byte of the next packet's payload.
    pub(super) fn first(&self) -> Option<u8> {
        self.rest().get(HEADER_BYTES).copied()
    }

    /// Payload of the next packet if it is whole.
    pub(super) fn payload(&self, length: u32) -> Option<&[u8]> {
        let (_, body) = self.rest().split_at_checked(HEADER_BYTES)?;
        body.get(..length as usize)
    }

    /// The same, to be patched.
    pub(super) fn payload_mut(&mut self, length: u32) -> Option<&mut [u8]> {
        let start = self.at.saturating_add(HEADER_BYTES);
        let end = start.saturating_add(length as usize);
        self.chunk.get_mut(start..end)
    }

    /// Reads the header at hand; the packet goes to the client with its sequence id shifted.
    pub(super) fn pass_header(&mut self, shift: u8) {
        shift_sequence(self.chunk, self.at, shift);
        self.at = self.at.saturating_add(HEADER_BYTES);
    }

    /// Reads the whole packet at hand; the client gets what `fill` writes instead.
    pub(super) fn replace(&mut self, length: u32, sequence: u8, fill: impl FnOnce(&[u8], &mut Vec<u8>)) {
        self.flush();
        let start = self.at.saturating_add(HEADER_BYTES);
        let end = start.saturating_add(length as usize);
        let payload = self.chunk.get(start..end).unwrap_or_default();
        if !self.swallow {
            self.forward.packet(sequence, |out| fill(payload, out));
        }
        self.at = end.min(self.chunk.len());
        self.passed = self.at;
    }

    /// Puts a packet of its own before the one at hand.
    pub(super) fn insert(&mut self, sequence: u8, payload: &[u8]) {
        self.flush();
        if !self.swallow {
            self.forward.packet(sequence, |out| out.extend_from_slice(payload));
        }
    }

    /// Lists what was read since the last time.
    pub(super) fn flush(&mut self) {
        if !self.swallow {
            self.forward.pass(self.passed, self.at);
        }
        self.passed = self.at;
    }
}
