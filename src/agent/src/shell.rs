//! Carries out what the machine decides. One task owns the machine; everything slow is somebody else's task.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::link::{FailsafeAsk, FailsafeGrant, ToSupervisor, encode};
use quorate_mariadb::doctor::Role;
use quorate_model::{AgentReport, DoorState, Progress, ServerState};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::door::Gate;
use crate::feed::Stream;
use crate::links::Frame;
use crate::machine::{Durable, Effect, Event, Machine, Probe, StepResult, Target};
use crate::server::{Boot, Site};

/// A stop gives the links this long to carry the last report.
const FAREWELL: Duration = Duration::from_millis(100);
/// The shortest sleep, in case the machine asks to be woken in the past.
const NAP: Duration = Duration::from_millis(1);

/// What the owner task holds.
pub(crate) struct Shell {
    pub(crate) machine: Machine,
    pub(crate) site: Arc<Site>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) stream: Arc<Stream>,
    pub(crate) memory: watch::Sender<Option<Durable>>,
    pub(crate) relay: watch::Sender<Option<Target>>,
    pub(crate) reports: watch::Sender<Option<Frame>>,
    pub(crate) answers: mpsc::Sender<FailsafeGrant>,
    pub(crate) said: watch::Sender<Option<AgentReport>>,
    pub(crate) boot: Option<Boot>,
    /// Events that effects caused here, taken before anything from outside.
    pub(crate) own: Vec<Event>,
}

impl Shell {
    /// Until the machine says that the process may end. The server is dead then.
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        if self.take(Event::Tick) {
            return;
        }
        loop {
            let pause = Clock.now().until_at_least(self.machine.wake(), NAP);
            let event = tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => event,
                    None => return,
                },
                () = sleep(pause) => Event::Tick,
            };
            if self.take(event) {
                sleep(FAREWELL).await;
                return;
            }
        }
    }

    /// Whether the process may end.
    fn take(&mut self, event: Event) -> bool {
        // First how the stream stands: each event may cause a report, and when events come fast nothing else is ever looked
        // at. What waited in the queue about the stream is older than that.
        self.own.push(Event::Stream(self.stream.last_byte()));
        if !matches!(event, Event::Stream(_)) {
            self.own.push(event);
        }
        let mut ends = false;
        while !self.own.is_empty() {
            let event = self.own.remove(0);
            let effects = self.machine.handle(Clock.now(), event);
            for effect in effects {
                ends |= self.carry_out(effect);
            }
        }
        self.gate.serve_until(self.machine.clients_until());
        ends
    }

    fn carry_out(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Persist(durable) => {
                self.memory.send_replace(Some(durable));
            }
            Effect::Start { boot } => {
                tracing::info!(boot, "starting mariadbd behind the gate");
                self.boot = Some(Boot::start(&self.site, boot));
            }
            Effect::Kill { boot } => {
                tracing::warn!(boot, "killing mariadbd");
                if let Some(running) = &self.boot {
                    running.kill(boot);
                }
            }
            Effect::Step { id, step } => {
                let taken = self.boot.as_mut().is_some_and(|boot| boot.step(id, step));
                if !taken {
                    let result = StepResult::Failed("the server is gone".to_owned());
                    self.own.push(Event::StepDone { id, result });
                }
            }
            Effect::CancelStep { id } => {
                if let Some(boot) = &self.boot {
                    boot.cancel_step(id);
                }
            }
            Effect::Door(door) => {
                tracing::info!(state = ?door.state, ackable = ?door.ackable, "door");
                self.gate.serve_until(self.machine.clients_until());
                self.gate.apply(door);
            }
            Effect::Relay(target) => {
                tracing::info!(?target, "relay");
                self.relay.send_replace(target);
            }
            Effect::Report(report) => self.report(*report),
            Effect::AskFailsafe { epoch, seq, release } => self.gate.ask(&FailsafeAsk { epoch, seq, release }),
            Effect::AnswerFailsafe { epoch, seq, ttl, .. } => {
                let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                // Full: the primary is not listening; it asks again.
                let _full = self.answers.try_send(FailsafeGrant { epoch, seq, ttl_ms });
            }
            Effect::Probe(probe) => self.probe(probe),
            Effect::Exit => return true,
        }
        false
    }

    fn probe(&mut self, probe: Probe) {
        let taken = self.boot.as_ref().is_some_and(|boot| boot.probe(probe));
        if !taken {
            tracing::debug!(?probe, "the probes are not taken in");
        }
    }

    fn report(&mut self, report: AgentReport) {
        let role = match (&report.door, &report.progress) {
            (DoorState::Open { .. } | DoorState::Replicas { .. }, _) => match &report.server {
                ServerState::Running { facts, .. } if !facts.read_only => Role::Primary,
                _ => Role::Armed,
            },
            _ => Role::Replica,
        };
        self.site.mood.set(self.machine.observe_every(), role);
        self.said.send_if_modified(|said| {
            let same = said
                .as_ref()
                .is_some_and(|last| same_stage(&last.progress, &report.progress));
            if !same {
                tracing::info!(progress = ?report.progress, "progress");
            }
            *said = Some(report.clone());
            true
        });
        match encode(&ToSupervisor::Agent(Box::new(report))) {
            Ok(frame) => {
                self.reports.send_replace(Some(Arc::new(frame)));
            }
            Err(error) => tracing::error!(%error, "a report cannot be encoded"),
        }
    }
}

fn same_stage(a: &Progress, b: &Progress) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Time left, with a lower bound.
trait UntilAtLeast {
    fn until_at_least(self, later: Self, least: Duration) -> Duration;
}

impl UntilAtLeast for quorate_model::Moment {
    fn until_at_least(self, later: Self, least: Duration) -> Duration {
        self.until(later).max(least)
    }
}
