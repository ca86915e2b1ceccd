//! The task that owns the machine: events in, effects out.

mod lead;
mod perform;
mod propose;
mod wake;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::link::ToSupervisor;
use quorate_api::tls::{PeerName, Role};
use quorate_model::{Moment, NodeId, OperationId, RouteTable, VoterView};
use quorate_raft::Node;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::error::Error;
use crate::link::{LinkEvent, Live};
use crate::machine::{Asked, Denied, Done, Event, Machine, ProposalOutcome, Request, RequestId};
use crate::metric;

pub(crate) use wake::Wake;

/// Inputs that may wait; senders wait when it is full.
pub(crate) const INPUTS_MAX: usize = 1024;
/// How often time passes for the machine.
const TICK: Duration = Duration::from_millis(50);

/// Gauges are set this often, in ticks.
const OBSERVE_TICKS: u64 = 20;

/// What the core is told.
pub(crate) enum Input {
    /// A link did something.
    Link(LinkEvent),
    /// This supervisor leads, and its state holds everything committed before.
    Leading {
        /// The term.
        term: u64,
    },
    /// A proposal ended.
    Proposed {
        /// The command's key.
        key: OperationId,
        /// How.
        outcome: ProposalOutcome,
    },
    /// An operator asks for something.
    Ask {
        /// Who.
        by: String,
        /// What.
        request: Request,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Done, Denied>>,
    },
    /// Somebody wants to look at the machine.
    Look(Look),
}

/// A look at the machine.
pub(crate) type Look = Box<dyn FnOnce(&Machine, Moment) + Send>;

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link(_) => "Link",
            Self::Leading { .. } => "Leading",
            Self::Proposed { .. } => "Proposed",
            Self::Ask { .. } => "Ask",
            Self::Look(_) => "Look",
        })
    }
}

/// The owner of the machine.
#[derive(Debug)]
pub(crate) struct Core {
    /// The decisions.
    pub(crate) machine: Machine,
    /// The agreement.
    pub(crate) node: Node,
    /// What is told.
    pub(crate) inputs: mpsc::Receiver<Input>,
    /// For tasks that report back.
    pub(crate) back: mpsc::Sender<Input>,
    /// What routers follow.
    pub(crate) routes: watch::Sender<Option<RouteTable>>,
    /// What the other supervisors are told.
    pub(crate) views: watch::Sender<Option<VoterView>>,
    /// For tasks of its own.
    pub(crate) tasks: TaskTracker,
    /// For errors about the state in it.
    pub(crate) data_dir: PathBuf,
    /// The live connections, by the peer's full name.
    pub(crate) live: BTreeMap<String, Live>,
    /// Operators who wait.
    pub(crate) answers: BTreeMap<RequestId, oneshot::Sender<Result<Done, Denied>>>,
    /// Whether the machine slept.
    pub(crate) wake: Wake,
    /// Requests so far.
    pub(crate) requests: RequestId,
    /// Ticks so far.
    pub(crate) ticks: u64,
}

impl Core {
    /// Runs until `stop`, or until it cannot go on.
    ///
    /// # Errors
    /// If Raft has stopped, or the state is another deployment's.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut applied = self.node.watch_state();
        let mut leadership = self.node.leadership();
        applied.mark_changed();
        leadership.mark_changed();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = leadership.changed() => {
                    changed.map_err(|_| Error::RaftStopped)?;
                    let now = *leadership.borrow_and_update();
                    self.leadership(now)?;
                }
                changed = applied.changed() => {
                    changed.map_err(|_| Error::RaftStopped)?;
                    let state = applied.borrow_and_update().state.clone();
                    self.applied(state)?;
                }
                input = self.inputs.recv() => match input {
                    Some(input) => self.input(input),
                    None => return Ok(()),
                },
                _ = tick.tick() => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        self.quorum();
        self.feed(Event::Tick { unix: Clock.unix() });
        self.ticks += 1;
        if self.ticks.is_multiple_of(OBSERVE_TICKS) {
            metric::observe(&self.machine, Clock.now());
        }
    }

    /// Gives the machine an event and carries out what it says.
    fn feed(&mut self, event: Event) {
        let effects = self.machine.handle(Clock.now(), event);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Link(event) => self.link(event),
            Input::Leading { term } => self.leading(term),
            Input::Proposed { key, outcome } => self.feed(Event::ProposalDone { key, outcome }),
            Input::Ask { by, request, answer } => {
                self.requests += 1;
                let id = self.requests;
                self.answers.insert(id, answer);
                self.feed(Event::Request(Asked { id, by, request }));
            }
            Input::Look(look) => look(&self.machine, Clock.now()),
        }
    }

    fn link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { peer, live } => {
                info!(%peer, "link up");
                self.live.insert(peer.to_string(), live);
                metric::links(self.live.len());
                if let Some(node) = agent(&peer) {
                    self.feed(Event::AgentConnected { node });
                }
            }
            LinkEvent::Down { peer, id, reset } => {
                let name = peer.to_string();
                // The end of a connection that was replaced already is no news.
                if self.live.get(&name).is_none_or(|live| live.id != id) {
                    return;
                }
                info!(%peer, reset, "link down");
                self.live.remove(&name);
                metric::links(self.live.len());
                if let Some(node) = agent(&peer) {
                    self.feed(Event::AgentDisconnected { node, reset });
                }
            }
            LinkEvent::Frame(ToSupervisor::Agent(report)) => self.feed(Event::Report(report)),
            LinkEvent::Frame(ToSupervisor::Router(report)) => self.feed(Event::RouterReport(report)),
            LinkEvent::Frame(ToSupervisor::Voter(view)) => self.feed(Event::VoterView(view)),
        }
    }
}

fn agent(peer: &PeerName) -> Option<NodeId> {
    (peer.role == Role::Agent).then(|| NodeId::new(&peer.name))
}
