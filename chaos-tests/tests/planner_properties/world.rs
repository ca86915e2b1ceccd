//! A small world around the planner: a log, two leaders, nodes, and messages that come late, twice or never.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use quorate_chaos::invariants::{
    Decision, Election, Ending, Node as Truth, Opening, Planned, Revocation, Row, Trace, Write, instant,
};
use quorate_model::{
    AgentReport, Cause, Change, ClusterId, ClusterSpec, Command, DoorState, Epoch, Moment, NodeId, NodeSpec,
    Observations, OperationId, Order, Phase, Plan, Policy, Reply, RouterId, RouterReport, Seen, State, SupervisorId,
    UnixMillis, VoterView,
};
use quorate_planner::{audit, plan, switchover_precheck};

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

    // === what leaders do ===

    /// The present leader plans and acts: one proposal at a time, orders put on their way.
    pub(crate) fn plan(&mut self) -> Plan {
        self.exchange_views();
        let leader = &self.leaders[self.leading];
        let plan = self.checked(&self.state, &leader.seen);
        if self.pending.is_none()
            && let Some(change) = plan.changes.first()
        {
            if matches!(change, Change::Elect { .. }) {
                self.trace.plans.push(Planned {
                    state: self.state.clone(),
                    seen: leader.seen.clone(),
                    now: self.now,
                    plan: plan.clone(),
                });
            }
            self.propose("planner", change.clone());
        }
        let orders = self.within_flight(&plan);
        self.send(self.leading, orders);
        if let Some((_, epoch)) = &plan.lease {
            self.leaders[self.leading].seen.last_grant = Some((*epoch, self.now));
        }
        plan
    }

    /// As the supervisor does: until a change is applied, nobody is let in whom it shuts out.
    fn within_flight(&self, plan: &Plan) -> Vec<(NodeId, Order)> {
        let mut orders: Vec<(NodeId, Order)> = plan.orders.clone().into_iter().collect();
        if let Some(Change::AckSetChanged { ack_set: coming, .. }) =
            self.pending.as_ref().map(|command| &command.change)
        {
            for (_, order) in &mut orders {
                if let quorate_model::Task::Serve { ack_set, .. } | quorate_model::Task::Promote { ack_set, .. } =
                    &mut order.task
                {
                    ack_set.retain(|node| coming.contains_key(node));
                }
            }
        }
        orders
    }

    /// The other one, which led before, still believes in itself: its orders go out, its proposals go nowhere.
    pub(crate) fn ghost(&mut self) {
        let leader = &self.leaders[1 - self.leading];
        let plan = self.checked(&leader.applied, &leader.seen);
        self.send(1 - self.leading, plan.orders.into_iter().collect());
    }

    fn send(&mut self, from: usize, orders: Vec<(NodeId, Order)>) {
        for (node, order) in orders {
            self.orders.entry((from, node)).or_default().push_back(order);
        }
    }

    /// Plans twice and audits.
    fn checked(&self, state: &State, seen: &Observations) -> Plan {
        let first = plan(state, seen, self.now);
        assert_eq!(first, plan(state, seen, self.now), "I20");
        let violations = audit(&first, state, seen, self.now);
        assert_eq!(violations, [], "{first:#?}");
        for held in &first.held_back {
            assert!(!held.what.is_empty() && !held.waiting_for.is_empty(), "{held:?}");
        }
        first
    }

    fn exchange_views(&mut self) {
        let views: Vec<VoterView> = self
            .leaders
            .iter()
            .map(|leader| VoterView {
                voter: leader.seen.observer.clone(),
                silence: leader
                    .seen
                    .agents
                    .iter()
                    .map(|(node, seen)| (node.clone(), self.now.since(seen.at)))
                    .collect(),
                disconnected: Vec::new(),
            })
            .collect();
        for (leader, view) in self.leaders.iter_mut().rev().zip(views) {
            let at = self.now;
            leader.seen.voters.insert(view.voter.clone(), Seen { at, value: view });
        }
    }

    /// The other one is elected. A proposal in flight may still be in the log, or not; the new leader commits an entry first.
    pub(crate) fn change_leader(&mut self, keeps: bool) {
        if keeps {
            self.commit();
        }
        self.pending = None;
        self.leaders[self.leading].applied = self.state.clone();
        self.leading = 1 - self.leading;
        let now = self.now;
        let seen = &mut self.leaders[self.leading].seen;
        (seen.leader_since, seen.phase_since, seen.last_grant) = (now, now, None);
        self.propose(
            "raft",
            Change::Noted {
                what: "leader".to_owned(),
                why: "elected".to_owned(),
            },
        );
        self.commit();
    }

    /// The proposal in flight commits; applied twice, as a log replayed from a snapshot may.
    pub(crate) fn commit(&mut self) {
        let Some(command) = self.pending.take() else {
            return;
        };
        let before = self.state.clone();
        self.index += 1;
        let reply = self.state.apply(self.index, &command);
        let again = self.state.clone().apply(self.index + 1, &command);
        if matches!(reply, Reply::Applied { .. }) {
            assert!(matches!(again, Reply::Repeated { .. }), "{again:?}");
            self.decided(&before, &command);
        }
        if (before.epoch, before.phase) != (self.state.epoch, self.state.phase) {
            for leader in &mut self.leaders {
                leader.seen.phase_since = self.now;
            }
        }
    }

    fn decided(&mut self, before: &State, command: &Command) {
        self.trace.decisions.push(Decision {
            index: self.index,
            by: command.by.clone(),
            paused: before.paused.is_some(),
            change: command.change.clone(),
        });
        let at = self.now;
        match &command.change {
            // A directory lost between a report and the election breaks no rule: the promotion asks for the position again.
            Change::Elect {
                epoch,
                candidate,
                required,
                ..
            } if !self.lossy => self.trace.elections.push(Election {
                epoch: *epoch,
                node: candidate.clone(),
                required_before: before.required.clone(),
                position: required.clone(),
                holds: self.rows(candidate),
                acknowledged: self.acknowledged.clone(),
            }),
            Change::Open { epoch, .. } => {
                if let Some(node) = self.state.primary.clone() {
                    self.trace.openings.push(Opening {
                        epoch: *epoch,
                        at,
                        row_acknowledged: true,
                        holds: self.rows(&node),
                        node,
                    });
                }
            }
            _ => {}
        }
        if self.state.phase >= Phase::Elected {
            let members = self.state.ack_set.keys().cloned().collect();
            self.trace.ack_sets.insert(self.state.epoch, members);
        }
    }

    fn rows(&self, node: &NodeId) -> BTreeSet<Row> {
        self.nodes[node]
            .held()
            .filter(|txn| txn.client)
            .map(|txn| txn.uid)
            .collect()
    }

    /// A person asks for a switchover, as far as the dry run allows it.
    pub(crate) fn switchover(&mut self, target: Option<NodeId>) {
        let seen = &self.leaders[self.leading].seen;
        if self.pending.is_none() && switchover_precheck(&self.state, seen, self.now, target.as_ref()).is_ok() {
            self.propose(
                "ann",
                Change::Begin {
                    epoch: self.state.epoch.next(),
                    cause: Cause::Switchover {
                        target,
                        why: "maintenance".to_owned(),
                    },
                    evidence: Vec::new(),
                },
            );
        }
    }

    pub(crate) fn pause(&mut self) {
        let why = "test".to_owned();
        let change = if self.state.paused.is_some() {
            Change::Resumed { why }
        } else {
            Change::Paused { why }
        };
        if self.pending.is_none() {
            self.propose("ann", change);
        }
    }

    // === what nodes do ===

    pub(crate) fn node(&mut self, which: u8) -> &mut Node {
        let which = usize::from(which) % self.nodes.len();
        self.nodes.values_mut().nth(which).unwrap()
    }

    pub(crate) fn name(&self, which: u8) -> NodeId {
        self.nodes
            .keys()
            .nth(usize::from(which) % self.nodes.len())
            .unwrap()
            .clone()
    }

    /// Whether `replica` has a stream from its source, whose acknowledgements may or may not pass.
    fn fed(&self, replica: &NodeId) -> Option<NodeId> {
        let node = &self.nodes[replica];
        let Server::Replica { epoch, source } = &node.server else {
            return None;
        };
        let from = self.nodes.get(source)?;
        let same = from.primary().is_some_and(|primary| primary.epoch == *epoch);
        let len = node.len();
        let prefix = len == 0
            || (len <= from.binlog.len()
                && node.at(len - 1).map(|txn| txn.uid) == from.binlog.get(len - 1).map(|txn| txn.uid));
        (node.works() && from.feeds() && same && prefix && node.side == from.side).then(|| source.clone())
    }

    /// A replica receives what its primary has, and acknowledges it if its acknowledgements pass.
    pub(crate) fn stream(&mut self, replica: &NodeId, most: usize) {
        let Some(source) = self.fed(replica) else {
            return;
        };
        let len = self.nodes[replica].len();
        let news: Vec<_> = self.nodes[&source]
            .binlog
            .iter()
            .skip(len)
            .take(most)
            .copied()
            .collect();
        if let Some(node) = self.nodes.get_mut(replica) {
            node.relay.extend(news);
        }
        let upto = self.nodes[replica].len();
        let passes = self.nodes[&source]
            .primary()
            .is_some_and(|primary| primary.ackable.contains(replica));
        if passes {
            self.acknowledge(&source, upto);
        }
    }

    fn acknowledge(&mut self, source: &NodeId, upto: usize) {
        let Some(primary) = self.nodes[source].primary().cloned() else {
            return;
        };
        let told: Vec<Row> = self.nodes[source]
            .binlog
            .iter()
            .take(upto)
            .skip(primary.acked)
            .filter(|txn| txn.client && primary.unlocked)
            .map(|txn| txn.uid)
            .collect();
        for row in told {
            let held_by = self
                .nodes
                .values()
                .filter(|node| node.name != *source && node.held().any(|txn| txn.uid == row))
                .map(|node| node.name.clone())
                .collect();
            self.acknowledged.insert(row);
            self.trace.writes.push(Write {
                row,
                epoch: primary.epoch,
                node: source.clone(),
                at: self.now,
                held_by,
                unprotected: false,
            });
        }
        if let Some(primary) = self.nodes.get_mut(source).and_then(Node::primary_mut) {
            primary.acked = primary.acked.max(upto);
        }
    }

    /// A client writes to whoever lets it.
    pub(crate) fn write(&mut self, which: u8) {
        self.uid += 1;
        let uid = self.uid;
        let node = self.node(which);
        if node.writable() && node.door_open() {
            let server = node.server_id;
            node.binlog.push(super::node::Txn {
                server,
                uid,
                client: true,
            });
        }
    }

    pub(crate) fn apply(&mut self, which: u8) {
        let node = self.node(which);
        if matches!(node.server, Server::Replica { .. }) && !node.relay.is_empty() {
            let txn = node.relay.remove(0);
            node.binlog.push(txn);
        }
    }

    pub(crate) fn work(&mut self, which: u8, lose: u8) {
        let name = self.name(which);
        let mut uid = self.uid;
        let before = self.nodes[&name].progress_epoch();
        if let Some(node) = self.nodes.get_mut(&name) {
            node.work(&mut uid, usize::from(lose % 6));
        }
        self.uid = uid;
        let after = self.nodes[&name].progress_epoch();
        if let (false, Some(epoch)) = (before == after, after) {
            self.trace.revocations.push(Revocation {
                node: name,
                epoch,
                at: self.now,
            });
        }
    }

    // === messages ===

    /// A node puts a report on its way to both leaders.
    pub(crate) fn send_report(&mut self, which: u8) {
        let name = self.name(which);
        let fed = self.fed(&name).is_some();
        let node = self.node(which);
        if !node.works() || !node.reachable {
            return;
        }
        let report = node.report(fed);
        for leader in &mut self.leaders {
            leader.mail.entry(name.clone()).or_default().push_back(report.clone());
        }
    }

    /// Reports of a node arrive at a leader, in their order.
    pub(crate) fn receive(&mut self, which: u8, at_leader: usize, most: usize) {
        let name = self.name(which);
        let now = self.now;
        let leader = &mut self.leaders[at_leader % 2];
        for _ in 0..most {
            let Some(report) = leader.mail.get_mut(&name).and_then(VecDeque::pop_front) else {
                return;
            };
            leader.seen.hear(now, report);
        }
    }

    /// A router says that it has no connection left below the agreed epoch.
    pub(crate) fn router(&mut self) {
        let router = RouterId::new("r1");
        let report = RouterReport {
            router: router.clone(),
            confirmed: self.state.epoch,
            index: self.state.index,
            connections: 0,
            held: 0,
        };
        let at = self.now;
        for leader in &mut self.leaders {
            let value = report.clone();
            leader.seen.routers.insert(router.clone(), Seen { at, value });
        }
    }

    /// The next order on some way arrives, arrives twice, or is lost. Whether there was one.
    pub(crate) fn deliver(&mut self, which: u8, twice: bool, lost: bool) -> bool {
        self.orders.retain(|_, way| !way.is_empty());
        if self.orders.is_empty() {
            return false;
        }
        let place = usize::from(which) % self.orders.len();
        let Some(((_, name), way)) = self.orders.iter_mut().nth(place) else {
            return false;
        };
        let order = if twice { way.front().cloned() } else { way.pop_front() };
        if let (Some(node), Some(order)) = (self.nodes.get_mut(name), order)
            && !lost
            && node.reachable
        {
            node.take(&order);
        }
        true
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    // === truth ===

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
            panic!("{breach}\n{:#?}\n{:#?}", self.nodes, self.state);
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
