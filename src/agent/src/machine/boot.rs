//! Start behind the gate, kill, steps.

use quorate_model::{GtidSet, IoThread, Moment, ServerFacts};

use super::server::{Down, PendingStep, Role, Server, Up};
use super::{Effect, Machine, Step, StepResult};

/// A server that ends while it starts is started again after pauses that double this many times.
const FAILED_STARTS_MAX: u32 = 6;

impl Machine {
    /// Starts the server, once its last binlog was looked at and the number of the start is on disk.
    pub(super) fn start_server(&mut self) {
        let (now, retry_at, durable_boot, next) = (
            self.now,
            self.retry_at,
            self.durable.boot,
            self.latest().boot.saturating_add(1),
        );
        let Server::Down(down) = &mut self.server else {
            return;
        };
        if !down.examined || now < retry_at {
            return;
        }
        match down.permit {
            None => {
                down.permit = Some(next);
                self.persist(|durable| durable.boot = next);
            }
            Some(boot) if durable_boot >= boot => {
                self.server = Server::Starting { boot, killed: false };
                self.out.push(Effect::Start { boot });
            }
            Some(_) => {}
        }
    }

    /// Without an order to the contrary a dead server is started after a while: behind the gate that is harmless.
    /// Not at once, so that the supervisors can see that it died and what its binlog held.
    pub(super) fn boot_when_due(&mut self) {
        match &self.server {
            Server::Down(down) if self.now >= down.start_at => self.start_server(),
            Server::Up(up) if matches!(up.role, Role::Gated) => self.start_step(Step::Salvage),
            Server::Down(_) | Server::Starting { .. } | Server::Up(_) => {}
        }
    }

    pub(super) fn boot_deadline(&self) -> Option<Moment> {
        match &self.server {
            Server::Down(down) => Some(down.start_at),
            Server::Starting { .. } | Server::Up(_) => None,
        }
    }

    /// SIGKILL, the only way in which a server is stopped (invariant I13).
    pub(super) fn kill(&mut self) {
        let (boot, killed) = match &mut self.server {
            Server::Down(_) => return,
            Server::Starting { boot, killed } => (*boot, killed),
            Server::Up(up) => (up.boot, &mut up.killed),
        };
        if !*killed {
            *killed = true;
            self.sync_ports();
            self.out.push(Effect::Kill { boot });
        }
    }

    pub(super) fn start_step(&mut self, step: Step) {
        if self.step.is_some() || self.now < self.retry_at || self.up().is_none() {
            return;
        }
        // What the step relies on comes before it: a relay that is cut or has a target, a door that admits replicas.
        self.sync_ports();
        self.steps = self.steps.saturating_add(1);
        let id = self.steps;
        self.out.push(Effect::Step { id, step: step.clone() });
        self.step = Some(PendingStep {
            id,
            step,
            cancelled: false,
        });
    }

    pub(super) fn take_server_up(&mut self, boot: u64, facts: ServerFacts) {
        if let Server::Starting { boot: starting, killed } = self.server
            && starting == boot
        {
            let role = Role::Gated;
            self.server = Server::Up(Box::new(Up {
                boot,
                killed,
                facts,
                at: self.now,
                role,
            }));
            self.trouble = None;
            self.failed_starts = 0;
        }
    }

    pub(super) fn take_server_exit(&mut self, boot: u64, exit: String) {
        let (early, led) = match &self.server {
            Server::Starting { boot: running, killed } if *running == boot => (!killed, false),
            Server::Up(up) if up.boot == boot => (false, matches!(up.role, Role::Primary(_))),
            Server::Starting { .. } | Server::Up(_) | Server::Down(_) => return,
        };
        if early {
            self.trouble = Some(format!("the server ended while it started ({exit}); see its error log"));
            let pause = self
                .settings
                .retry_after
                .saturating_mul(1 << self.failed_starts.min(FAILED_STARTS_MAX));
            self.failed_starts = self.failed_starts.saturating_add(1);
            self.retry_at = self.now.after(pause);
        }
        self.server = Server::Down(Down {
            exit: Some(exit),
            boot,
            led,
            examined: false,
            start_at: self.now.after(self.settings.restart_after),
            permit: None,
        });
        self.step = None;
        self.probes.reset();
    }

    /// Only a death in the primary role proves where an epoch ended. A later boot truncates the binlog, so its end
    /// at a later death must not take the place of the first.
    pub(super) fn take_final_binlog(&mut self, boot: u64, position: Option<GtidSet>) {
        if let Server::Down(down) = &mut self.server
            && down.boot == boot
        {
            down.examined = true;
            if down.led && self.final_binlog.is_none() {
                self.final_binlog = position;
            }
        }
    }

    pub(super) fn take_facts(&mut self, boot: u64, facts: ServerFacts) {
        let now = self.now;
        if let Server::Up(up) = &mut self.server
            && up.boot == boot
        {
            if up.facts.received != facts.received {
                self.moved = up.at;
            }
            merge(up, facts, now);
            self.count_observation();
        }
    }

    pub(super) fn take_step(&mut self, id: u64, result: StepResult) {
        if self.step.as_ref().is_none_or(|pending| pending.id != id) {
            return;
        }
        let Some(pending) = self.step.take() else { return };
        let now = self.now;
        if let StepResult::Done(facts) = &result
            && let Some(up) = self.up_mut()
        {
            merge(up, facts.clone(), now);
        }
        match (pending.step, result) {
            (step, StepResult::Failed(why)) => {
                if !pending.cancelled {
                    // A freeze is tried until its limit; only then is it trouble.
                    if !matches!(step, Step::Freeze { .. }) {
                        self.trouble = Some(why);
                    }
                    self.retry_at = now.after(self.settings.retry_after);
                }
                return;
            }
            (Step::StopReceiving, StepResult::Done(facts)) if facts.io != IoThread::No => {
                self.trouble = Some("the receiving thread does not stop".to_owned());
                self.retry_at = now.after(self.settings.retry_after);
                return;
            }
            (Step::Salvage | Step::StopReceiving, StepResult::Done(_)) => self.set_role(Role::Quiet),
            (Step::Attach { .. }, StepResult::Done(_)) => self.attached(),
            (Step::Arm, StepResult::Done(_)) => self.edit_primary(|primary| primary.armed = true),
            (Step::Unlock, StepResult::Done(_)) => self.edit_primary(|primary| primary.unlocked = true),
            (Step::Thaw, StepResult::Done(_)) => self.edit_primary(|primary| primary.frozen = None),
            (Step::WriteEpoch { epoch, .. }, StepResult::Written(gtid)) => self.edit_primary(|primary| {
                if primary.epoch == epoch {
                    primary.barrier = Some(gtid);
                }
            }),
            (Step::Freeze { .. }, StepResult::Frozen(at)) => self.edit_primary(|primary| primary.frozen = Some(at)),
            (_, StepResult::Done(_) | StepResult::Written(_) | StepResult::Frozen(_)) => {}
        }
        self.trouble = None;
    }

    fn edit_primary(&mut self, change: impl FnOnce(&mut super::server::Primary)) {
        if let Some(primary) = self.primary_mut() {
            change(primary);
        }
    }
}

/// Takes in an answer. One that was read before a step ended may come after it: what a server has received never
/// shrinks within a boot, so the higher position holds.
fn merge(up: &mut Up, mut facts: ServerFacts, now: Moment) {
    for (new, old) in [
        (&mut facts.received, &up.facts.received),
        (&mut facts.applied, &up.facts.applied),
    ] {
        if !new.covers(old) {
            new.clone_from(old);
        }
    }
    up.facts = facts;
    up.at = now;
}
