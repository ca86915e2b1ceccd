//! The server's life: one boot after the other, each with its tasks.

mod doctor;
mod life;
mod observe;
mod probes;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use quorate_mariadb::Connector;
use quorate_mariadb::act::Source;
use quorate_mariadb::config::ServerConfig;
use quorate_mariadb::doctor::Role;
use quorate_mariadb::process::Launch;
use quorate_mariadb::secrets::Secrets;
use quorate_model::NodeId;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::machine::{Event, Probe, Step};

/// What every boot needs.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) node: NodeId,
    pub(crate) launch: Launch,
    pub(crate) config: ServerConfig,
    pub(crate) connector: Connector,
    pub(crate) secrets: Secrets,
    /// The local end of the relay.
    pub(crate) source: Source,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tasks: TaskTracker,
    /// Looks at the server soon, because its stream fell silent.
    pub(crate) nudge: Arc<Notify>,
    pub(crate) mood: Mood,
}

/// What the tasks must know of the machine's state, set after each event.
#[derive(Debug, Default)]
pub(crate) struct Mood {
    observe_every_ms: AtomicU64,
    role: AtomicU8,
    lag_ms: AtomicU64,
}

/// No lag known.
const NO_LAG: u64 = u64::MAX;

impl Mood {
    pub(crate) fn new() -> Self {
        let mood = Self::default();
        mood.lag_ms.store(NO_LAG, Ordering::Relaxed);
        mood.set(Duration::from_millis(100), Role::Replica);
        mood
    }

    pub(crate) fn set(&self, observe_every: Duration, role: Role) {
        let millis = u64::try_from(observe_every.as_millis()).unwrap_or(u64::MAX);
        self.observe_every_ms.store(millis, Ordering::Relaxed);
        let number = match role {
            Role::Replica => 0,
            Role::Armed => 1,
            Role::Primary => 2,
        };
        self.role.store(number, Ordering::Relaxed);
    }

    fn observe_every(&self) -> Duration {
        Duration::from_millis(self.observe_every_ms.load(Ordering::Relaxed).max(10))
    }

    fn role(&self) -> Role {
        match self.role.load(Ordering::Relaxed) {
            2 => Role::Primary,
            1 => Role::Armed,
            _ => Role::Replica,
        }
    }

    fn lag(&self) -> Option<Duration> {
        let lag = self.lag_ms.load(Ordering::Relaxed);
        (lag != NO_LAG && self.role() == Role::Replica).then(|| Duration::from_millis(lag))
    }

    fn set_lag(&self, lag: Option<u64>) {
        self.lag_ms.store(lag.unwrap_or(NO_LAG), Ordering::Relaxed);
    }
}

/// A step to do.
#[derive(Debug)]
struct Job {
    id: u64,
    step: Step,
    cancel: CancellationToken,
}

/// One start of the server. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Boot {
    boot: u64,
    kill: CancellationToken,
    steps: mpsc::Sender<Job>,
    probes: mpsc::Sender<Probe>,
    current: Option<(u64, CancellationToken)>,
}

impl Boot {
    /// Starts the server; what comes of it is told in events.
    pub(crate) fn start(site: &Arc<Site>, boot: u64) -> Self {
        let kill = CancellationToken::new();
        let (steps, jobs) = mpsc::channel(4);
        let (probes, asked) = mpsc::channel(4);
        let life = life::Life {
            site: site.clone(),
            boot,
            kill: kill.clone(),
        };
        site.tasks.spawn(life.run(jobs, asked));
        Self {
            boot,
            kill,
            steps,
            probes,
            current: None,
        }
    }

    pub(crate) fn kill(&self, boot: u64) {
        if boot == self.boot {
            self.kill.cancel();
        }
    }

    /// Hands a step over. The machine has at most one under way, so there is always room.
    pub(crate) fn step(&mut self, id: u64, step: Step) -> bool {
        let cancel = CancellationToken::new();
        self.current = Some((id, cancel.clone()));
        self.steps.try_send(Job { id, step, cancel }).is_ok()
    }

    pub(crate) fn cancel_step(&self, id: u64) {
        if let Some((current, cancel)) = &self.current
            && *current == id
        {
            cancel.cancel();
        }
    }

    /// Hands a probe over; false if the earlier ones were not even taken yet.
    pub(crate) fn probe(&self, probe: Probe) -> bool {
        self.probes.try_send(probe).is_ok()
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}
