//! TCP to unix socket: what the agents' doors are in production.

use std::path::{Path, PathBuf};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Relays a port of its own to a socket until it is cut or dropped.
pub(crate) struct Relay {
    pub(crate) port: u16,
    _guard: DropGuard,
}

impl Relay {
    pub(crate) async fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = CancellationToken::new();
        TaskTracker::new().spawn(serve(listener, socket.to_owned(), cut.clone()));
        Self {
            port,
            _guard: cut.drop_guard(),
        }
    }
}

async fn serve(listener: TcpListener, socket: PathBuf, cut: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = cut.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((mut client, _)) = accepted else { continue };
        let socket = socket.clone();
        connections.spawn(async move {
            if let Ok(mut server) = UnixStream::connect(socket).await {
                // Without it, Nagle and delayed acknowledgements add 40 ms to every commit.
                client.set_nodelay(true).unwrap();
                let _either_side_may_end_it = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
