//! The write probes: a server whose disk is full or stuck still answers queries.

use std::time::Duration;

use quorate_model::{GtidSet, Moment, ProbeFacts, Task};

use super::server::Role;
use super::{Effect, Machine, Probe, Settings};

/// A probe that takes less than this is not called stuck; slow disks are not dead ones.
const HANGING_AFTER: Duration = Duration::from_millis(300);

/// Nudges that may hang at once, so that an outage of all replicas does not eat up the server's sessions.
const NUDGES_MAX: u8 = 16;

/// Commits that hang, and what was written to free them.
#[derive(Debug, Default)]
struct Nudges {
    /// The binlog's end, since when it stands still with commits waiting, and how long it may until the next nudge.
    still: Option<(GtidSet, Moment, Duration)>,
    hanging: Vec<u8>,
}

/// One probe.
#[derive(Debug, Default)]
struct Track {
    /// Since when it hangs or fails; none when it works.
    asked: Option<Moment>,
    /// When it failed first, since it last worked.
    failing: Option<Moment>,
    last: Moment,
}

impl Track {
    fn stuck(&self, now: Moment) -> Duration {
        let hanging = self
            .asked
            .map(|asked| now.since(asked))
            .filter(|hanging| *hanging >= HANGING_AFTER);
        let failing = self.failing.map(|failing| now.since(failing));
        hanging.max(failing).unwrap_or_default()
    }

    fn due(&self, now: Moment, every: Duration) -> bool {
        self.asked.is_none() && now >= self.last.after(every)
    }

    fn ask(&mut self, now: Moment) {
        self.asked = Some(now);
        self.last = now;
    }

    fn take(&mut self, ok: bool) {
        let asked = self.asked.take();
        self.failing = if ok { None } else { self.failing.or(asked) };
    }
}

/// Both probes.
#[derive(Debug, Default)]
pub(super) struct Probes {
    disk: Track,
    commit: Track,
    nudges: Nudges,
}

impl Probes {
    pub(super) fn take(&mut self, probe: Probe, ok: bool) {
        match probe {
            Probe::Disk => self.disk.take(ok),
            Probe::Commit { .. } => self.commit.take(ok),
            Probe::Nudge { number, .. } => self.nudges.hanging.retain(|other| *other != number),
        }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn due(&self, settings: &Settings) -> Option<Moment> {
        let next = |track: &Track| match track.asked {
            Some(asked) => asked.after(HANGING_AFTER),
            None => track.last.after(settings.probe_every),
        };
        Some(next(&self.disk).min(next(&self.commit)))
    }

    pub(super) fn facts(&self, now: Moment) -> ProbeFacts {
        ProbeFacts {
            disk_stalled: self.disk.stuck(now),
            commit_stuck: self.commit.stuck(now),
        }
    }
}

impl Machine {
    pub(super) fn ask_probes(&mut self) {
        let now = self.now;
        let every = self.settings.probe_every;
        let writable = self.role().is_some_and(|role| !matches!(role, Role::Gated));
        // Frozen commits would count as stuck ones.
        let freezing = self.primary().is_some_and(|primary| primary.frozen.is_some());
        if writable && !freezing && self.probes.disk.due(now, every) {
            self.probes.disk.ask(now);
            self.out.push(Effect::Probe(Probe::Disk));
        }
        match self.serving_epoch() {
            Some(epoch) if self.probes.commit.due(now, every) => {
                self.probes.commit.ask(now);
                self.out.push(Effect::Probe(Probe::Commit { epoch }));
            }
            Some(_) => {}
            None => {
                self.probes.commit = Track {
                    last: self.probes.commit.last,
                    ..Track::default()
                }
            }
        }
        self.ask_nudge();
    }

    /// Writes one more row when commits wait and nothing moves. A replica that reconnects does not acknowledge again what it
    /// has received before; the commit, the epoch row above all, would wait for the next row for ever.
    fn ask_nudge(&mut self) {
        let now = self.now;
        let freezing = matches!(self.order.as_ref().map(|order| &order.task), Some(Task::Freeze { .. }));
        let armed = self
            .primary()
            .filter(|primary| primary.armed && primary.frozen.is_none() && !freezing)
            .map(|primary| primary.epoch);
        let waits = self.up().filter(|up| up.facts.waiting_commits > 0);
        let (Some(epoch), Some(end)) = (armed, waits.map(|up| up.facts.binlog_pos.clone())) else {
            self.probes.nudges.still = None;
            return;
        };
        let nudges = &mut self.probes.nudges;
        let pause = match &nudges.still {
            // Its own nudges move the end; what waited before still does.
            Some((_, since, pause)) if !nudges.hanging.is_empty() => (*since, *pause),
            Some((at, since, pause)) if *at == end => (*since, *pause),
            Some(_) | None => (now, HANGING_AFTER),
        };
        nudges.still = Some((end, pause.0, pause.1));
        let number = (2..2 + NUDGES_MAX).find(|number| !nudges.hanging.contains(number));
        if let Some(number) = number.filter(|_| now.since(pause.0) >= pause.1) {
            nudges.hanging.push(number);
            nudges.still = nudges.still.take().map(|(end, _, pause)| (end, now, pause * 2));
            self.out.push(Effect::Probe(Probe::Nudge { epoch, number }));
        }
    }
}
