//! A small world around the planner: a log, two leaders, nodes, and messages that come late, twice or never.

mod leaders;
mod traffic;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use quorate_chaos::invariants::{Breach, Ending, Node as Truth, Row, Trace, instant};
use quorate_model::{
    AgentReport, Change, ClusterId, ClusterSpec, Command, DoorState, Epoch, Moment, NodeId, NodeSpec, Observations,
    OperationId, Order, Plan, Policy, State, SupervisorId, UnixMillis,
};

use super::node::{Node, Server};

/// One of the two leaders that take turns.
struct Leader {
    seen: Observations,
    /// What it has applied; the present leader has all of the log.
    applied: State,
    /// Reports on their way to it, in order per node.
    mail: BTreeMap<NodeId, VecDeque<AgentReport>>,
}

pub(crate) struct World {
    now: Moment,
    pub(crate) state: State,
    index: u64,
    keys: u64,
    uid: u64,
    leaders: [Leader; 2],
    leading: usize,
    pending: Option<Command>,
    /// Orders on their way, in order per leader and node, as on one connection.
    orders: BTreeMap<(usize, NodeId), VecDeque<Order>>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) trace: Trace,
    acknowledged: BTreeSet<Row>,
    /// Something was lost that the protocol cannot give back.
    pub(crate) lossy: bool,
    /// The planner is broken on purpose.
    pub(crate) sabotage: Option<Sabotage>,
    /// The first promise that did not hold at some instant.
    pub(crate) breach: Option<Breach>,
}

/// A rule that the planner breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Elects the first that is revoked, without the rest of the ack set.
    Hasty,
    /// Takes a member out of the ack set without cutting it off and without a barrier.
    Careless,
}

impl World {
    /// Three declared nodes, down and untouched, and a router.
    pub(crate) fn new() -> Self {
        let now = Moment::from_micros(1_000_000_000);
        let leader = |name: &str| Leader {
            seen: Observations::new(SupervisorId::new(name), now),
            applied: State::default(),
            mail: BTreeMap::new(),
        };
        let nodes: BTreeMap<NodeId, Node> = (1..=3).map(Node::new).map(|node| (node.name.clone(), node)).collect();
        let mut world = Self {
            now,
            state: State::default(),
            index: 0,
            keys: 0,
            uid: 0,
            leaders: [leader("s1"), leader("s2")],
            leading: 0,
            pending: None,
            orders: BTreeMap::new(),
            trace: Trace::default(),
            acknowledged: BTreeSet::new(),
            lossy: false,
            sabotage: None,
            breach: None,
            nodes,
        };
        let declared = world.nodes.keys().map(|name| {
            let spec = NodeSpec {
                door: format!("{name}:1"),
                priority: 100,
            };
            (name.clone(), spec)
        });
        let spec = ClusterSpec {
            cluster: ClusterId::new("c"),
            name: "world".to_owned(),
            nodes: declared.collect(),
            policy: Policy::default(),
        };
        world.propose("s1", Change::PolicyChanged { spec });
        world.commit();
        world
    }

    fn propose(&mut self, by: &str, change: Change) {
        self.keys += 1;
        self.pending = Some(Command {
            key: OperationId::new(format!("op-{}", self.keys)),
            at: UnixMillis(0),
            by: by.to_owned(),
            change,
        });
    }

    /// Brings the truth up to date and checks what must hold at every instant.
    pub(crate) fn check(&mut self) {
        let ackers: BTreeMap<NodeId, BTreeSet<NodeId>> = self
            .nodes
            .keys()
            .map(|name| (name.clone(), self.ackers(name)))
            .collect();
        for (name, node) in &self.nodes {
            let truth = Truth {
                promised: node.promised,
                primary: node.primary().map(|primary| primary.epoch),
                writable: node.writable(),
                semi_sync: true,
                ackers: ackers[name].clone(),
                door: match node.primary() {
                    Some(primary) if node.door_open() => DoorState::Open { epoch: primary.epoch },
                    _ => DoorState::Closed,
                },
                leased: true,
            };
            self.trace.nodes.insert(name.clone(), truth);
        }
        if let Err(breach) = instant(&self.trace) {
            self.breach.get_or_insert_with(|| breach.clone());
            assert!(
                self.sabotage.is_some(),
                "{breach}\n{:#?}\n{:#?}",
                self.nodes,
                self.state
            );
        }
    }

    fn ackers(&self, name: &NodeId) -> BTreeSet<NodeId> {
        let Some(primary) = self.nodes[name].primary() else {
            return BTreeSet::new();
        };
        self.nodes
            .keys()
            .filter(|replica| self.fed(replica).as_ref() == Some(name) && primary.ackable.contains(*replica))
            .cloned()
            .collect()
    }

    /// A calm round: everybody reports, the leader plans, what it decides is committed and carried out.
    pub(crate) fn round(&mut self) -> Plan {
        self.pass(50);
        for which in 0..3 {
            self.send_report(which);
            for leader in 0..2 {
                self.receive(which, leader, usize::MAX);
            }
        }
        self.router();
        let plan = self.plan();
        self.commit();
        while self.deliver(0, false, false) {}
        for which in 0..3 {
            self.work(which, 0);
            self.write(which);
            let name = self.name(which);
            self.stream(&name, usize::MAX);
            self.apply(which);
        }
        self.check();
        plan
    }

    /// Takes all faults away and waits.
    pub(crate) fn calm(&mut self, rounds: u32) {
        for node in self.nodes.values_mut() {
            (node.alive, node.stopped, node.reachable, node.side) = (true, false, true, 0);
        }
        self.commit();
        if self.state.paused.is_some() {
            self.pause();
            self.commit();
        }
        let mut middle = Epoch::ZERO;
        let mut last = None;
        for round in 0..rounds {
            if round == rounds / 2 {
                middle = self.state.epoch;
            }
            last = Some(self.round());
        }
        let held_back = last.map(|plan| plan.held_back).unwrap_or_default();
        self.trace.agreed = self.state.clone();
        self.trace.ending = Some(Ending {
            calm: Duration::from_millis(u64::from(rounds) * 50),
            bound: Duration::from_secs(10),
            whole: !self.lossy,
            phase: self.state.phase,
            restless: self.state.epoch.0 - middle.0,
            held_back: held_back
                .into_iter()
                .map(|held| format!("{}: {}", held.what, held.waiting_for))
                .collect(),
        });
    }
}

impl Node {
    /// The epoch for which it is revoked.
    fn progress_epoch(&self) -> Option<Epoch> {
        let quiet = matches!(self.server, Server::Quiet);
        self.order.as_ref().filter(|_| quiet).map(|order| order.epoch)
    }
}
