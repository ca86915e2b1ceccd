//! Three servers as the agents configure them, without any agent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use quorate_mariadb::binaries::Binaries;
use quorate_mariadb::config::{ServerConfig, Tuning};
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{InstallSpec, clone_initialised, prepare};
use quorate_mariadb::process::{Launch, Server};
use quorate_mariadb::secrets::{Password, Secrets};
use quorate_mariadb::{Connector, Layout, Session};
use quorate_model::Incarnation;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::LIMIT;

/// Password of the application in these throw-away servers, which listen on a unix socket in a private folder only.
pub(super) const APP_PASSWORD: &str = "floor-application";

/// One server; dropping it kills the process and removes its files.
pub(super) struct HandNode {
    name: String,
    launch: Launch,
    connector: Connector,
    secrets: Secrets,
    server: Option<Server>,
    session: Option<Session>,
    _home: TempDir,
}

/// Three initialised servers, started behind the boot gate.
pub(super) async fn trio() -> Result<Vec<HandNode>> {
    let binaries = Binaries::discover()?;
    let secrets = secrets()?;
    let template = TempDir::new()?;
    let spec = |datadir: PathBuf, name: &str, server_id| InstallSpec {
        datadir,
        identity: Identity {
            cluster: "by-hand".into(),
            node: name.into(),
            incarnation: Incarnation::new(name),
            server_id,
        },
        secrets: secrets.clone(),
        run_as: None,
    };
    let source = template.path().join("data");
    prepare(&binaries, &spec(source.clone(), "template", 1), LIMIT).await?;
    let mut nodes = Vec::new();
    for server_id in 1..=3_u32 {
        let name = format!("m{server_id}");
        let home = TempDir::new()?;
        let layout = Layout::below(home.path());
        clone_initialised(&source, &spec(layout.datadir(), &name, server_id))?;
        let config = ServerConfig {
            layout: layout.clone(),
            server_id,
            report_host: name.clone(),
            tuning: Tuning::lab(),
            include: None,
        };
        config.write()?;
        let mut node = HandNode {
            connector: Connector::new(&layout, &secrets.agent),
            launch: Launch {
                binaries: binaries.clone(),
                layout,
                run_as: None,
            },
            name,
            secrets: secrets.clone(),
            server: None,
            session: None,
            _home: home,
        };
        node.start(LIMIT).await?;
        nodes.push(node);
    }
    Ok(nodes)
}

fn secrets() -> Result<Secrets> {
    let password = |text: &str| Password::new(text, "the bench");
    Ok(Secrets::with_passwords(
        password("floor-agent")?,
        password("floor-replication")?,
        password("floor-administrator")?,
        password(APP_PASSWORD)?,
    ))
}

impl HandNode {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn socket(&self) -> &Path {
        self.launch.layout.socket()
    }

    pub(super) const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(super) fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().with_context(|| format!("{} is down", self.name))
    }

    pub(super) async fn start(&mut self, limit: Duration) -> Result<()> {
        let server = Server::start(&self.launch)?;
        self.session = Some(server.ready(&self.connector, limit).await?);
        self.server = Some(server);
        Ok(())
    }

    /// SIGKILL, not waited for.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.session = None;
        self.server.as_ref().context("not running")?.kill()?;
        Ok(())
    }

    pub(super) async fn reap(&mut self, limit: Duration) -> Result<()> {
        if let Some(server) = self.server.take() {
            server.kill_and_wait(limit).await?;
        }
        Ok(())
    }
}

/// TCP to a server's socket, until it is dropped.
pub(super) struct Relay {
    port: u16,
    _cut: DropGuard,
}

impl Relay {
    pub(super) async fn to(socket: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let cut = CancellationToken::new();
        TaskTracker::new().spawn(serve(listener, socket.to_owned(), cut.clone()));
        Ok(Self {
            port,
            _cut: cut.drop_guard(),
        })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

async fn serve(listener: TcpListener, socket: PathBuf, cut: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = cut.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((mut replica, _)) = accepted else { continue };
        let socket = socket.clone();
        connections.spawn(async move {
            if let Ok(mut server) = UnixStream::connect(socket).await {
                // Either side may end it; there is nobody to tell.
                let _ = copy_bidirectional(&mut replica, &mut server).await;
            }
        });
    }
}
