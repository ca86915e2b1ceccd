//! The world: every machine, its disk, what lies between them, and the queue of what happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use quorate_model::{ClusterId, ClusterSpec, NodeId, NodeSpec, Policy, RouterId, SupervisorId};

use super::agents::Node;
use super::clients::Client;
use super::clock::{Clock, Micros};
use super::config::Config;
use super::event::What;
use super::faults;
use super::network::{Dialler, Link, Network};
use super::oracle::Oracle;
use super::raft::Raft;
use super::rng::Rng;
use super::routers::RouterBox;
use super::sabotage::Sabotage;
use super::supervisors::SupervisorBox;
use super::trace::Trace;
use crate::invariants;

/// How many supervisors vote.
pub(crate) const VOTERS: usize = 3;

struct Scheduled {
    at: Micros,
    order: u64,
    what: What,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: Micros,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    pub(crate) rng: Rng,
    pub(crate) config: Config,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) spec: ClusterSpec,
    pub(crate) nodes: Vec<Node>,
    pub(crate) supervisors: Vec<SupervisorBox>,
    pub(crate) routers: Vec<RouterBox>,
    pub(crate) clients: Vec<Client>,
    pub(crate) raft: Raft,
    pub(crate) network: Network,
    pub(crate) links: Vec<Link>,
    /// Hosts whose process stands still.
    pub(crate) paused: Vec<bool>,
    /// Tells a pause from an earlier one.
    pub(crate) pauses: Vec<u64>,
    /// What came to a paused process.
    pub(crate) backlog: Vec<Vec<What>>,
    pub(crate) oracle: Oracle,
    pub(crate) truth: invariants::Trace,
    pub(crate) trace: Trace,
    pub(crate) serial: u64,
    pub(crate) healed: Option<Micros>,
    pub(crate) done: bool,
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let config = Config::draw(&mut rng);
        let spec = spec(config.nodes, &mut rng);
        let hosts = config.nodes + VOTERS + config.routers;
        let clock = |rng: &mut Rng| {
            let drift = i64::try_from(rng.below(20_001)).unwrap_or(0) - 10_000;
            Clock::new(rng.range(1_000_000, 900_000_000), drift)
        };
        let nodes = (0..config.nodes)
            .map(|at| Node::new(at, clock(&mut rng), &mut rng))
            .collect();
        let supervisors = (0..VOTERS)
            .map(|at| SupervisorBox::new(SupervisorId::new(format!("s{}", at + 1)), clock(&mut rng)))
            .collect();
        let routers: Vec<RouterBox> = (0..config.routers)
            .map(|at| RouterBox::new(RouterId::new(format!("r{}", at + 1)), clock(&mut rng)))
            .collect();
        let clients = (0..config.clients)
            .map(|at| Client::new(at % config.routers, at % 3 == 2))
            .collect();
        let network = Network::new(hosts, &mut rng);
        let mut links = Vec::new();
        for supervisor in 0..VOTERS {
            links.extend((0..config.nodes).map(|node| Link::new(Dialler::Agent(node), supervisor)));
            links.extend((0..config.routers).map(|router| Link::new(Dialler::Router(router), supervisor)));
        }
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            order: 0,
            rng,
            config,
            sabotage,
            spec,
            nodes,
            supervisors,
            routers,
            clients,
            raft: Raft::default(),
            network,
            links,
            paused: vec![false; hosts],
            pauses: vec![0; hosts],
            backlog: vec![Vec::new(); hosts],
            oracle: Oracle::default(),
            truth: invariants::Trace::default(),
            trace: Trace::new(trace),
            serial: 0,
            healed: None,
            done: false,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            let wait = self.rng.below(300_000);
            self.after(wait, What::AgentStart { node });
        }
        for supervisor in 0..VOTERS {
            let wait = self.rng.below(300_000);
            self.after(wait, What::SupervisorStart { supervisor });
        }
        for router in 0..self.routers.len() {
            let wait = self.rng.below(500_000);
            self.after(wait, What::RouterStart { router });
        }
        for client in 0..self.clients.len() {
            let wait = 500_000 + self.rng.below(300_000);
            self.after(wait, What::Client { client, turn: 0 });
        }
        self.after(350_000, What::RaftBeat);
        self.after(500_000, What::Check);
        faults::schedule(self);
    }

    pub(crate) fn supervisor_host(&self, supervisor: usize) -> usize {
        self.nodes.len() + supervisor
    }

    pub(crate) fn router_host(&self, router: usize) -> usize {
        self.nodes.len() + VOTERS + router
    }

    pub(crate) fn node_of(&self, id: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == *id)
    }

    /// A number that was never used before in this run.
    pub(crate) const fn unique(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn at(&mut self, at: Micros, what: What) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled {
            at: at.max(self.now),
            order: self.order,
            what,
        }));
    }

    pub(crate) fn after(&mut self, wait: Micros, what: What) {
        self.at(self.now + wait, what);
    }

    /// Runs to the end, or to the first breach.
    pub(crate) fn run(&mut self) {
        while let Some(Reverse(next)) = self.queue.pop() {
            self.now = next.at;
            self.trace.mix(self.now, &next.what);
            self.happen(next.what);
            if self.done || self.oracle.breach.is_some() {
                return;
            }
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::AgentStart { node } => self.start_agent(node),
            What::Agent { node, life, event } => self.agent_hears(node, life, *event),
            What::AgentWake { node, life } => self.wake_agent(node, life),
            What::AgentObserve { node, life } => self.observe(node, life),
            What::AgentPersisted { node, life, durable } => self.persisted(node, life, durable),
            What::Step {
                node,
                life,
                boot,
                id,
                step,
            } => self.step(node, life, boot, id, step),
            What::Probe { node, life, probe } => self.probe(node, life, probe),
            What::ServerUp { node, boot } => self.server_up(node, boot),
            What::ServerDies { node, boot, exit } => self.server_dies(node, boot, exit),
            What::FreezeEnds { node, boot, step } => self.freeze_ends(node, boot, step),
            What::Apply { node, boot } => self.apply(node, boot),
            What::Attach { node, boot } => self.connect_stream(node, boot),
            What::Stream { node, stream } => self.move_stream(node, stream),
            What::StreamBroken { node, stream } => self.stream_broken(node, stream),
            What::TunnelClosed {
                primary,
                replica,
                stream,
            } => self.tunnel_closed(primary, replica, stream),
            What::Ack {
                primary,
                boot,
                replica,
                stream,
                seq,
            } => self.ack(primary, boot, replica, stream, seq),
            What::Failsafe { from, to, tries, event } => self.failsafe(from, to, tries, *event),
            What::Fault(fault) => self.fault(&fault),
            What::Heal => self.heal(),
            What::Unpause { host, nonce } => self.unpause(host, nonce),
            What::ThawServer { node, nonce } => self.thaw_server(node, nonce),
            What::Check => self.check(),
            other => self.happen_elsewhere(other),
        }
    }

    fn happen_elsewhere(&mut self, what: What) {
        match what {
            What::SupervisorStart { supervisor } => self.start_supervisor(supervisor),
            What::Supervisor {
                supervisor,
                life,
                event,
            } => self.supervisor_hears(supervisor, life, *event),
            What::SupervisorTick { supervisor, life } => self.tick_supervisor(supervisor, life),
            What::View { from, to, view } => self.deliver_view(from, to, *view),
            What::RouterStart { router } => self.start_router(router),
            What::Router { router, life, event } => self.router_hears(router, life, *event),
            What::RouterTick { router, life } => self.tick_router(router, life),
            What::RouterPersisted { router, life, table } => self.router_persisted(router, life, *table),
            What::Dial { link } => self.dial(link),
            What::Pump { link, life, up } => self.pump(link, life, up),
            What::RaftBeat => self.raft_beat(),
            What::RaftAcked { term, sent } => self.raft_acked(term, sent),
            What::RaftCommit { term } => self.raft_commit(term),
            What::RaftApply { supervisor, life, upto } => self.raft_apply(supervisor, life, upto),
            What::RaftLead { supervisor, life, term } => self.raft_lead(supervisor, life, term),
            What::RaftStepDown { supervisor, life, term } => self.raft_step_down(supervisor, life, term),
            What::Client { client, turn } => self.client(client, turn),
            What::ClientConnect {
                client,
                turn,
                node,
                epoch,
            } => self.client_connects(client, turn, node, epoch),
            What::ClientArrives {
                client,
                session,
                write,
                tries,
            } => self.client_arrives(client, session, write, tries),
            What::ClientAnswered {
                client,
                session,
                write,
                answer,
                tries,
            } => {
                self.client_answered(client, session, write, answer, tries);
            }
            What::ClientTimeout { client, turn } => self.client_timeout(client, turn),
            _ => {}
        }
    }
}

fn spec(nodes: usize, rng: &mut Rng) -> ClusterSpec {
    let equal = rng.chance(700);
    ClusterSpec {
        cluster: ClusterId::new("sim"),
        name: "sim".to_owned(),
        nodes: (0..nodes)
            .map(|at| {
                let priority = if equal {
                    100
                } else {
                    50 + 50 * u32::try_from(at).unwrap_or(0)
                };
                let door = format!("m{}:1", at + 1);
                (NodeId::new(format!("m{}", at + 1)), NodeSpec { door, priority })
            })
            .collect(),
        policy: Policy::default(),
    }
}
