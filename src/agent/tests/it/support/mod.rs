//! What the tests share: agents, a supervisor that does what the test says, clients.

mod cluster;
mod ports;
mod router;
mod supervisor;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use quorate_mariadb::binaries::Binaries;
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{InstallSpec, prepare};
use quorate_mariadb::secrets::Secrets;
use tokio::time::Instant;

pub(crate) use cluster::{Cluster, facts, kill};
pub(crate) use router::MiniRouter;
pub(crate) use supervisor::FakeSupervisor;

/// Generous, because the machine is shared: nothing here asserts a time.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// Passwords, and a data directory that was initialised once for the whole test binary.
pub(crate) struct Template {
    pub(crate) secrets: PathBuf,
    pub(crate) datadir: PathBuf,
}

pub(crate) fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // Kept for the next run; it appears by a rename, so it is never half made.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent-template-2");
        let secrets = dir.join("secrets");
        write_secrets(&secrets);
        let datadir = dir.join("data");
        let spec = InstallSpec {
            datadir: datadir.clone(),
            identity: Identity {
                cluster: "test".into(),
                node: "template".into(),
                incarnation: quorate_model::Incarnation::new("template"),
                server_id: 1,
            },
            secrets: Secrets::from_dir(&secrets).unwrap(),
            run_as: None,
        };
        // A runtime of its own on a thread of its own: the first caller is inside a test's runtime.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let binaries = Binaries::discover().unwrap();
            runtime
                .block_on(timed("initialise the template", prepare(&binaries, &spec, LIMIT)))
                .unwrap();
        })
        .join()
        .unwrap();
        Template { secrets, datadir }
    })
}

pub(crate) fn write_secrets(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    for account in ["agent", "replication", "admin", "app", "router"] {
        std::fs::write(dir.join(account), format!("{account}-secret\n")).unwrap();
    }
}

/// Awaits and prints how long it took.
pub(crate) async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let result = work.await;
    println!("{:>9.1} ms  {what}", start.elapsed().as_secs_f64() * 1e3);
    result
}

/// Log lines of the agents, with `RUST_LOG=debug`.
pub(crate) fn logging() {
    let _already = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
}
