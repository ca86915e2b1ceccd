//! The write probes: a server whose disk is full or stuck still answers queries.

use std::time::Duration;

use quorate_model::{Moment, ProbeFacts};

use super::server::Role;
use super::{Effect, Machine, Probe, Settings};

/// A probe that takes less than this is not called stuck; slow disks are not dead ones.
const HANGING_AFTER: Duration = Duration::from_millis(300);

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
}

impl Probes {
    pub(super) fn take(&mut self, probe: Probe, ok: bool) {
        match probe {
            Probe::Disk => self.disk.take(ok),
            Probe::Commit { .. } => self.commit.take(ok),
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
    }
}
