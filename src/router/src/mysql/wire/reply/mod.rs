//! A server's answer to one command, read as it arrives and passed on in the client's dialect.
//!
//! [`Reply::advance`] is fed the bytes read so far. It takes what it can, up to the end of this reply, and lists in a
//! [`Forward`] what the client gets. Rows and definitions of any size flow through as they come. Only packets that have
//! to be seen whole wait: those that end a result, the column count, the prepare-OK. So the caller keeps at most
//! [`HELD_MAX`] bytes that were not taken, and nearly always fewer than 5.
//!
//! ```text
//!         ┌────────────────────────── MORE_RESULTS ◄──────────────────────────┐
//!         ▼                                                                   │
//!   ──► Head ──count──► Columns ──(EOF made for old clients)──► Rows ──OK──► done?
//!         ├──OK, ERR──────────────────────────────────────────────────────────┤
//!         └──0xfb──► File ──[`Reply::file_sent`]──► Head                      └──► Done
//! ```
//!
//! Sequence ids: each packet made for the client shifts those that follow; they are patched in the chunk's headers.

mod body;
mod ending;
mod head;
mod outcome;
mod run;

#[cfg(test)]
mod allocation_test;
#[cfg(test)]
mod capture_test;
#[cfg(test)]
mod cases_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod reference_test;

use self::body::Gathering;
use self::run::Run;
use super::capabilities::{Dialect, Track};
use super::checksum::Checksum;
use super::command::ReplyShape;
use super::forward::Forward;
use super::ok::{ERR, Status};
use super::packet::{Malformed, PACKET_MAX, narrow};
use super::track::Gtid;

pub(crate) use self::outcome::{Change, End, First, Outcome, Prepared};

/// Longest packet that is waited for whole, header included: an OK with every system variable in its session tracking is
/// a tenth of it. What is longer breaks the connection.
pub(crate) const HELD_MAX: usize = 256 * 1024;

/// How far [`Reply::advance`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advance {
    /// Bytes taken from the start of the chunk. The rest is to be given again, with what comes after it (or, after the
    /// end, belongs to the next reply).
    pub(crate) consumed: usize,
    /// What is next.
    pub(crate) progress: Progress,
}

/// What a reply waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes from the server.
    More,
    /// The contents of a file from the client (the request for it is among what is to be forwarded): relay them with
    /// [`super::command::Upstream::file`], then call [`Reply::file_sent`].
    SendFile,
    /// Nothing: this reply is over.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first packet of a result.
    Head,
    /// The prepare-OK.
    PrepareHead,
    /// Definitions of a result set's columns.
    Columns { left: u32 },
    /// All definitions are through. The client awaits an EOF, unless the next packet tells of a cursor.
    BeforeRows,
    /// Rows (or the definitions of COM_FIELD_LIST) up to an OK.
    Rows,
    /// Definitions of a prepared statement's parameters, `then` of its columns; or of the latter only.
    Definitions { left: u16, then: u16 },
    /// The packet of a COM_STATISTICS.
    Text,
    /// The packet at hand is the last.
    LastPacket,
    /// Asked for a file, perhaps with the rest of the packet that does still to come.
    File,
    /// No end.
    Stream,
    /// Over.
    Done,
}

/// What is kept of a result: the first value of its first row, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notices {
    Nothing,
    /// In the rows of a text.
    Text,
    /// In those of an executed statement.
    Binary,
}

/// The state of one reply.
#[derive(Debug)]
pub(crate) struct Reply {
    dialect: Dialect,
    swallow: bool,
    notices: Notices,
    many: bool,
    state: State,
    /// Bytes of the current packet that did not come yet.
    left: u32,
    /// The current packet is full: the next one continues it.
    continued: bool,
    /// Expected in the next header, once the first was seen.
    sequence: Option<u8>,
    /// Added to the sequence ids for the client.
    shift: u8,
    /// Latest flags, for the EOFs that are made.
    status: Status,
    own_id: u32,
    outcome: Outcome,
    checksum: Option<Box<Checksum>>,
    gathering: Gathering,
    /// Definitions that the client lacks, should the server leave them out.
    owed: Box<[u8]>,
}

impl Reply {
    /// A reply of a shape, for a client of a dialect. `status` are the session's latest flags: EOF packets made before
    /// the server tells newer ones carry them.
    pub(crate) fn new(shape: ReplyShape, dialect: Dialect, status: Status) -> Self {
        let state = match shape {
            ReplyShape::None => State::Done,
            ReplyShape::Simple | ReplyShape::ResultSets | ReplyShape::Exchange => State::Head,
            ReplyShape::Prepare => State::PrepareHead,
            ReplyShape::Fetch | ReplyShape::FieldList => State::Rows,
            ReplyShape::Text => State::Text,
            ReplyShape::Stream => State::Stream,
        };
        Self {
            dialect,
            swallow: false,
            notices: Notices::Nothing,
            many: shape == ReplyShape::ResultSets,
            state,
            left: 0,
            continued: false,
            sequence: None,
            shift: 0,
            status,
            own_id: 0,
            outcome: Outcome::default(),
            checksum: None,
            gathering: Gathering::Off,
            owed: Box::default(),
        }
    }

    /// The reply to a COM_STMT_PREPARE; the client gets `own_id` for the server's statement id.
    pub(crate) fn prepare(own_id: u32, dialect: Dialect, status: Status) -> Self {
        Self {
            own_id,
            ..Self::new(ReplyShape::Prepare, dialect, status)
        }
    }

    /// The reply to a command of the router's own, of which the client gets nothing. `cache_metadata` as it was
    /// negotiated for the connection.
    pub(crate) fn swallowed(shape: ReplyShape, cache_metadata: bool) -> Self {
        let track = Track::Everything;
        let dialect = Dialect {
            deprecate_eof: true,
            cache_metadata,
            extended_metadata: false,
            track,
        };
        Self {
            swallow: true,
            notices: Notices::Text,
            ..Self::new(shape, dialect, Status::default())
        }
    }

    /// Adds the reply to a checksum, which [`Self::finish`] gives back.
    pub(crate) fn checked(mut self, checksum: Box<Checksum>) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// Keeps the first value of the first row as well; of an executed statement if it is `binary`, an integer then.
    pub(crate) const fn noticing(mut self, binary: bool) -> Self {
        self.notices = if binary { Notices::Binary } else { Notices::Text };
        self
    }

    /// Keeps the definitions of columns ([`Outcome::definitions`]), which servers tell once to clients that cache them.
    pub(crate) const fn gathering(mut self, gathers: bool) -> Self {
        if gathers {
            self.gathering = Gathering::On;
        }
        self
    }

    /// Tells the client these definitions if the server leaves them out: it has told them to somebody else.
    pub(crate) fn owing(mut self, definitions: Box<[u8]>) -> Self {
        self.owed = definitions;
        self
    }

    /// Goes on telling the client what the reply before could not ([`Outcome::carried`]).
    pub(crate) fn carrying(mut self, carried: Vec<u8>) -> Self {
        self.outcome.carried = carried;
        self
    }

    /// What is known so far.
    #[cfg(test)]
    pub(crate) const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The newest commit that what was read of it tells of.
    pub(crate) const fn committed(&self) -> Option<Gtid> {
        self.outcome.gtid
    }

    /// What it came to, and the checksum that was lent to it.
    pub(crate) fn finish(self) -> (Outcome, Option<Box<Checksum>>) {
        (self.outcome, self.checksum)
    }

    /// Whether it is over.
    #[cfg(test)]
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// To be added to the sequence ids of a file's packets on their way to the server.
    pub(crate) const fn upload_shift(&self) -> u8 {
        self.shift.wrapping_neg()
    }

    /// The file that was asked for is with the server; its verdict follows.
    pub(crate) fn file_sent(&mut self) {
        if self.state == State::File {
            self.state = State::Head;
            self.sequence = None;
        }
    }

    /// Sequence id, as the client counts, of a packet that would follow what it got so far: for an ERR of the router's
    /// own in the place of the rest.
    pub(crate) fn next_sequence(&self) -> u8 {
        self.sequence.unwrap_or(1).wrapping_add(self.shift)
    }

    /// Whether the client got whole packets only, so that an ERR of the router's own may end the reply
    /// ([`Self::next_sequence`]). Otherwise only closing the connection tells the client.
    pub(crate) const fn is_between_packets(&self) -> bool {
        self.left == 0 && !self.continued
    }

    /// Takes what has come of this reply.
    ///
    /// After an error neither the reply nor its connection is of use; what `forward` lists by then is a beginning of what
    /// the client would have got.
    pub(crate) fn advance(&mut self, chunk: &mut [u8], forward: &mut Forward) -> Result<Advance, Malformed> {
        let mut run = Run::new(chunk, forward, self.swallow);
        while self.step(&mut run)? {}
        run.flush();
        self.outcome.bytes = self.outcome.bytes.saturating_add(run.at as u64);
        let progress = match self.state {
            State::Done => Progress::Done,
            State::File if self.left == 0 && !self.continued => Progress::SendFile,
            _ => Progress::More,
        };
        Ok(Advance {
            consumed: run.at,
            progress,
        })
    }

    /// One packet, or what there is of it. False when there is nothing more to do with this chunk.
    fn step(&mut self, run: &mut Run<'_>) -> Result<bool, Malformed> {
        if self.left > 0 || self.state == State::Stream {
            self.flow(run);
            if self.left > 0 {
                return Ok(false);
            }
        }
        if !self.continued && !self.between(run) {
            return Ok(false);
        }
        let Some((length, sequence)) = run.header() else {
            return Ok(false);
        };
        if self.sequence.is_some_and(|expected| expected != sequence) {
            return Err(Malformed("sequence ids are out of order"));
        }
        if self.continued {
            self.begin(run, length, sequence);
            return Ok(true);
        }
        if length == 0 && self.state != State::Text {
            return Err(Malformed("an empty packet in a reply"));
        }
        match self.state {
            State::Columns { left } => self.columns(run, left),
            State::Rows => self.rows(run),
            State::Head => self.head(run, length, sequence),
            State::PrepareHead => self.prepare_head(run, length, sequence),
            State::Definitions { left, then } => {
                self.begin(run, length, sequence);
                if then == 0 && self.outcome.prepared.is_some_and(|prepared| prepared.columns > 0) {
                    self.define(length);
                }
                self.state = State::Definitions {
                    left: left.saturating_sub(1),
                    then,
                };
                Ok(true)
            }
            State::BeforeRows => self.before_rows(run, length, sequence),
            State::Text if length > 0 && run.first().is_none() => Ok(false),
            State::Text if run.first() == Some(ERR) => self.error(run, length, sequence),
            State::Text => {
                self.begin(run, length, sequence);
                self.state = State::LastPacket;
                Ok(true)
            }
            State::LastPacket | State::File | State::Stream | State::Done => Ok(false),
        }
    }

    /// Between two packets. False if none is awaited.
    fn between(&mut self, run: &mut Run<'_>) -> bool {
        match self.state {
            State::Definitions { left: 0, then } => {
                self.make_eof(run);
                self.state = if then > 0 {
                    State::Definitions { left: then, then: 0 }
                } else {
                    State::Done
                };
                then > 0
            }
            State::LastPacket => {
                self.state = State::Done;
                false
            }
            State::File | State::Stream | State::Done => false,
            _ => true,
        }
    }

    /// Passes on what there is of the current packet.
    fn flow(&mut self, run: &mut Run<'_>) {
        let there = run.chunk.len().saturating_sub(run.at);
        let flowing = if self.state == State::Stream {
            there
        } else {
            there.min(self.left as usize)
        };
        let end = run.at.saturating_add(flowing);
        let bytes = run.chunk.get(run.at..end).unwrap_or_default();
        if let Some(checksum) = &mut self.checksum {
            checksum.write(bytes);
        }
        if self.gathering == Gathering::Within {
            self.outcome.definitions.extend_from_slice(bytes);
        }
        self.left = self.left.saturating_sub(narrow(flowing));
        run.at = end;
    }

    /// Reads the header of a packet that flows.
    fn begin(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) {
        run.pass_header(self.shift);
        self.sequence = Some(sequence.wrapping_add(1));
        self.left = length;
        self.continued = length == PACKET_MAX;
        self.defined();
    }
}
