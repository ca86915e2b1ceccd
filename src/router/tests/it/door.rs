//! An agent's door, as far as routers see it.

use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use quorate_api::link::{self, DoorHello, DoorWelcome, Purpose, RefusalCode};
use quorate_api::tls::{Role, peer_name};
use quorate_model::{Endpoint, Epoch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::world::{CLUSTER, World, endpoint, soon};

/// Whom the door lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admits {
    Nobody,
    Readers(u64),
    Everyone(u64),
}

/// What is behind it.
#[derive(Debug, Clone)]
enum Behind {
    /// Greets with the node's name, then echoes.
    Echo,
    /// A server's socket.
    Server(PathBuf),
}

/// A door of one node. Closes when dropped.
pub(crate) struct Door {
    pub(crate) node: String,
    pub(crate) address: SocketAddr,
    admits: Arc<watch::Sender<Admits>>,
    knocks: watch::Receiver<u64>,
    sockets: Arc<Mutex<Vec<StdStream>>>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Porter {
    node: String,
    behind: Behind,
    admits: Arc<watch::Sender<Admits>>,
    knocks: watch::Sender<u64>,
}

impl Door {
    pub(crate) async fn echo(world: &World, node: &str, admits: Admits) -> Self {
        Self::start(world, node, admits, Behind::Echo).await
    }

    pub(crate) async fn server(world: &World, node: &str, admits: Admits, socket: PathBuf) -> Self {
        Self::start(world, node, admits, Behind::Server(socket)).await
    }

    async fn start(world: &World, node: &str, admits: Admits, behind: Behind) -> Self {
        let acceptor = TlsAcceptor::from(world.tls(Role::Agent, node).server_mutual());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (knocks, heard) = watch::channel(0);
        let admits = Arc::new(watch::Sender::new(admits));
        let sockets: Arc<Mutex<Vec<StdStream>>> = Arc::default();
        let stop = CancellationToken::new();
        let porter = Porter {
            node: node.to_owned(),
            behind,
            admits: admits.clone(),
            knocks,
        };
        let (tasks, ended, kept) = (TaskTracker::new(), stop.clone(), sockets.clone());
        let inner = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let stream = stream.into_std().unwrap();
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                let stream = TcpStream::from_std(stream).unwrap();
                let (porter, acceptor) = (porter.clone(), acceptor.clone());
                let handle = kept.lock().unwrap().last().unwrap().try_clone().unwrap();
                inner.spawn(ended.clone().run_until_cancelled_owned(async move {
                    porter.serve(acceptor, stream).await;
                    // The copy in `sockets` keeps it open otherwise.
                    let _ = handle.shutdown(Shutdown::Both);
                }));
            }
        }));
        Self {
            node: node.to_owned(),
            address,
            admits,
            knocks: heard,
            sockets,
            stop,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        endpoint(&self.node, self.address)
    }

    pub(crate) fn admit(&self, admits: Admits) {
        self.admits.send_replace(admits);
    }

    /// Waits until so many have knocked.
    pub(crate) async fn knocked(&self, times: u64) {
        let mut knocks = self.knocks.clone();
        soon("a knock", knocks.wait_for(|knocks| *knocks >= times))
            .await
            .unwrap();
    }

    pub(crate) fn knocks(&self) -> u64 {
        *self.knocks.borrow()
    }

    /// Whether the far side has closed every connection that ever came in, by what the kernel knows at this moment.
    pub(crate) fn all_closed(&self) -> bool {
        let sockets = self.sockets.lock().unwrap();
        sockets.iter().all(|socket| match socket.peek(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
        for socket in self.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Porter {
    async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            return;
        };
        let name = peer_name(stream.get_ref().1.peer_certificates().unwrap_or_default()).unwrap();
        assert_eq!(name.role, Role::Router);
        let Ok(hello) = link::receive::<DoorHello>(&mut stream).await else {
            return;
        };
        assert_eq!(hello.cluster, CLUSTER.into());
        self.knocks.send_modify(|knocks| *knocks += 1);
        let Purpose::Client { router, write, .. } = hello.purpose else {
            panic!("{:?}", hello.purpose)
        };
        assert_eq!(router.as_str(), name.name);
        let admits = *self.admits.borrow();
        let welcome = match admits {
            Admits::Everyone(epoch) if hello.epoch == Epoch(epoch) => DoorWelcome::Admitted { epoch: hello.epoch },
            Admits::Readers(epoch) if hello.epoch == Epoch(epoch) && !write => {
                DoorWelcome::Admitted { epoch: hello.epoch }
            }
            Admits::Nobody | Admits::Readers(_) | Admits::Everyone(_) => DoorWelcome::Refused {
                code: RefusalCode::NotOpen,
                epoch: Epoch::ZERO,
                why: format!("{admits:?}"),
            },
        };
        if link::send(&mut stream, &welcome).await.is_err() || matches!(welcome, DoorWelcome::Refused { .. }) {
            return;
        }
        match self.behind {
            Behind::Echo => {
                let _ = stream.write_all(self.node.as_bytes()).await;
                let _ = stream.flush().await;
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                    if stream.write_all(&bytes[..read]).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            }
            Behind::Server(socket) => {
                let Ok(mut server) = UnixStream::connect(socket).await else {
                    return;
                };
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            }
        }
    }
}
