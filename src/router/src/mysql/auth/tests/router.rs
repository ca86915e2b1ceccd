//! The least router: greet, pass the door, log in, copy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_model::Epoch;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LET_IN;
use super::door::Door;
use super::server::Server;
use crate::config::ProxyProtocol;
use crate::core::route::{Access, Routes};
use crate::mysql::auth::accounts::{Source, accounts};
use crate::mysql::auth::flags;
use crate::mysql::auth::front::Front;
use crate::mysql::auth::greet::{GreetError, Greeted, Peer, greet};
use crate::mysql::auth::login::{LoginError, login};
use crate::mysql::auth::packet::Packets;
use crate::mysql::auth::pattern::Origin;
use crate::mysql::auth::proxy_protocol::announcement;
use crate::mysql::auth::service::ServiceLogin;

/// Everything that a server of 10.11 offers but TLS and compression, so that bytes can be copied.
pub(super) const OFFERED: u64 = 0x1d_81bf_f7fe & !(flags::SSL | COMPRESS);

/// zlib compression.
const COMPRESS: u64 = 1 << 5;

/// Where a client of the tests claims to be when servers are told.
pub(super) const AFAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

pub(super) struct Router {
    pub(super) address: SocketAddr,
    pub(super) front: Arc<Front>,
    routes: Routes,
    stop: CancellationToken,
}

impl Router {
    pub(super) async fn start(server: &Server, door: &Door, adapt: impl FnOnce(&mut Front)) -> Self {
        Self::with_proxy(server, door, ProxyProtocol::None, adapt).await
    }

    pub(super) async fn with_proxy(
        server: &Server,
        door: &Door,
        proxy: ProxyProtocol,
        adapt: impl FnOnce(&mut Front),
    ) -> Self {
        let routes = Routes::new(Clock.now());
        routes.replace(door.table(), Clock.now());
        let (accounts, keeper) = accounts();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let source = Source {
            visitor: Arc::new(door.visitor()),
            routes: routes.subscribe(),
            account: ServiceLogin {
                user: "quorate_router".to_owned(),
                password_file: server.password_file(),
            },
            every: Duration::from_secs(3600),
        };
        tasks.spawn(keeper.run(source, stop.clone()));
        let mut front = Front {
            accounts,
            credentials: None,
            tls: None,
            offered: OFFERED,
            collation: 45,
            config: door.visitor().config,
        };
        adapt(&mut front);
        let front = Arc::new(front);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let visitor = Arc::new(door.visitor());
        let (inner, ended, shared, door) = (tasks.clone(), stop.clone(), front.clone(), door.endpoint());
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (front, visitor, door) = (shared.clone(), visitor.clone(), door.clone());
                inner.spawn(ended.clone().run_until_cancelled_owned(async move {
                    let Ok(mut greeted) = receive(client, &front, proxy).await else {
                        return;
                    };
                    let mut server = visitor.knock(&door, Epoch(1), Access::Write).await.unwrap();
                    let there = SocketAddr::from(([127, 0, 0, 1], 3306));
                    let header = announcement(proxy, (AFAR, 4567).into(), there);
                    server.write_all(&header).await.unwrap();
                    server.flush().await.unwrap();
                    let verdict = login(&mut server, &greeted.login, greeted.login.capabilities).await;
                    let answer = match &verdict {
                        Ok(_) => LET_IN.to_vec(),
                        Err(LoginError::Refused(error)) => error.packet(),
                        Err(error) => panic!("{error}"),
                    };
                    let mut packets = Packets::new(&mut greeted.stream, greeted.sequence);
                    packets.write(&answer).await.unwrap();
                    if verdict.is_ok() {
                        let _ = copy_bidirectional(&mut greeted.stream, &mut server).await;
                    }
                    let _ = greeted.stream.shutdown().await;
                }));
            }
        }));
        Self {
            address,
            front,
            routes,
            stop,
        }
    }

    /// Arguments for the `mariadb` client.
    pub(super) fn arguments(&self) -> [String; 3] {
        let port = format!("-P{}", self.address.port());
        ["--protocol=tcp".to_owned(), "-h127.0.0.1".to_owned(), port]
    }

    /// What the client says when it comes through the router.
    pub(super) async fn through(&self, arguments: &[&str]) -> std::process::Output {
        let own = self.arguments();
        let all: Vec<&str> = own
            .iter()
            .map(String::as_str)
            .chain(arguments.iter().copied())
            .collect();
        super::server::client(&all).await
    }

    /// From now on no server can be asked.
    pub(super) fn forget_servers(&self) {
        let mut table = self
            .routes
            .subscribe()
            .borrow()
            .writable()
            .map(|_| quorate_model::RouteTable {
                cluster: "lab".into(),
                epoch: Epoch(2),
                index: 2,
                revision: 2,
                writable: None,
                elected: None,
                readable: Vec::new(),
            });
        if let Some(table) = table.take() {
            self.routes.replace(table, Clock.now());
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn receive(client: TcpStream, front: &Front, proxy: ProxyProtocol) -> Result<Greeted<TcpStream>, GreetError> {
    let origin = match proxy {
        ProxyProtocol::None => Origin::socket(),
        ProxyProtocol::V1 | ProxyProtocol::V2 => Origin::address(AFAR),
    };
    greet(
        client,
        front,
        &Peer {
            origin,
            connection: 4711,
        },
        &CancellationToken::new(),
    )
    .await
}
