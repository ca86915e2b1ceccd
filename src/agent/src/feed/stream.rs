//! What is known of the stream from the primary: whether it stands and when its last byte came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use quorate_api::clock::Clock;
use quorate_model::Moment;
use tokio::sync::{Notify, mpsc};

use crate::machine::Event;

/// Shared by the tunnels and the agent's owner task.
#[derive(Debug)]
pub(crate) struct Stream {
    open: AtomicUsize,
    last_byte: AtomicU64,
    events: mpsc::Sender<Event>,
    /// Rung when bytes came and then none: the moment to look at what was received.
    pub(super) quiet: Arc<Notify>,
}

impl Stream {
    pub(crate) fn new(events: mpsc::Sender<Event>, quiet: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            last_byte: AtomicU64::new(0),
            events,
            quiet,
        })
    }

    /// When the last byte came; none if no stream stands.
    pub(crate) fn last_byte(&self) -> Option<Moment> {
        (self.open.load(Ordering::Acquire) > 0).then(|| Moment::from_micros(self.last_byte.load(Ordering::Acquire)))
    }

    pub(super) fn touch(&self) {
        self.last_byte.store(Clock.now().as_micros(), Ordering::Release);
    }

    pub(super) async fn opened(self: &Arc<Self>) -> Standing {
        self.touch();
        self.open.fetch_add(1, Ordering::AcqRel);
        let _agent_is_stopping = self.events.send(Event::Stream(self.last_byte())).await;
        Standing(self.clone())
    }
}

/// A stream that stands; dropping it is its end.
#[derive(Debug)]
pub(super) struct Standing(Arc<Stream>);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        // If the queue is full, the next report says it.
        let _full = self.0.events.try_send(Event::Stream(self.0.last_byte()));
    }
}
