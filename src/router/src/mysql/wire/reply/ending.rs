//! The packets that end a result: what they say, and what the client sees of them.

use super::super::capabilities::Track;
use super::super::ok::{EOF, EofPacket, ErrPacket, OkPacket, Status};
use super::super::packet::{Malformed, put_lenenc, put_string};
use super::super::track::Entry;
use super::run::Run;
use super::{Change, End, Reply, State};

/// Folded into a checksum, with the number of rows, before what follows: fields tell their own lengths, so what was
/// summed can be read in one way only.
const OK_MARK: u64 = 0xffff_ffff_0000_0000;
const ERR_MARK: u64 = 0xffff_ffff_0000_00ff;

impl Reply {
    /// An OK packet, as the head of a result or in the place of an EOF.
    pub(super) fn ok(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) -> Result<bool, Malformed> {
        let Some(payload) = Self::whole(run, length)? else {
            return Ok(false);
        };
        let ok = OkPacket::parse(payload, true)?;
        let as_eof = payload.first() == Some(&EOF) && !self.dialect.deprecate_eof;
        self.note(&ok)?;
        let more = self.many && ok.status.any(Status::MORE_RESULTS);
        if as_eof {
            let eof = EofPacket {
                warnings: ok.warnings,
                status: self.visible(ok.status),
            };
            put_tracked(&ok, self.dialect.track, &mut self.outcome.carried);
            run.replace(length, sequence.wrapping_add(self.shift), |_, out| {
                out.extend_from_slice(&eof.payload());
            });
            self.taken(sequence);
        } else if self.must_rewrite(&ok) {
            let (track, carried) = (self.dialect.track, std::mem::take(&mut self.outcome.carried));
            let sequence_there = sequence.wrapping_add(self.shift);
            run.replace(length, sequence_there, |payload, out| {
                rewrite(payload, track, &carried, out);
            });
            self.taken(sequence);
        } else {
            self.pass_whole(run, length, sequence);
        }
        self.state = if more { State::Head } else { State::Done };
        Ok(more)
    }

    /// An ERR packet. Ends the reply, wherever it is.
    pub(super) fn error(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) -> Result<bool, Malformed> {
        let Some(payload) = Self::whole(run, length)? else {
            return Ok(false);
        };
        let error = ErrPacket::parse(payload)?;
        self.outcome.end = End::Err {
            code: error.code,
            sqlstate: error.sqlstate,
        };
        if self.swallow {
            self.outcome.message = Some(String::from_utf8_lossy(error.message).into());
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.number(ERR_MARK);
            checksum.number(self.outcome.rows);
            checksum.number(u64::from(error.code));
            checksum.write(&error.sqlstate);
            checksum.number(error.message.len() as u64);
            checksum.write(error.message);
        }
        self.pass_whole(run, length, sequence);
        self.state = State::Done;
        Ok(false)
    }

    /// Flags of the OK at hand, if it is whole.
    pub(super) fn peek_status(run: &Run<'_>, length: u32) -> Result<Option<Status>, Malformed> {
        Ok(match Self::whole(run, length)? {
            Some(payload) => Some(OkPacket::parse(payload, true)?.status),
            None => None,
        })
    }

    /// Status flags as the client may see them.
    pub(super) const fn visible(&self, status: Status) -> Status {
        match self.dialect.track {
            Track::Everything => status,
            Track::Nothing | Track::Default => status.without(Status::STATE_CHANGED),
        }
    }

    /// A whole packet goes on as it is; the checksum has it already.
    fn pass_whole(&mut self, run: &mut Run<'_>, length: u32, sequence: u8) {
        run.pass_header(self.shift);
        run.at = run.at.saturating_add(length as usize);
        self.taken(sequence);
    }

    const fn taken(&mut self, sequence: u8) {
        self.sequence = Some(sequence.wrapping_add(1));
    }

    fn must_rewrite(&self, ok: &OkPacket<'_>) -> bool {
        if !self.outcome.carried.is_empty() {
            return true;
        }
        if !ok.status.any(Status::STATE_CHANGED) {
            return false;
        }
        match self.dialect.track {
            Track::Nothing => true,
            Track::Everything => false,
            Track::Default => !ok.entries().flatten().all(|entry| entry.is_default()),
        }
    }

    fn note(&mut self, ok: &OkPacket<'_>) -> Result<(), Malformed> {
        self.status = ok.status;
        let outcome = &mut self.outcome;
        outcome.status = Some(ok.status);
        outcome.affected_rows = ok.affected_rows;
        outcome.last_insert_id = ok.last_insert_id;
        outcome.warnings = ok.warnings;
        outcome.results = outcome.results.saturating_add(1);
        for entry in ok.entries() {
            match entry? {
                Entry::LastGtid(gtid) => outcome.gtid = Some(gtid),
                Entry::Transaction(state) => outcome.transaction = Some(state),
                Entry::StateChange(changed) => outcome.state_changed |= changed,
                Entry::Schema(name) => outcome.changes.push(Change::Schema(name.into())),
                Entry::Variable { name, value } => {
                    outcome.changes.push(Change::Variable {
                        name: name.into(),
                        value: value.into(),
                    });
                }
                Entry::Characteristics(sql) => outcome.characteristics = Some(sql.into()),
                Entry::Other { .. } => {}
            }
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.number(OK_MARK);
            checksum.number(outcome.rows);
            checksum.number(ok.affected_rows);
            checksum.number(ok.last_insert_id);
            checksum.number(u64::from(ok.warnings));
            checksum.number(ok.info.len() as u64);
            checksum.write(ok.info);
        }
        Ok(())
    }
}

/// Entries of an OK that the client is to see.
fn seen<'a>(ok: &OkPacket<'a>) -> impl Iterator<Item = Entry<'a>> {
    ok.entries().flatten().filter(Entry::is_default)
}

/// Appends the session tracking that the client is to see.
fn put_tracked(ok: &OkPacket<'_>, track: Track, out: &mut Vec<u8>) {
    match track {
        Track::Nothing => {}
        Track::Default => seen(ok).for_each(|entry| entry.put_default(out)),
        Track::Everything => out.extend_from_slice(ok.tracked),
    }
}

/// An OK packet with only the session tracking that the client is to see, after what was carried from an EOF, which has
/// no room for it. `payload` was parsed before.
fn rewrite(payload: &[u8], track: Track, carried: &[u8], out: &mut Vec<u8>) {
    let Ok(ok) = OkPacket::parse(payload, true) else { return };
    let own = match track {
        Track::Nothing => 0,
        Track::Default => seen(&ok).fold(0_u64, |sum, entry| sum.saturating_add(entry.default_bytes())),
        Track::Everything => ok.tracked.len() as u64,
    };
    let tracked = own.saturating_add(carried.len() as u64);
    let status = ok.status.without(Status::STATE_CHANGED);
    let status = if tracked > 0 {
        status.with(Status::STATE_CHANGED)
    } else {
        status
    };
    out.extend(payload.first());
    put_lenenc(out, ok.affected_rows);
    put_lenenc(out, ok.last_insert_id);
    out.extend_from_slice(&status.0.to_le_bytes());
    out.extend_from_slice(&ok.warnings.to_le_bytes());
    if tracked > 0 || !ok.info.is_empty() {
        put_string(out, ok.info);
    }
    if tracked > 0 {
        put_lenenc(out, tracked);
        out.extend_from_slice(carried);
        put_tracked(&ok, track, out);
    }
}
