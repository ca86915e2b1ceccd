//! The upstream half of a replication connection, packet by packet: what passes, and which acknowledgements wait.

/// Longest packet that a replica sends after it asked for the stream; an acknowledgement is far below.
const LATE_PACKET_MAX: usize = 4096;
/// Command byte of the request for the stream.
const COM_BINLOG_DUMP: u8 = 0x12;
/// First byte of an acknowledgement.
const ACK_MAGIC: u8 = 0xef;

/// A replica that sends what no replica sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes where only acknowledgements are expected")]
pub(super) struct Oversized(usize);

/// Cuts the upstream bytes into packets. Before the request for the stream everything passes; after it a packet passes
/// only while acknowledgements do. The newest acknowledgement that did not pass is kept: it becomes true to say once
/// the replica is in the ack set.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    header: Vec<u8>,
    /// Bytes of the present packet's payload still to come.
    left: usize,
    streaming: bool,
    late: Vec<u8>,
    kept: Option<Vec<u8>>,
}

impl Upstream {
    /// Appends to `out` what passes of `input`.
    pub(super) fn pass(&mut self, mut input: &[u8], able: bool, out: &mut Vec<u8>) -> Result<(), Oversized> {
        while !input.is_empty() {
            if self.header.len() < 4 {
                let (head, rest) = input.split_at(input.len().min(4 - self.header.len()));
                self.header.extend_from_slice(head);
                input = rest;
                if self.header.len() == 4 {
                    self.begin()?;
                    self.finish_if_whole(able, out);
                }
                continue;
            }
            let (payload, rest) = input.split_at(input.len().min(self.left));
            input = rest;
            self.left -= payload.len();
            if self.streaming {
                self.late.extend_from_slice(payload);
            } else {
                self.early(payload, out);
            }
            self.finish_if_whole(able, out);
        }
        Ok(())
    }

    /// The acknowledgement that waited, now that it may pass.
    pub(super) fn release(&mut self) -> Option<Vec<u8>> {
        self.kept.take()
    }

    fn begin(&mut self) -> Result<(), Oversized> {
        let size = self.header[..3]
            .iter()
            .rev()
            .fold(0, |size, byte| size << 8 | usize::from(*byte));
        if self.streaming && size > LATE_PACKET_MAX {
            return Err(Oversized(size));
        }
        self.left = size;
        self.late.clear();
        Ok(())
    }

    /// Passes on at once. The header is held until the first payload byte shows whether this is the request.
    fn early(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if !self.late.is_empty() {
            out.extend_from_slice(payload);
            return;
        }
        let Some(first) = payload.first() else { return };
        out.extend_from_slice(&self.header);
        out.extend_from_slice(payload);
        self.late.push(*first);
    }

    fn finish_if_whole(&mut self, able: bool, out: &mut Vec<u8>) {
        if self.left > 0 {
            return;
        }
        if self.streaming {
            let mut packet = std::mem::take(&mut self.header);
            packet.append(&mut self.late);
            if able {
                self.kept = None;
                out.extend_from_slice(&packet);
            } else if packet.get(4) == Some(&ACK_MAGIC) {
                self.kept = Some(packet);
            }
        } else {
            // A command begins with sequence number 0; the answers of a login do not.
            let command = self.header[3] == 0;
            if self.late.is_empty() {
                out.extend_from_slice(&self.header);
            }
            self.streaming = command && self.late.first() == Some(&COM_BINLOG_DUMP);
        }
        self.header.clear();
        self.late.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![u8::try_from(payload.len()).unwrap(), 0, 0, seq];
        packet.extend_from_slice(payload);
        packet
    }

    fn ack(n: u8) -> Vec<u8> {
        packet(0, &[ACK_MAGIC, n])
    }

    /// Whatever the pieces in which the bytes come.
    fn run(input: &[u8], piece: usize, able: bool) -> (Vec<u8>, Upstream) {
        let (mut upstream, mut out) = (Upstream::default(), Vec::new());
        for piece in input.chunks(piece) {
            upstream.pass(piece, able, &mut out).unwrap();
        }
        (out, upstream)
    }

    #[test]
    fn before_the_request_everything_passes_and_after_it_only_from_the_ack_set() {
        let mut login = packet(1, b"\x12 a login answer that looks like a request");
        login.extend(packet(3, b""));
        login.extend(packet(0, b"\x03SET @rpl_semi_sync_slave=1"));
        login.extend(packet(0, b"\x12 the request"));
        let mut all = login.clone();
        all.extend(ack(1));
        all.extend(ack(2));
        for piece in [1, 2, 3, 5, 7, 1000] {
            assert_eq!(run(&all, piece, true).0, all);
            let (passed, mut upstream) = run(&all, piece, false);
            assert_eq!(passed, login, "pieces of {piece}");
            assert_eq!(upstream.release(), Some(ack(2)), "the newest waits");
            assert_eq!(upstream.release(), None);
        }
    }

    #[test]
    fn a_packet_that_passes_makes_the_one_that_waited_pointless() {
        let (_, mut upstream) = run(&packet(0, b"\x12"), 99, false);
        let mut out = Vec::new();
        upstream.pass(&ack(1), false, &mut out).unwrap();
        upstream.pass(&ack(2), true, &mut out).unwrap();
        assert_eq!(out, ack(2));
        assert_eq!(upstream.release(), None);
    }

    /// The ack set flaps; the last change lets the replica in, and what waited passes then.
    #[test]
    fn an_acknowledgement_that_waited_outlasts_changes_of_the_ack_set() {
        let (_, mut upstream) = run(&packet(0, b"\x12"), 99, true);
        let mut out = Vec::new();
        for n in 1..50 {
            let (first, second) = (ack(n), ack(n.wrapping_add(100)));
            let (head, tail) = first.split_at(usize::from(n) % first.len());
            upstream.pass(head, true, &mut out).unwrap();
            upstream.pass(tail, false, &mut out).unwrap();
            upstream.pass(&second, false, &mut out).unwrap();
            assert_eq!(out, Vec::<u8>::new());
            assert_eq!(upstream.release(), Some(second));
        }
    }

    #[test]
    fn an_oversized_late_packet_is_an_error() {
        let (_, mut upstream) = run(&packet(0, b"\x12"), 99, true);
        assert_eq!(
            upstream.pass(&[0, 0x20, 0, 0], true, &mut Vec::new()),
            Err(Oversized(0x2000))
        );
    }
}
