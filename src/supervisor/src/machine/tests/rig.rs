//! A machine in an open epoch: `m1` leads, `m2` and `m3` acknowledge, `s1` decides, `s2` and `s3` watch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::{
    AgentReport, Cause, Change, ClusterSpec, Command, DoorState, Epoch, Gtid, GtidSet, IoThread, LeaseKind, Moment,
    NodeId, NodeSpec, Policy, ProbeFacts, Progress, ServerFacts, ServerState, State, UnixMillis, VoterView,
};

use crate::machine::{Effect, Event, Machine, Settings};

pub(super) const REPORT_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Rig {
    pub(super) now: Moment,
    pub(super) machine: Machine,
    pub(super) state: State,
    seq: u64,
}

pub(super) fn spec() -> ClusterSpec {
    let node = |name: &str| {
        (
            NodeId::from(name),
            NodeSpec {
                door: format!("{name}:3306"),
                priority: 100,
            },
        )
    };
    ClusterSpec {
        cluster: "lab".into(),
        name: "lab".to_owned(),
        nodes: ["m1", "m2", "m3"].into_iter().map(node).collect(),
        policy: Policy::default(),
    }
}

fn open_state() -> State {
    let mut state = State::default();
    let member = |name: &str| (NodeId::from(name), format!("{name}-dir").as_str().into());
    let mut changes = vec![Change::PolicyChanged { spec: spec() }];
    for (name, server_id) in [("m1", 1), ("m2", 2), ("m3", 3)] {
        let (node, incarnation) = member(name);
        changes.push(Change::NodeRegistered {
            node,
            incarnation,
            server_id,
        });
    }
    let epoch = Epoch(1);
    changes.push(Change::Begin {
        epoch,
        cause: Cause::Bootstrap,
        evidence: Vec::new(),
    });
    changes.push(Change::Elect {
        epoch,
        candidate: "m1".into(),
        required: GtidSet::new(),
        ack_set: [member("m2"), member("m3")].into(),
        positions: [].into(),
        evidence: Vec::new(),
    });
    changes.push(Change::Open {
        epoch,
        barrier: Gtid {
            domain: 0,
            server: 1,
            seq: 1,
        },
        evidence: Vec::new(),
    });
    for (change, index) in changes.into_iter().zip(1..) {
        let key = format!("set-up-{index}").as_str().into();
        let command = Command {
            key,
            at: UnixMillis(index),
            by: "test".to_owned(),
            change,
        };
        let reply = state.apply(index, &command);
        assert_eq!(reply, quorate_model::Reply::Applied { index }, "{command:?}");
    }
    state
}

impl Rig {
    /// A follower that has seen the state and reports of everybody.
    pub(super) fn following() -> Self {
        let now = Moment::from_micros(1_000_000_000);
        let authority = Duration::from_millis(700);
        let settings = Settings {
            me: "s1".into(),
            spec: spec(),
            nonce: 7,
            authority,
        };
        let mut rig = Self {
            now,
            machine: Machine::new(settings, now),
            state: open_state(),
            seq: 0,
        };
        rig.applied();
        rig.run(Duration::from_secs(1), &["m1", "m2", "m3"]);
        rig
    }

    /// A leader with a quorum's word.
    pub(super) fn leading() -> Self {
        let mut rig = Self::following();
        rig.feed(Event::Leadership { leading: true, term: 5 });
        rig.quorum();
        rig.run(Duration::from_secs(2), &["m1", "m2", "m3"]);
        rig
    }

    pub(super) fn feed(&mut self, event: Event) -> Vec<Effect> {
        self.machine.handle(self.now, event)
    }

    pub(super) fn quorum(&mut self) -> Vec<Effect> {
        self.feed(Event::QuorumAcked {
            age: Duration::from_millis(10),
        })
    }

    pub(super) fn applied(&mut self) -> Vec<Effect> {
        self.feed(Event::Applied(Arc::new(self.state.clone())))
    }

    /// Applies what is proposed, as Raft would.
    pub(super) fn commit(&mut self, command: &Command) -> Vec<Effect> {
        let index = self.state.index + 1;
        self.state.apply(index, command);
        self.applied()
    }

    pub(super) fn report(&mut self, report: AgentReport) -> Vec<Effect> {
        self.feed(Event::Report(Box::new(report)))
    }

    pub(super) fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    /// Time passes, with a quorum's word, reports of the nodes that live, and ticks.
    pub(super) fn run(&mut self, span: Duration, alive: &[&str]) -> Vec<Effect> {
        self.run_with(span, alive, |_, _| {})
    }

    /// As [`Rig::run`]; `change` has a last word on each report.
    pub(super) fn run_with(
        &mut self,
        span: Duration,
        alive: &[&str],
        change: impl Fn(Duration, &mut AgentReport),
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let begin = self.now;
        while self.now.since(begin) < span {
            self.wait(REPORT_EVERY);
            effects.extend(self.quorum());
            for name in alive {
                let mut report = self.healthy(name);
                change(self.now.since(begin), &mut report);
                effects.extend(self.report(report));
            }
            effects.extend(self.feed(Event::Tick { unix: UnixMillis(1) }));
        }
        effects
    }

    /// What another voter says: `m1` is silent for so long.
    pub(super) fn view(&mut self, voter: &str, silence: Duration) -> Vec<Effect> {
        self.feed(Event::VoterView(VoterView {
            voter: voter.into(),
            silence: [("m1".into(), silence)].into(),
            disconnected: Vec::new(),
        }))
    }

    /// A report of a node that does what it shall.
    pub(super) fn healthy(&mut self, name: &str) -> AgentReport {
        self.seq += 1;
        let leads = name == "m1";
        let epoch = Epoch(1);
        let position: GtidSet = "0-1-9".parse().unwrap();
        let members = ["m2".into(), "m3".into()];
        let facts = ServerFacts {
            binlog_pos: position.clone(),
            binlog_state: position.clone(),
            applied: position.clone(),
            received: position,
            read_only: !leads,
            semi_sync_armed: leads,
            io: if leads { IoThread::No } else { IoThread::Yes },
            applier: !leads,
            ..ServerFacts::default()
        };
        AgentReport {
            node: name.into(),
            incarnation: format!("{name}-dir").as_str().into(),
            server_id: u32::from(name.as_bytes()[1] - b'0'),
            boot_nonce: 1,
            seq: self.seq,
            promised: epoch,
            fenced: epoch,
            door: if leads {
                DoorState::Open { epoch }
            } else {
                DoorState::ReadOnly { epoch }
            },
            ackable: if leads { members.into() } else { [].into() },
            admitted: [].into(),
            server: ServerState::Running {
                facts,
                age: Duration::ZERO,
            },
            progress: if leads {
                Progress::Serving { epoch }
            } else {
                Progress::Following {
                    epoch,
                    source: "m1".into(),
                }
            },
            vouch: true,
            pristine: false,
            source_silence: (!leads).then_some(Duration::ZERO),
            probes: ProbeFacts::default(),
            lease: LeaseKind::Supervisors,
            final_binlog: None,
            order_index: 0,
            wants_handover: false,
            findings: Vec::new(),
            alike: BTreeMap::new(),
        }
    }

    pub(super) fn dead(&mut self, name: &str) -> AgentReport {
        let mut report = self.healthy(name);
        report.server = ServerState::Down {
            exit: Some("killed by signal 9".to_owned()),
        };
        report.progress = Progress::Idle;
        report.door = DoorState::Closed;
        report
    }
}

pub(super) fn proposed(effects: &[Effect]) -> Vec<&Command> {
    let commands = effects.iter().filter_map(|effect| match effect {
        Effect::Propose(command) => Some(command),
        _ => None,
    });
    commands.collect()
}

/// Whether something is done to the world outside, rather than told to other supervisors.
pub(super) fn acts(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| !matches!(effect, Effect::View(_) | Effect::Answer { .. }))
}
