//! How far behind a replica is, in milliseconds of this router's own clock; no two clocks need to agree. Pure.
//!
//! The router remembers when it saw the primary at which sequence number. A replica that has applied number N is at least
//! as new as the primary was when it was last seen at no more than N. Where that history does not reach, because the
//! replica is further behind or the primary cannot be read at the moment, the heartbeat row helps: the difference
//! between the primary's clock, which is in the row, and ours is learned whenever a new beat is first seen on the primary.
//!
//! Time stands still while no primary is open: nothing is written, so nobody falls behind. (Another router may hear of
//! the end of an epoch a moment later than this one; what it still gets through in that moment is not counted.)

use std::collections::VecDeque;
use std::time::Duration;

use quorate_model::{Epoch, Moment};

/// Readings of the primary that are remembered. When they are too many, every second of the older half is forgotten,
/// which makes a large lag look larger by a little.
const MARKS_MAX: usize = 256;
/// Beats from which the difference of the clocks is learned: about a minute of them, so that a clock that was set is
/// learned anew.
const BEATS_MAX: usize = 64;

/// One reading of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// When it was asked: what is found was true then or later.
    pub(crate) asked: Moment,
    /// Highest sequence number: logged on a primary, applied on a replica.
    pub(crate) sequence: u64,
    /// The heartbeat row.
    pub(crate) beat: Option<Beat>,
}

/// The heartbeat row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) epoch: Epoch,
    /// The writing primary's wall clock in milliseconds.
    pub(crate) written_ms: u64,
}

/// What was read on the primary.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    epoch: Epoch,
    /// Ascending by sequence and by time.
    marks: VecDeque<Mark>,
    last_beat: Option<Beat>,
    /// Our clock minus the primary's, as of each of the last beats; always too large by the beat's age at that moment.
    differences_ms: VecDeque<i128>,
    closed_since: Option<Moment>,
    closed_total: Duration,
}

/// The primary was seen at `sequence`, the last time at `at`.
#[derive(Debug, Clone, Copy)]
struct Mark {
    sequence: u64,
    at: Open,
}

/// A moment on a clock that stands still while no primary is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Open(Moment);

impl Reference {
    /// No primary is open from now on.
    pub(crate) const fn closed(&mut self, now: Moment) {
        if self.closed_since.is_none() {
            self.closed_since = Some(now);
        }
    }

    /// A primary is open from now on. What was read on the last one counts until the new one is read.
    pub(crate) fn opened(&mut self, now: Moment) {
        if let Some(since) = self.closed_since.take() {
            self.closed_total = self.closed_total.saturating_add(now.since(since));
        }
    }

    /// The primary of `epoch` was read.
    pub(crate) fn read(&mut self, epoch: Epoch, reading: Reading) {
        let at = self.open_time(reading.asked);
        let went_back = self.marks.back().is_some_and(|mark| mark.sequence > reading.sequence);
        if epoch != self.epoch || went_back {
            // Another server, or another state of it: positions of the two are not compared, nor are their clocks.
            self.epoch = epoch;
            self.marks.clear();
            self.differences_ms.clear();
            self.last_beat = None;
        }
        match self.marks.back_mut() {
            Some(mark) if mark.sequence == reading.sequence => mark.at = mark.at.max(at),
            Some(_) | None => self.marks.push_back(Mark {
                sequence: reading.sequence,
                at,
            }),
        }
        if self.marks.len() > MARKS_MAX {
            self.thin_out();
        }
        if let Some(beat) = reading.beat.filter(|beat| beat.epoch == epoch)
            && self.last_beat != Some(beat)
        {
            // The first beat that is seen may have been written long ago.
            if self.last_beat.replace(beat).is_some() {
                self.differences_ms
                    .push_back(millis(at.0) - i128::from(beat.written_ms));
            }
            if self.differences_ms.len() > BEATS_MAX {
                self.differences_ms.pop_front();
            }
        }
    }

    /// How far behind a replica is, as of `now`; none if that cannot be told.
    pub(crate) fn lag(&self, reading: Reading, now: Moment) -> Option<Duration> {
        let now = self.open_time(now);
        let mark = self.marks.iter().rev().find(|mark| mark.sequence <= reading.sequence);
        let by_sequence = mark.map(|mark| now.0.since(mark.at.0));
        let by_beat = self.by_beat(reading.beat, now);
        match (by_sequence, by_beat) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (known, None) | (None, known) => known,
        }
    }

    fn by_beat(&self, beat: Option<Beat>, now: Open) -> Option<Duration> {
        let beat = beat.filter(|beat| beat.epoch == self.epoch)?;
        let difference = self.differences_ms.iter().min()?;
        let lag_ms = millis(now.0) - i128::from(beat.written_ms) - difference;
        Some(Duration::from_millis(u64::try_from(lag_ms).unwrap_or_default()))
    }

    fn open_time(&self, at: Moment) -> Open {
        let at = self.closed_since.map_or(at, |closed| at.min(closed));
        let closed_us = u64::try_from(self.closed_total.as_micros()).unwrap_or(u64::MAX);
        Open(Moment::from_micros(at.as_micros().saturating_sub(closed_us)))
    }

    fn thin_out(&mut self) {
        let half = MARKS_MAX / 2;
        let mut at = 0_usize;
        self.marks.retain(|_| {
            at += 1;
            at > half || at % 2 == 1
        });
    }
}

fn millis(at: Moment) -> i128 {
    i128::from(at.as_micros() / 1000)
}

#[cfg(test)]
#[path = "lag_test.rs"]
mod tests;
