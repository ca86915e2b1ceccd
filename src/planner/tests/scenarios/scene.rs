//! A cluster that a test can picture: agreed state, reports and time, in words.

mod ask;
mod reports;

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::{
    AgentReport, Cause, Change, ClusterId, ClusterSpec, Command, DoorState, Epoch, GtidSet, IoThread, Link, Moment,
    NodeId, NodeSpec, Observations, OperationId, Plan, Policy, Progress, Reply, RouterId, RouterReport, Seen,
    ServerFacts, ServerState, State, SupervisorId, UnixMillis, VoterView,
};
use quorate_planner::{audit, plan};

pub(crate) use ask::Ask;
pub(crate) use reports::{following, gated, incarnation, ready, revoked, server_id, serving};

pub(crate) fn set(text: &str) -> GtidSet {
    text.parse().unwrap()
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::new(name)
}

/// Agreed state, what the leader `s1` has seen of it, and the time.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) state: State,
    pub(crate) seen: Observations,
    pub(crate) now: Moment,
    keys: u64,
}

impl Scene {
    /// Three declared nodes `m1`, `m2`, `m3`, up behind the gate and untouched; nothing agreed but the declaration.
    pub(crate) fn forming() -> Self {
        let now = Moment::from_micros(1_000_000_000);
        let mut scene = Self {
            state: State::default(),
            seen: Observations::new(SupervisorId::new("s1"), now),
            now,
            keys: 0,
        };
        scene.commit(Change::PolicyChanged {
            spec: spec(&["m1", "m2", "m3"]),
        });
        for name in ["m1", "m2", "m3"] {
            scene.hear(gated(name));
        }
        scene
    }

    /// Epoch 1 open on `m1` at 0-1-100, `m2` and `m3` following and in the ack set, router `r1` admitted.
    pub(crate) fn open() -> Self {
        let mut scene = Self::forming();
        scene.settle();
        scene.commit(Change::Begin {
            epoch: Epoch(1),
            cause: Cause::Bootstrap,
            evidence: Vec::new(),
        });
        scene.commit(Change::Elect {
            epoch: Epoch(1),
            candidate: node("m1"),
            required: GtidSet::new(),
            ack_set: ["m2", "m3"].map(|name| (node(name), incarnation(name))).into(),
            positions: BTreeMap::new(),
            evidence: Vec::new(),
        });
        scene.commit(Change::Open {
            epoch: Epoch(1),
            barrier: "0-1-1".parse().unwrap(),
            evidence: Vec::new(),
        });
        scene.hear(serving("m1", 1, "0-1-100", &["m2", "m3"]));
        for name in ["m2", "m3"] {
            scene.hear(following(name, 1, "m1", "0-1-100"));
        }
        scene.commit(Change::RouterAdmitted {
            router: RouterId::new("r1"),
        });
        scene.router("r1", 1);
        scene.pass(10_000);
        scene.refresh();
        scene
    }

    /// As [`Self::open`], then `m1` is killed and epoch 2 has begun; nobody has answered yet.
    pub(crate) fn failed_over() -> Self {
        let mut scene = Self::open();
        scene.crash("m1");
        scene.step();
        assert_eq!(scene.state.epoch, Epoch(2));
        scene
    }

    /// As [`Self::failed_over`]; both replicas are revoked and `m2` is elected.
    pub(crate) fn elected() -> Self {
        let mut scene = Self::failed_over();
        scene.hear(revoked("m2", 2, "0-1-100"));
        scene.hear(revoked("m3", 2, "0-1-100"));
        scene.step();
        assert_eq!(scene.state.primary, Some(node("m2")));
        scene
    }

    /// As [`Self::open`], then a switchover to the best has begun.
    pub(crate) fn handing_over() -> Self {
        let mut scene = Self::open();
        scene.switchover(None);
        scene
    }

    pub(crate) fn switchover(&mut self, target: Option<&str>) {
        self.commit(Change::Begin {
            epoch: self.state.epoch.next(),
            cause: Cause::Switchover {
                target: target.map(node),
                why: "test".to_owned(),
            },
            evidence: Vec::new(),
        });
    }

    /// Commits a change; it must take effect.
    pub(crate) fn commit(&mut self, change: Change) {
        let before = (self.state.epoch, self.state.phase);
        self.keys += 1;
        let command = Command {
            key: OperationId::new(format!("op-{}", self.keys)),
            at: UnixMillis(0),
            by: "test".to_owned(),
            change,
        };
        let reply = self.state.apply(self.state.index + 1, &command);
        assert!(matches!(reply, Reply::Applied { .. }), "{command:?}: {reply:?}");
        if before != (self.state.epoch, self.state.phase) {
            self.seen.phase_since = self.now;
        }
    }

    /// The plan; its audit must find nothing.
    pub(crate) fn plan(&self) -> Plan {
        let plan = plan(&self.state, &self.seen, self.now);
        let violations = audit(&plan, &self.state, &self.seen, self.now);
        assert_eq!(violations, [], "{plan:#?}");
        plan
    }

    /// Plans once and commits what the plan says.
    pub(crate) fn step(&mut self) -> Plan {
        let plan = self.plan();
        for change in plan.changes.clone() {
            self.commit(change);
        }
        plan
    }

    /// Commits registrations until nothing is left to register.
    fn settle(&mut self) {
        for name in ["m1", "m2", "m3"] {
            self.commit(Change::NodeRegistered {
                node: node(name),
                incarnation: incarnation(name),
                server_id: server_id(name),
            });
        }
    }

    /// A report arrives now.
    pub(crate) fn hear(&mut self, report: AgentReport) {
        self.seen.hear(self.now, report);
    }

    /// The last report of a node arrives again, changed.
    pub(crate) fn again(&mut self, name: &str, change: impl FnOnce(&mut AgentReport)) {
        let mut report = self.seen.report(&node(name)).unwrap().clone();
        change(&mut report);
        self.hear(report);
    }

    /// The facts of a running server change and are reported.
    pub(crate) fn facts(&mut self, name: &str, change: impl FnOnce(&mut ServerFacts)) {
        self.again(name, |report| {
            if let ServerState::Running { facts, .. } = &mut report.server {
                change(facts);
            }
        });
    }

    /// Every agent says again now what it said last.
    pub(crate) fn refresh(&mut self) {
        self.refresh_except(&[]);
    }

    /// Every agent but these says again now what it said last.
    pub(crate) fn refresh_except(&mut self, silent: &[&str]) {
        for seen in self.seen.agents.values_mut() {
            if !silent.contains(&seen.value.node.as_str()) {
                seen.at = self.now;
            }
        }
        for seen in self.seen.routers.values_mut() {
            seen.at = self.now;
        }
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    /// The server dies; its agent says so at once.
    pub(crate) fn crash(&mut self, name: &str) {
        self.again(name, |report| {
            report.server = ServerState::Down {
                exit: Some("killed by signal 9".to_owned()),
            };
            report.door = DoorState::Closed;
            report.progress = Progress::Idle;
            report.ackable.clear();
            report.admitted.clear();
            report.source_silence = None;
            report.vouch = false;
        });
    }

    /// The replicas lose their stream.
    pub(crate) fn streams_end(&mut self, names: &[&str]) {
        for name in names {
            self.again(name, |report| report.source_silence = None);
            self.facts(name, |facts| facts.io = IoThread::Connecting);
        }
    }

    pub(crate) fn router(&mut self, name: &str, confirmed: u64) {
        self.seen.routers.insert(
            RouterId::new(name),
            Seen {
                at: self.now,
                value: RouterReport {
                    router: RouterId::new(name),
                    confirmed: Epoch(confirmed),
                    index: self.state.index,
                    connections: 0,
                    held: 0,
                },
            },
        );
    }

    /// Voter `s2` says that it has not heard of the node for so long.
    pub(crate) fn witness(&mut self, name: &str, silence_ms: u64) {
        self.view(|view| {
            view.silence.insert(node(name), Duration::from_millis(silence_ms));
        });
    }

    /// The link to the node breaks here and, if said, at voter `s2`.
    pub(crate) fn link_breaks(&mut self, name: &str, there_too: bool) {
        self.seen.links.insert(
            node(name),
            Link {
                connected: false,
                since: self.now,
                reset: true,
            },
        );
        if there_too {
            self.view(|view| view.disconnected.push(node(name)));
        }
    }

    fn view(&mut self, change: impl FnOnce(&mut VoterView)) {
        let voter = SupervisorId::new("s2");
        let seen = self.seen.voters.entry(voter.clone()).or_insert_with(|| Seen {
            at: self.now,
            value: VoterView {
                voter,
                silence: BTreeMap::new(),
                disconnected: Vec::new(),
            },
        });
        seen.at = self.now;
        change(&mut seen.value);
    }

    /// The policy of the declaration changes.
    pub(crate) fn policy(&mut self, change: impl FnOnce(&mut Policy)) {
        let mut spec = self.state.spec.clone().unwrap();
        change(&mut spec.policy);
        self.commit(Change::PolicyChanged { spec });
    }
}

pub(crate) fn spec(names: &[&str]) -> ClusterSpec {
    ClusterSpec {
        cluster: ClusterId::new("c"),
        name: "test".to_owned(),
        nodes: names
            .iter()
            .map(|name| {
                let spec = NodeSpec {
                    door: format!("{name}:4000"),
                    priority: 100,
                };
                (node(name), spec)
            })
            .collect(),
        policy: Policy::default(),
    }
}
