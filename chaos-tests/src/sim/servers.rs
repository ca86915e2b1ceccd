//! Server processes: start behind the gate, crash, steps.

use quorate_agent::machine::{Event, Probe, Step, StepResult};
use quorate_model::IoThread;

use super::agents::step_epoch;
use super::event::What;
use super::mariadb::{Freeze, Server, Waiter};
use super::sabotage::Sabotage;
use super::world::World;

impl World {
    pub(crate) fn start_server(&mut self, at: usize, boot: u64) {
        if let Some(server) = &self.nodes[at].server {
            let old = server.boot;
            self.breach("shell", format!("m{} starts boot {boot} while boot {old} runs", at + 1));
            return;
        }
        self.trace
            .say(self.now, || format!("m{}: server starts, boot {boot}", at + 1));
        self.nodes[at].server = Some(Server::starting(boot));
        self.nodes[at].frozen = false;
        let wait = self.rng.range(30_000, 600_000);
        if self.rng.chance(10) {
            self.after(
                wait,
                What::ServerDies {
                    node: at,
                    boot,
                    exit: "exit code 1",
                },
            );
        } else {
            self.after(wait, What::ServerUp { node: at, boot });
        }
    }

    /// Crash recovery is over; the server answers, behind the gate.
    pub(crate) fn server_up(&mut self, at: usize, boot: u64) {
        let stalled = self.nodes[at].stalled_until;
        let Some(server) = self.nodes[at].server.as_ref().filter(|server| server.boot == boot) else {
            return;
        };
        if server.killed || server.answering {
            return;
        }
        if stalled > self.now {
            self.at(stalled + 1_000, What::ServerUp { node: at, boot });
            return;
        }
        if self.nodes[at].frozen {
            self.nodes[at].icebox.push(What::ServerUp { node: at, boot });
            return;
        }
        let power_cut = std::mem::take(&mut self.nodes[at].power_cut);
        if self.sabotage == Some(Sabotage::BootAsMaster) {
            self.nodes[at].disk.recover_as_master();
        } else {
            self.nodes[at].disk.recover(&mut self.rng, power_cut);
        }
        if let Some(server) = &mut self.nodes[at].server {
            server.answering = true;
        }
        let node = &self.nodes[at];
        let (life, received, end) = (node.agent.life, node.disk.received(), node.disk.end());
        self.trace.say(self.now, || {
            format!(
                "m{}: server up, boot {boot}, binlog ends at {end}, relay at {received}",
                at + 1
            )
        });
        self.judge_boot(at);
        let Some(server) = &self.nodes[at].server else { return };
        let facts = server.facts(&self.nodes[at].disk);
        self.agent_hears(at, life, Event::ServerUp { boot, facts });
    }

    /// SIGKILL: at once, unless the disk holds the process in the kernel.
    pub(crate) fn kill_server(&mut self, at: usize, boot: u64, exit: &'static str) {
        let Some(server) = self.nodes[at].server.as_mut().filter(|server| server.boot == boot) else {
            return;
        };
        server.killed = true;
        let stalled = self.nodes[at].stalled_until.saturating_sub(self.now);
        let wait = stalled + self.rng.range(500, 8_000);
        self.after(wait, What::ServerDies { node: at, boot, exit });
    }

    pub(crate) fn server_dies(&mut self, at: usize, boot: u64, exit: &'static str) {
        if self.nodes[at].server.as_ref().is_none_or(|server| server.boot != boot) {
            return;
        }
        if exit == "exit code 1" && self.nodes[at].server.as_ref().is_some_and(|server| server.answering) {
            return;
        }
        self.bury_server(at, false);
        let life = self.nodes[at].agent.life;
        self.agent_hears(
            at,
            life,
            Event::ServerExited {
                boot,
                exit: exit.to_owned(),
            },
        );
        let position = Some(self.nodes[at].disk.position(self.nodes[at].disk.end()));
        let wait = self.rng.range(300, 20_000);
        let event = Box::new(Event::FinalBinlog { boot, position });
        self.after(wait, What::Agent { node: at, life, event });
    }

    /// The process is gone, with everything that only it knew.
    pub(crate) fn bury_server(&mut self, at: usize, silently: bool) {
        if self.nodes[at].server.take().is_none() {
            return;
        }
        self.trace.say(self.now, || format!("m{}: server is dead", at + 1));
        self.nodes[at].frozen = false;
        self.nodes[at].icebox.clear();
        self.nodes[at].stream.trying = false;
        self.drop_stream(at, true);
        self.cut_tunnels(at, silently);
        self.cut_clients_at(at, silently);
    }

    /// Works on a step; comes back to it while it takes time.
    pub(crate) fn step(&mut self, at: usize, life: u32, boot: u64, id: u64, step: Step) {
        let node = &self.nodes[at];
        if node.agent.life != life {
            return;
        }
        let again = What::Step {
            node: at,
            life,
            boot,
            id,
            step: step.clone(),
        };
        let alive = node
            .server
            .as_ref()
            .is_some_and(|server| server.boot == boot && server.answering);
        if !alive {
            let event = Box::new(Event::StepDone {
                id,
                result: StepResult::Failed("the server is gone".to_owned()),
            });
            self.after(1_000, What::Agent { node: at, life, event });
            return;
        }
        if node.frozen {
            self.nodes[at].icebox.push(again);
            return;
        }
        if node.stalled_until > self.now {
            let until = node.stalled_until;
            self.at(until + 100, again);
            return;
        }
        if self.nodes[at].agent.cancelled.remove(&id) && !matches!(step, Step::Freeze { .. }) {
            self.step_done(at, id, Err("given up".to_owned()));
            return;
        }
        match step {
            Step::Salvage => self.salvage(at, id),
            Step::StopReceiving => self.stop_receiving(at, id),
            Step::Drain { received } => self.drain(at, id, &received, again),
            Step::Attach { .. } => self.attach(at, id),
            Step::Arm => self.arm(at, id),
            Step::WriteEpoch { .. } => self.write_epoch(at, life, id, &step, again),
            Step::Unlock => {
                self.edit(at, |server| server.read_only = false);
                self.judge_writers();
                // The former source is forgotten, and its relay logs with it.
                let disk = &mut self.nodes[at].disk;
                disk.relay.clear();
                disk.flushed = disk.committed;
                self.step_done(at, id, Ok(()));
            }
            Step::Freeze { limit } => {
                let until = self.now + u64::try_from(limit.as_micros()).unwrap_or(0);
                self.edit(at, |server| server.freeze = Freeze::Asked { life, step: id, until });
                self.at(
                    until,
                    What::FreezeEnds {
                        node: at,
                        boot,
                        step: id,
                    },
                );
                self.try_freeze(at);
            }
            Step::Thaw => {
                self.thaw_commits(at);
                self.step_done(at, id, Ok(()));
            }
        }
    }

    pub(crate) fn edit(&mut self, at: usize, change: impl FnOnce(&mut Server)) {
        if let Some(server) = &mut self.nodes[at].server {
            change(server);
        }
    }

    pub(crate) fn step_done(&mut self, at: usize, id: u64, result: Result<(), String>) {
        let Some(server) = &self.nodes[at].server else { return };
        let result = match result {
            Ok(()) => StepResult::Done(server.facts(&self.nodes[at].disk)),
            Err(why) => StepResult::Failed(why),
        };
        self.step_result(at, id, result);
    }

    pub(crate) fn step_result(&mut self, at: usize, id: u64, result: StepResult) {
        let life = self.nodes[at].agent.life;
        let wait = self.rng.range(100, 3_000);
        self.after(
            wait,
            What::Agent {
                node: at,
                life,
                event: Box::new(Event::StepDone { id, result }),
            },
        );
    }

    fn salvage(&mut self, at: usize, id: u64) {
        if self.sabotage == Some(Sabotage::SalvageSkipped) {
            self.judge_discard(at);
            self.nodes[at].disk.relay.clear();
        }
        while let Some(txn) = self.nodes[at].disk.next_to_apply() {
            self.nodes[at].disk.apply(txn);
        }
        self.step_done(at, id, Ok(()));
    }

    fn stop_receiving(&mut self, at: usize, id: u64) {
        if self.sabotage == Some(Sabotage::RevokeSkipped) {
            let Some(server) = &self.nodes[at].server else { return };
            let mut facts = server.facts(&self.nodes[at].disk);
            facts.io = IoThread::No;
            self.step_result(at, id, StepResult::Done(facts));
            return;
        }
        self.edit(at, |server| server.io = IoThread::No);
        self.drop_stream(at, true);
        self.step_done(at, id, Ok(()));
    }

    fn drain(&mut self, at: usize, id: u64, received: &quorate_model::GtidSet, again: What) {
        let node = &self.nodes[at];
        if node.disk.position(node.disk.end()).covers(received) {
            self.step_done(at, id, Ok(()));
        } else if node.server.as_ref().is_some_and(|server| server.applier) {
            self.after(5_000, again);
        } else {
            self.step_done(at, id, Err("the applier is stopped".to_owned()));
        }
    }

    /// Starting replication afresh deletes the relay logs (M8).
    fn attach(&mut self, at: usize, id: u64) {
        let careful = self.sabotage != Some(Sabotage::SalvageSkipped);
        if careful && self.nodes[at].disk.received() > self.nodes[at].disk.end() {
            self.step_done(at, id, Err("received transactions are not applied".to_owned()));
            return;
        }
        self.drop_stream(at, true);
        let resumes = |server: &Server| server.applier && server.io == IoThread::No && server.io_pos.is_some();
        if self.nodes[at].server.as_ref().is_some_and(resumes) {
            // The applier never stopped: the relay logs stay.
            self.edit(at, |server| server.io = IoThread::Connecting);
            self.try_attach(at, 1_000);
            self.step_done(at, id, Ok(()));
            return;
        }
        self.judge_discard(at);
        let node = &mut self.nodes[at];
        node.disk.relay.clear();
        // The adapter flushes the engine's log first: what was applied must not depend on the relay log any more.
        node.disk.flushed = node.disk.committed;
        self.edit(at, |server| {
            server.io = IoThread::Connecting;
            server.applier = true;
            server.io_pos = None;
            server.error = None;
        });
        self.try_attach(at, 1_000);
        self.step_done(at, id, Ok(()));
    }

    fn arm(&mut self, at: usize, id: u64) {
        if self.nodes[at].disk.received() > self.nodes[at].disk.end() {
            self.step_done(at, id, Err("received transactions are not applied".to_owned()));
            return;
        }
        self.judge_arming(at);
        self.drop_stream(at, true);
        let armed = self.sabotage != Some(Sabotage::NeverArmed);
        self.edit(at, |server| {
            server.io = IoThread::No;
            server.applier = false;
            server.armed = armed;
        });
        self.step_done(at, id, Ok(()));
    }

    fn write_epoch(&mut self, at: usize, life: u32, id: u64, step: &Step, again: What) {
        let Some(server) = &self.nodes[at].server else { return };
        if server.epoch_row_waits {
            // The row is locked by the earlier attempt, which still waits for its acknowledgement.
            self.after(20_000, again);
            return;
        }
        let epoch = step_epoch(step).unwrap_or(0);
        self.edit(at, |server| server.epoch_row_waits = true);
        self.trace
            .say(self.now, || format!("m{}: writes the row of epoch {epoch}", at + 1));
        self.commit_on(at, Waiter::Epoch { life, step: id, epoch });
    }

    pub(crate) fn probe(&mut self, at: usize, life: u32, probe: Probe) {
        let node = &self.nodes[at];
        if node.agent.life != life {
            return;
        }
        if node.server.as_ref().is_none_or(|server| !server.answering) {
            self.agent_hears(at, life, Event::ProbeDone { probe, ok: false });
            return;
        }
        if node.frozen {
            self.nodes[at].icebox.push(What::Probe { node: at, life, probe });
            return;
        }
        match probe {
            Probe::Disk if node.stalled_until > self.now => {
                let until = node.stalled_until;
                self.at(until + 100, What::Probe { node: at, life, probe });
            }
            Probe::Disk => self.agent_hears(at, life, Event::ProbeDone { probe, ok: true }),
            Probe::Commit { .. } | Probe::Nudge { .. } => self.commit_on(at, Waiter::Probe { life, probe }),
        }
    }
}
