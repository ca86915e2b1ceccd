//! Signals, and the duties of the first process of a container.

use std::io;
use std::sync::Arc;

use quorate_api::tls::Tls;
use rustix::process::{WaitId, WaitIdOptions, getpid, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::machine::Event;
use crate::memory::chain;

/// What the agent listens for.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    child: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            child: signal(SignalKind::child())?,
        })
    }

    /// A request to stop before there is anything to stop.
    pub(crate) async fn asked(&mut self, shutdown: &CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Turns signals into events until `stop`. A first request to stop may come as a signal, as `shutdown`, or as both.
    pub(crate) async fn run(
        mut self,
        tls: Arc<Tls>,
        events: mpsc::Sender<Event>,
        shutdown: CancellationToken,
        stop: CancellationToken,
    ) {
        let mut asked = false;
        // The signal that made the caller cancel `shutdown` comes here too, and is the same request.
        let mut same = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = shutdown.cancelled(), if !asked => same = true,
                _ = self.terminate.recv() => if std::mem::take(&mut same) { continue },
                _ = self.interrupt.recv() => if std::mem::take(&mut same) { continue },
                _ = self.hang_up.recv() => {
                    reload(&tls);
                    continue;
                }
                _ = self.child.recv() => {
                    if getpid().is_init() {
                        reap_orphans();
                    }
                    continue;
                }
            }
            asked = true;
            tracing::info!("asked to stop");
            if events.send(Event::Terminate).await.is_err() {
                return;
            }
        }
    }
}

fn reload(tls: &Tls) {
    match tls.reload() {
        Ok(changed) => tracing::info!(changed, "certificates read again"),
        Err(error) => tracing::error!(error = %chain(&error), "certificates not read again; the old ones stay in use"),
    }
}

/// Collects processes whose parents are gone. Our own child, the server, is waited for by its own thread, which also copes
/// with its status having been collected here.
fn reap_orphans() {
    while let Ok(Some(_)) = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {}
}
