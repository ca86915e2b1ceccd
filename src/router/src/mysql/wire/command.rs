//! What a client sends: command bytes, the shape of their replies, and where one command ends and the next begins.

use super::packet::{HEADER_BYTES, PACKET_MAX, header, narrow, shift_sequence};

/// First byte of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// COM_QUIT
    Quit,
    /// COM_INIT_DB
    InitDb,
    /// COM_QUERY
    Query,
    /// COM_FIELD_LIST
    FieldList,
    /// COM_REFRESH
    Refresh,
    /// COM_SHUTDOWN
    Shutdown,
    /// COM_STATISTICS
    Statistics,
    /// COM_PROCESS_INFO
    ProcessInfo,
    /// COM_PROCESS_KILL
    ProcessKill,
    /// COM_DEBUG
    Debug,
    /// COM_PING
    Ping,
    /// COM_CHANGE_USER
    ChangeUser,
    /// COM_BINLOG_DUMP
    BinlogDump,
    /// COM_TABLE_DUMP
    TableDump,
    /// COM_REGISTER_SLAVE
    RegisterReplica,
    /// COM_STMT_PREPARE
    StmtPrepare,
    /// COM_STMT_EXECUTE
    StmtExecute,
    /// COM_STMT_SEND_LONG_DATA
    StmtLongData,
    /// COM_STMT_CLOSE
    StmtClose,
    /// COM_STMT_RESET
    StmtReset,
    /// COM_SET_OPTION
    SetOption,
    /// COM_STMT_FETCH
    StmtFetch,
    /// COM_RESET_CONNECTION
    ResetConnection,
    /// COM_STMT_BULK_EXECUTE
    StmtBulkExecute,
    /// Retired, internal to servers, or newer than this code.
    Unknown(u8),
}

/// What answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyShape {
    /// Nothing at all.
    None,
    /// One OK, EOF or ERR.
    Simple,
    /// Any number of OKs, result sets and requests for files; an ERR ends them.
    ResultSets,
    /// A prepare-OK and definitions, or ERR.
    Prepare,
    /// Rows without a head, or ERR.
    Fetch,
    /// Definitions without a head, or ERR.
    FieldList,
    /// One packet of text.
    Text,
    /// Events without an end: becomes a tunnel.
    Stream,
    /// An authentication exchange in several turns; not read by [`super::reply::Reply`].
    Exchange,
}

impl Command {
    /// From its byte.
    pub(crate) const fn from_byte(byte: u8) -> Self {
        match byte {
            0x01 => Self::Quit,
            0x02 => Self::InitDb,
            0x03 => Self::Query,
            0x04 => Self::FieldList,
            0x07 => Self::Refresh,
            0x08 => Self::Shutdown,
            0x09 => Self::Statistics,
            0x0a => Self::ProcessInfo,
            0x0c => Self::ProcessKill,
            0x0d => Self::Debug,
            0x0e => Self::Ping,
            0x11 => Self::ChangeUser,
            0x12 => Self::BinlogDump,
            0x13 => Self::TableDump,
            0x15 => Self::RegisterReplica,
            0x16 => Self::StmtPrepare,
            0x17 => Self::StmtExecute,
            0x18 => Self::StmtLongData,
            0x19 => Self::StmtClose,
            0x1a => Self::StmtReset,
            0x1b => Self::SetOption,
            0x1c => Self::StmtFetch,
            0x1f => Self::ResetConnection,
            0xfa => Self::StmtBulkExecute,
            other => Self::Unknown(other),
        }
    }

    /// Its byte.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Quit => 0x01,
            Self::InitDb => 0x02,
            Self::Query => 0x03,
            Self::FieldList => 0x04,
            Self::Refresh => 0x07,
            Self::Shutdown => 0x08,
            Self::Statistics => 0x09,
            Self::ProcessInfo => 0x0a,
            Self::ProcessKill => 0x0c,
            Self::Debug => 0x0d,
            Self::Ping => 0x0e,
            Self::ChangeUser => 0x11,
            Self::BinlogDump => 0x12,
            Self::TableDump => 0x13,
            Self::RegisterReplica => 0x15,
            Self::StmtPrepare => 0x16,
            Self::StmtExecute => 0x17,
            Self::StmtLongData => 0x18,
            Self::StmtClose => 0x19,
            Self::StmtReset => 0x1a,
            Self::SetOption => 0x1b,
            Self::StmtFetch => 0x1c,
            Self::ResetConnection => 0x1f,
            Self::StmtBulkExecute => 0xfa,
            Self::Unknown(byte) => byte,
        }
    }

    /// What answers it.
    pub(crate) const fn reply_shape(self) -> ReplyShape {
        match self {
            Self::Quit | Self::StmtLongData | Self::StmtClose => ReplyShape::None,
            Self::Query | Self::ProcessInfo | Self::StmtExecute | Self::StmtBulkExecute => ReplyShape::ResultSets,
            Self::FieldList => ReplyShape::FieldList,
            Self::Statistics => ReplyShape::Text,
            Self::ChangeUser => ReplyShape::Exchange,
            Self::BinlogDump | Self::TableDump => ReplyShape::Stream,
            Self::StmtPrepare => ReplyShape::Prepare,
            Self::StmtFetch => ReplyShape::Fetch,
            Self::InitDb
            | Self::Refresh
            | Self::Shutdown
            | Self::ProcessKill
            | Self::Debug
            | Self::Ping
            | Self::RegisterReplica
            | Self::StmtReset
            | Self::SetOption
            | Self::ResetConnection
            | Self::Unknown(_) => ReplyShape::Simple,
        }
    }
}

/// The first packet of a command, as far as its header and first byte tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Payload length of the first packet. [`PACKET_MAX`] if more packets follow.
    pub(crate) length: u32,
    /// Its sequence id; 0 from a client that is not confused.
    pub(crate) sequence: u8,
    /// The command. An empty packet is the unknown command 0, as for the server.
    pub(crate) command: Command,
}

impl Head {
    /// From the first bytes of a command; `None` until there are enough (five, or four of an empty packet).
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, sequence) = header(bytes)?;
        let command = if length == 0 { 0 } else { *bytes.get(HEADER_BYTES)? };
        Some(Self {
            length,
            sequence,
            command: Command::from_byte(command),
        })
    }

    /// Whether this is the only packet of the command.
    pub(crate) const fn is_only(self) -> bool {
        self.length < PACKET_MAX
    }

    /// Bytes on the wire of a command of one packet, header included; `None` if more packets follow.
    pub(crate) fn wire_bytes(self) -> Option<usize> {
        self.is_only()
            .then(|| (self.length as usize).saturating_add(HEADER_BYTES))
    }
}

/// Finds where what a client sends ends, in bytes that come in pieces; nothing is buffered.
///
/// The same rule serves one command (packets up to the first that is not full) and, with [`Upstream::file`], the
/// contents of a LOCAL INFILE (packets up to the first empty one).
#[derive(Debug, Clone, Default)]
pub(crate) struct Upstream {
    left: u32,
    /// No packet follows the current one.
    over: bool,
    /// The last packet was full.
    full: bool,
    file: bool,
    shift: u8,
    last_sequence: u8,
}

/// How far [`Upstream::advance`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes at the start of the chunk that belong to the command. What is left over is a partial header (at most 3
    /// bytes) or, after the end, the next command.
    pub(crate) bytes: usize,
    /// Whether the command ended with them.
    pub(crate) end: bool,
}

impl Upstream {
    /// Scanner of one command.
    pub(crate) fn command() -> Self {
        Self::default()
    }

    /// Scanner of the contents of a file, as they answer a request for it. `shift` is added to the sequence ids, for a
    /// server that counts otherwise than the client (see [`super::reply::Reply::upload_shift`]).
    pub(crate) fn file(shift: u8) -> Self {
        Self {
            file: true,
            shift,
            ..Self::default()
        }
    }

    /// Sequence id of the last packet begun. The reply continues from it.
    pub(crate) const fn last_sequence(&self) -> u8 {
        self.last_sequence
    }

    /// Takes what belongs to the command, and shifts the sequence ids in it if asked to. Not to be called after the end.
    pub(crate) fn advance(&mut self, chunk: &mut [u8]) -> Taken {
        let mut at = 0_usize;
        let end = loop {
            let flowing = (self.left as usize).min(chunk.len().saturating_sub(at));
            at = at.saturating_add(flowing);
            self.left = self.left.saturating_sub(narrow(flowing));
            if self.left > 0 {
                break false;
            }
            if self.over {
                break true;
            }
            let Some((length, sequence)) = chunk.get(at..).and_then(header) else {
                break false;
            };
            self.last_sequence = sequence.wrapping_add(self.shift);
            shift_sequence(chunk, at, self.shift);
            at = at.saturating_add(HEADER_BYTES);
            self.left = length;
            let continues = std::mem::replace(&mut self.full, length == PACKET_MAX);
            // An empty packet after a full one completes it; the file ends with an empty packet of its own.
            self.over = if self.file {
                length == 0 && !continues
            } else {
                length < PACKET_MAX
            };
        };
        Taken { bytes: at, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_commands_agree() {
        for byte in 0..=u8::MAX {
            assert_eq!(Command::from_byte(byte).byte(), byte);
        }
        assert_eq!(Command::from_byte(0xfa).reply_shape(), ReplyShape::ResultSets);
        assert_eq!(Command::from_byte(0xfe).reply_shape(), ReplyShape::Simple);
    }

    #[test]
    fn heads_need_five_bytes_unless_empty() {
        assert_eq!(Head::parse(&[2, 0, 0, 0]), None);
        let head = Head::parse(&[2, 0, 0, 0, 3, b'x']).unwrap();
        assert_eq!((head.command, head.wire_bytes()), (Command::Query, Some(6)));
        assert_eq!(Head::parse(&[0, 0, 0, 0]).unwrap().command, Command::Unknown(0));
        assert_eq!(Head::parse(&[0xff, 0xff, 0xff, 0, 3]).unwrap().wire_bytes(), None);
    }

    fn packets(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (sequence, length) in (7_u8..).zip(lengths) {
            bytes.extend_from_slice(&u32::try_from(*length).unwrap().to_le_bytes()[..3]);
            bytes.push(sequence);
            bytes.resize(bytes.len() + length, 0x55);
        }
        bytes
    }

    /// Feeds pieces of `step` bytes, keeping what was not taken; returns the bytes of the first command.
    fn scan(upstream: &mut Upstream, bytes: &[u8], step: usize) -> Option<Vec<u8>> {
        let mut kept = Vec::new();
        let mut out = Vec::new();
        for piece in bytes.chunks(step) {
            kept.extend_from_slice(piece);
            let taken = upstream.advance(&mut kept);
            out.extend(kept.drain(..taken.bytes));
            assert!(taken.end || kept.len() < 4);
            if taken.end {
                return Some(out);
            }
        }
        None
    }

    #[test]
    fn a_command_ends_with_the_first_packet_that_is_not_full() {
        let full = PACKET_MAX as usize;
        for (lengths, end) in [
            (&[3, 9][..], 1),
            (&[full, 0, 5], 2),
            (&[full, full, 17, 1], 3),
            (&[0, 4], 1),
        ] {
            let bytes = packets(lengths);
            let expected = packets(&lengths[..end]);
            for step in [bytes.len(), 1 << 20, 65_537] {
                let mut upstream = Upstream::command();
                assert!(
                    scan(&mut upstream, &bytes, step).unwrap() == expected,
                    "{lengths:?} by {step}"
                );
                assert_eq!(usize::from(upstream.last_sequence()), 6 + end);
            }
        }
        assert!(scan(&mut Upstream::command(), &packets(&[9]), 1).is_some());
        assert!(scan(&mut Upstream::command(), &packets(&[9])[..12], 1).is_none());
    }

    #[test]
    fn a_file_ends_with_an_empty_packet_and_is_shifted() {
        let bytes = packets(&[30, 30, 0, 4]);
        for step in 1..bytes.len() {
            let mut upstream = Upstream::file(2);
            let out = scan(&mut upstream, &bytes, step).unwrap();
            assert_eq!((out[3], out[37], out[71], out.len()), (9, 10, 11, 72));
            assert_eq!(upstream.last_sequence(), 11);
        }
        let full = packets(&[PACKET_MAX as usize, 0, 5, 0]);
        let out = scan(&mut Upstream::file(0), &full, 1 << 20).unwrap();
        assert_eq!(out.len(), full.len());
    }
}
