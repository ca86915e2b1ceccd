//! The threads that carry clients' bytes, apart from the one that decides.
//!
//! Each is a runtime of its own: a session is served by one thread from its first byte to its last, so that no query
//! wakes a second thread: a quarter less CPU per query than a shared pool of workers takes. Sessions are dealt out
//! when they are accepted; a listener per thread on one port would leave threads idle and hide a second router that
//! took the port by mistake.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// All data threads. Dropping the plane ends them.
#[derive(Debug)]
pub(crate) struct Plane {
    threads: Vec<Thread>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Thread {
    handle: Handle,
    sessions: Arc<AtomicUsize>,
    joined: JoinHandle<()>,
}

/// A session's place on one thread; given back when dropped.
#[derive(Debug)]
pub(crate) struct Berth {
    handle: Handle,
    sessions: Arc<AtomicUsize>,
}

impl Plane {
    /// Starts `threads` threads, at least one.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let threads = (0..threads.max(1))
            .map(|nth| Thread::start(nth, stop.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self { threads, stop })
    }

    /// A place on the thread with the fewest sessions; none if there is no thread.
    pub(crate) fn berth(&self) -> Option<Berth> {
        let thread = self
            .threads
            .iter()
            .min_by_key(|thread| thread.sessions.load(Ordering::Relaxed))?;
        thread.sessions.fetch_add(1, Ordering::Relaxed);
        Some(Berth {
            handle: thread.handle.clone(),
            sessions: thread.sessions.clone(),
        })
    }

    /// Ends the threads, and whatever tasks they still have.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let threads = std::mem::take(&mut self.threads);
        let joining = tokio::task::spawn_blocking(|| {
            for thread in threads {
                // A panic there was reported there.
                let _ = thread.joined.join();
            }
        });
        let _ = joining.await;
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Thread {
    fn start(nth: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let joined = std::thread::Builder::new()
            .name(format!("data-{nth}"))
            .spawn(move || runtime.block_on(stop.cancelled()))?;
        Ok(Self {
            handle,
            sessions: Arc::default(),
            joined,
        })
    }
}

impl Berth {
    /// The runtime to serve the session on.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_go_where_the_fewest_are() {
        let plane = Plane::start(2).unwrap();
        let first = plane.berth().unwrap();
        let second = plane.berth().unwrap();
        assert_ne!(first.handle().id(), second.handle().id());
        let freed = second.handle().id();
        drop(second);
        assert_eq!(plane.berth().unwrap().handle().id(), freed);
        plane.end().await;
    }
}
