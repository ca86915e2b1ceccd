//! A machine with a fake shell: it answers persists, starts, kills and steps at once unless told to hold them back.

use std::collections::VecDeque;
use std::time::Duration;

use quorate_model::{
    AgentReport, Epoch, Gtid, IoThread, LeaseGrant, Moment, NodeId, Order, Progress, ServerFacts, Task,
};

use crate::machine::{Door, Durable, Effect, Event, Identity, Machine, Settings, Step, StepResult, Target};

pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) now: Moment,
    pub(super) facts: ServerFacts,
    pub(super) report: AgentReport,
    pub(super) door: Door,
    pub(super) relay: Option<Target>,
    /// Everything emitted, in order.
    pub(super) log: Vec<Effect>,
    pub(super) hold_persist: bool,
    /// Servers start but never answer.
    pub(super) hold_start: bool,
    /// Steps that are not answered, by the start of their debug text.
    pub(super) hold_steps: Vec<&'static str>,
    pub(super) index: u64,
    pending: VecDeque<Event>,
}

pub(super) fn set(text: &str) -> quorate_model::GtidSet {
    text.parse().unwrap()
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Durable::default())
    }

    pub(super) fn with(durable: Durable) -> Self {
        let identity = Identity {
            node: "m1".into(),
            incarnation: quorate_model::Incarnation::new("i1"),
            server_id: 1,
        };
        let now = Moment::from_micros(1_000_000);
        let mut machine = Machine::new(identity, Settings::default(), durable, now);
        let first = machine.handle(now, Event::Stream(None));
        let report = reports(&first).pop().unwrap();
        let mut rig = Self {
            machine,
            now,
            facts: ServerFacts {
                read_only: true,
                ..ServerFacts::default()
            },
            report,
            door: Door::closed(),
            relay: None,
            log: Vec::new(),
            hold_persist: false,
            hold_start: false,
            hold_steps: Vec::new(),
            index: 10,
            pending: VecDeque::new(),
        };
        rig.take(first);
        rig.run();
        rig
    }

    /// Booted behind the gate and salvaged.
    pub(super) fn booted() -> Self {
        let mut rig = Self::new();
        rig.tick(1);
        assert!(rig.report.vouch, "{:?}", rig.report);
        rig
    }

    pub(super) fn serving(epoch: u64) -> Self {
        let mut rig = Self::booted();
        rig.promote(epoch);
        assert!(
            matches!(rig.report.progress, Progress::Ready { .. }),
            "{:?}",
            rig.report
        );
        rig.serve(epoch, &["m2", "m3"]);
        rig.lease(epoch, 1500);
        rig
    }

    /// Gives an event, then everything that comes of it, in order.
    pub(super) fn event(&mut self, event: Event) {
        self.pending.push_back(event);
        self.run();
    }

    fn run(&mut self) {
        while let Some(event) = self.pending.pop_front() {
            let effects = self.machine.handle(self.now, event);
            self.take(effects);
        }
    }

    pub(super) fn tick(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
        self.event(Event::Tick);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.log.push(effect.clone());
            match effect {
                Effect::Persist(durable) if !self.hold_persist => self.pending.push_back(Event::Persisted(durable)),
                Effect::Start { boot } if !self.hold_start => {
                    self.facts.io = IoThread::No;
                    self.facts.applier = false;
                    self.pending.push_back(Event::ServerUp {
                        boot,
                        facts: self.facts.clone(),
                    });
                }
                Effect::Kill { boot } => self.end(boot, "killed by signal 9"),
                Effect::Step { id, step } => self.step(id, &step),
                Effect::Door(door) => self.door = door,
                Effect::Relay(relay) => self.relay = relay,
                Effect::Report(report) => self.report = *report,
                _ => {}
            }
        }
    }

    pub(super) fn died(&mut self, boot: u64, exit: &str) {
        self.end(boot, exit);
        self.run();
    }

    fn end(&mut self, boot: u64, exit: &str) {
        self.pending.push_back(Event::ServerExited {
            boot,
            exit: exit.to_owned(),
        });
        let position = Some(self.facts.binlog_pos.clone());
        self.pending.push_back(Event::FinalBinlog { boot, position });
    }

    fn step(&mut self, id: u64, step: &Step) {
        let name = format!("{step:?}");
        if self.hold_steps.iter().any(|held| name.starts_with(held)) {
            return;
        }
        let result = match step {
            Step::StopReceiving => {
                self.facts.io = IoThread::No;
                StepResult::Done(self.facts.clone())
            }
            Step::Attach { .. } => {
                self.facts.io = IoThread::Yes;
                self.facts.applier = true;
                StepResult::Done(self.facts.clone())
            }
            Step::Drain { received } => {
                self.facts.applied = received.clone();
                StepResult::Done(self.facts.clone())
            }
            Step::WriteEpoch { epoch, .. } => StepResult::Written(Gtid {
                domain: 0,
                server: 1,
                seq: 100 + epoch.0,
            }),
            Step::Freeze { .. } => StepResult::Frozen(self.facts.binlog_pos.clone()),
            _ => StepResult::Done(self.facts.clone()),
        };
        self.pending.push_back(Event::StepDone { id, result });
    }

    pub(super) fn order(&mut self, epoch: u64, task: Task) {
        self.index += 1;
        let index = self.index;
        self.event(Event::Order(Order {
            epoch: Epoch(epoch),
            index,
            task,
        }));
    }

    pub(super) fn follow(&mut self, epoch: u64, source: &str) {
        self.order(
            epoch,
            Task::Follow {
                source: source.into(),
                source_door: format!("{source}:1"),
            },
        );
    }

    pub(super) fn promote(&mut self, epoch: u64) {
        self.order(epoch, promote("0-1-0"));
    }

    pub(super) fn serve(&mut self, epoch: u64, ack_set: &[&str]) {
        let ack_set = ack_set.iter().map(|node| NodeId::from(*node)).collect();
        self.order(
            epoch,
            Task::Serve {
                ack_set,
                routers: ["r1".into()].into(),
            },
        );
    }

    /// A lease from the last report on.
    pub(super) fn lease(&mut self, epoch: u64, ms: u64) {
        let seq = self.report.seq;
        self.event(Event::Lease(LeaseGrant {
            epoch: Epoch(epoch),
            seq,
            ttl: Duration::from_millis(ms),
        }));
    }

    pub(super) fn steps(&self) -> Vec<String> {
        let name = |step: &Step| {
            format!("{step:?}")
                .split([' ', '{'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        self.log
            .iter()
            .filter_map(|effect| match effect {
                Effect::Step { step, .. } => Some(name(step)),
                Effect::Kill { .. } => Some("KILL".to_owned()),
                Effect::Start { .. } => Some("START".to_owned()),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn promote(required: &str) -> Task {
    let required = if required == "0-1-0" { set("") } else { set(required) };
    Task::Promote {
        operation: "op".into(),
        ack_set: ["m2".into(), "m3".into()].into(),
        required,
    }
}

pub(super) fn reports(effects: &[Effect]) -> Vec<AgentReport> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Report(report) => Some((**report).clone()),
            _ => None,
        })
        .collect()
}
