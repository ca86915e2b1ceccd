//! Where the local server's receiving thread is served.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::link::Purpose;
use quorate_mariadb::RelayLogs;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Caller;
use super::dial::{DialError, dial};
use super::stream::Stream;
use crate::door::Buffer;
use crate::machine::Target;

/// Between two attempts while the primary's door is not open yet.
const RETRY_AFTER: Duration = Duration::from_millis(5);
/// After an attempt that failed for another reason.
const RETRY_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How long the receiving thread is held; refused, it would try again only after a second. Below its own timeout of 2 s.
const HELD_MAX: Duration = Duration::from_millis(1700);
/// A stream without a byte for this long after some came is quiet.
const QUIET_AFTER: Duration = Duration::from_millis(8);
/// After a failure to accept.
const PAUSE: Duration = Duration::from_millis(50);

/// The relay.
pub(crate) struct Relay {
    pub(crate) caller: Caller,
    pub(crate) target: watch::Receiver<Option<Target>>,
    pub(crate) stream: Arc<Stream>,
    pub(crate) relay_logs: Arc<RelayLogs>,
    pub(crate) tasks: TaskTracker,
}

impl Relay {
    pub(crate) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let shared = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((local, _)) = accepted else {
                sleep(PAUSE).await;
                continue;
            };
            let (relay, stop) = (shared.clone(), stop.clone());
            shared.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = relay.serve(local) => {}
                }
            });
        }
    }

    async fn serve(&self, local: TcpStream) {
        let mut changes = self.target.clone();
        let Some(target) = changes.borrow_and_update().clone() else {
            // A reset, not an end: the receiving thread gives up at once.
            let _best_effort = local.set_zero_linger();
            return;
        };
        let _best_effort = local.set_nodelay(true);
        let tunnel = async {
            if let Err(error) = self.tunnel(local, &target).await {
                tracing::info!(primary = %target.node, epoch = %target.epoch, %error, "replication stream ended");
            }
        };
        tokio::select! {
            biased;
            _changed = changes.changed() => {}
            () = tunnel => {}
        }
    }

    async fn tunnel(&self, local: TcpStream, target: &Target) -> io::Result<()> {
        let remote = self.reach(target).await.map_err(io::Error::other)?;
        let standing = self.stream.opened().await;
        tracing::info!(primary = %target.node, epoch = %target.epoch, "replication stream stands");
        let (mut from_primary, mut to_primary) = tokio::io::split(remote);
        let (mut from_server, mut to_server) = local.into_split();
        let up = async {
            let mut buffer = Buffer::new();
            loop {
                let piece = buffer.read(&mut from_server).await?;
                if piece.is_empty() {
                    return io::Result::Ok(());
                }
                // What goes up may be acknowledgements, for all that the server wrote before them. Those that come meanwhile
                // share the next flush.
                self.relay_logs.make_durable().await?;
                to_primary.write_all(piece).await?;
                to_primary.flush().await?;
            }
        };
        let down = async {
            let mut buffer = Buffer::new();
            let mut fresh = false;
            loop {
                let read = buffer.read(&mut from_primary);
                let piece = if fresh {
                    let Ok(piece) = timeout(QUIET_AFTER, read).await else {
                        self.stream.quiet.notify_one();
                        fresh = false;
                        continue;
                    };
                    piece?
                } else {
                    read.await?
                };
                if piece.is_empty() {
                    return io::Result::Ok(());
                }
                self.stream.touch();
                fresh = true;
                to_server.write_all(piece).await?;
                // A server that takes in a big transaction slowly holds up the reading here; it receives all the same.
                self.stream.touch();
            }
        };
        let ended = tokio::select! {
            ended = up => ended,
            ended = down => ended,
        };
        drop(standing);
        ended
    }

    /// Dials until the primary's door opens, or for as long as the receiving thread can be held.
    async fn reach(&self, target: &Target) -> Result<TlsStream<TcpStream>, DialError> {
        let until = Instant::now() + HELD_MAX;
        loop {
            let purpose = Purpose::Replicate {
                node: self.caller.node.clone(),
            };
            match dial(&self.caller, target, purpose).await {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() >= until => return Err(error),
                Err(error) => {
                    let pause = if error.is_early() {
                        RETRY_AFTER
                    } else {
                        RETRY_AFTER_FAILURE
                    };
                    sleep(pause).await;
                }
            }
        }
    }
}
