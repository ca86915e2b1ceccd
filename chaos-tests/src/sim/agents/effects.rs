//! Carries out what an agent's machine decides.

use quorate_agent::machine::{Door, Effect, Event};
use quorate_model::{AgentReport, DoorState, Epoch, ServerState};

use crate::sim::event::{Upward, What};
use crate::sim::network::Dialler;
use crate::sim::sabotage::Sabotage;
use crate::sim::world::World;

impl World {
    pub(super) fn agent_does(&mut self, at: usize, effect: Effect) {
        let life = self.nodes[at].agent.life;
        match effect {
            Effect::Persist(durable) => {
                self.nodes[at].agent.writing.push(durable);
                let wait = self.rng.range(300, 6_000);
                self.after(
                    wait,
                    What::AgentPersisted {
                        node: at,
                        life,
                        durable,
                    },
                );
            }
            Effect::Start { boot } => self.start_server(at, boot),
            Effect::Kill { boot } => self.kill_server(at, boot, "killed by signal 9"),
            Effect::Step { id, step } => {
                self.judge_step(at, &step);
                self.trace.say(self.now, || format!("m{}: step {id} {step:?}", at + 1));
                let boot = self.nodes[at].server.as_ref().map_or(0, |server| server.boot);
                let wait = self.rng.range(200, 3_000);
                self.after(
                    wait,
                    What::Step {
                        node: at,
                        life,
                        boot,
                        id,
                        step,
                    },
                );
            }
            Effect::CancelStep { id } => {
                self.nodes[at].agent.cancelled.insert(id);
            }
            Effect::Door(door) => self.set_door(at, door),
            Effect::Relay(target) => self.set_relay(at, target),
            Effect::Report(report) => self.send_report(at, &report),
            Effect::AskFailsafe { epoch, seq, release } => self.ask_failsafe(at, epoch, seq, release),
            Effect::AnswerFailsafe { to, epoch, seq, ttl } => {
                if let Some(to) = self.node_of(&to) {
                    let by = self.nodes[at].id.clone();
                    let event = Box::new(Event::FailsafeGranted { by, epoch, seq, ttl });
                    self.send_failsafe(at, to, event);
                }
            }
            Effect::Probe(probe) => {
                let wait = self.rng.range(200, 2_000);
                self.after(wait, What::Probe { node: at, life, probe });
            }
            Effect::Exit => {
                self.crash_agent(at, false);
                self.after(1_000_000, What::AgentStart { node: at });
            }
        }
    }

    fn send_report(&mut self, at: usize, report: &AgentReport) {
        self.trace.say(self.now, || {
            format!(
                "m{}: report {} promised {} door {:?} {:?} {:?} vouch {} ackable {:?} io {:?}",
                at + 1,
                report.seq,
                report.promised,
                report.door,
                report.progress,
                server_words(report),
                report.vouch,
                report.ackable,
                report.source_silence,
            )
        });
        self.nodes[at].agent.last_report = Some(Box::new(report.clone()));
        for link in 0..self.links.len() {
            if self.links[link].dialler == Dialler::Agent(at) {
                self.send_up(link, Upward::Report(Box::new(report.clone())));
            }
        }
    }

    fn set_door(&mut self, at: usize, door: Door) {
        self.trace.say(self.now, || {
            format!("m{}: door {:?} acks {:?}", at + 1, door.state, door.ackable)
        });
        let before = std::mem::replace(&mut self.nodes[at].agent.door, door);
        if self.sabotage == Some(Sabotage::DoorIgnoresLease)
            && let DoorState::Open { epoch } = before.state
            && self.nodes[at].agent.door.state == (DoorState::Replicas { epoch })
        {
            self.nodes[at].agent.door.state = before.state;
        }
        self.judge_door(at);
        self.check_instant();
        let epoch = self.nodes[at].door_epoch();
        let cut: Vec<usize> = self.nodes[at]
            .tunnels
            .keys()
            .copied()
            .filter(|replica| self.nodes[*replica].stream.epoch != epoch)
            .collect();
        for replica in cut {
            self.cut_tunnel(at, replica);
        }
        self.recheck_clients_at(at);
    }

    /// To every member of the ack set that has a stream to us.
    fn ask_failsafe(&mut self, at: usize, epoch: Epoch, seq: u64, release: bool) {
        let from = self.nodes[at].id.clone();
        let tunnels: Vec<usize> = self.nodes[at].tunnels.keys().copied().collect();
        for to in tunnels {
            if !release && !self.nodes[at].agent.door.ackable.contains(&self.nodes[to].id) {
                continue;
            }
            let event = Box::new(Event::FailsafeAsked {
                from: from.clone(),
                epoch,
                seq,
                release,
            });
            self.send_failsafe(at, to, event);
        }
    }

    /// Sends a question or an answer over the network.
    fn send_failsafe(&mut self, from: usize, to: usize, event: Box<Event>) {
        let wait = self.network.delay(&mut self.rng);
        self.after(
            wait,
            What::Failsafe {
                from,
                to,
                tries: 0,
                event,
            },
        );
    }

    pub(crate) fn failsafe(&mut self, from: usize, to: usize, tries: u8, event: Event) {
        if self.network.open(from, to) {
            self.tell_agent(to, event);
        } else if tries < 40 {
            self.after(
                40_000,
                What::Failsafe {
                    from,
                    to,
                    tries: tries + 1,
                    event: Box::new(event),
                },
            );
        }
    }
}

fn server_words(report: &AgentReport) -> String {
    match &report.server {
        ServerState::Running { facts, .. } => format!(
            "up(bin {} recv {} ro {} armed {} io {:?} waiting {})",
            facts.binlog_pos, facts.received, facts.read_only, facts.semi_sync_armed, facts.io, facts.waiting_commits
        ),
        other => format!("{other:?}"),
    }
}
