//! What the tests share: a template data directory, nodes, relays, and a stopwatch that prints.

mod node;
mod relay;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use quorate_mariadb::binaries::Binaries;
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{InstallSpec, prepare};
use quorate_mariadb::secrets::{Password, Secrets};

pub(crate) use node::{Cluster, Node};
pub(crate) use relay::Relay;

/// Generous, because the machine is shared: nothing here asserts a time.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn binaries() -> Binaries {
    Binaries::discover().unwrap()
}

pub(crate) fn secrets() -> Secrets {
    let password = |text: &str| Password::new(text, "test").unwrap();
    Secrets::with_passwords(
        password("agent-secret"),
        password("repl-secret"),
        password("admin-secret"),
        password("app-secret"),
    )
    .with_router(password("router-secret"))
}

pub(crate) fn identity(node: &str, server_id: u32) -> Identity {
    Identity {
        cluster: "test".into(),
        node: node.into(),
        incarnation: quorate_model::Incarnation::new(format!("{node}-{server_id}")),
        server_id,
    }
}

pub(crate) fn spec(datadir: &Path, node: &str, server_id: u32) -> InstallSpec {
    InstallSpec {
        datadir: datadir.to_owned(),
        identity: identity(node, server_id),
        secrets: secrets(),
        run_as: None,
    }
}

/// A data directory initialised once for each build of the test binary.
pub(crate) fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let datadir = template_dir().join("data");
        let spec = spec(&datadir, "template", 1);
        // A runtime of its own on a thread of its own: the first caller is inside a test's runtime.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime
                .block_on(timed("provide the template", prepare(&binaries(), &spec, LIMIT)))
                .unwrap();
        })
        .join()
        .unwrap();
        datadir
    })
}

/// Named by the build, so that a changed schema is never served from an old template. Those of older builds are removed.
fn template_dir() -> PathBuf {
    const PREFIX: &str = "mariadb-template-";
    let built = std::env::current_exe().unwrap().metadata().unwrap().modified().unwrap();
    let built = built.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let ours = format!("{PREFIX}{built}");
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(base).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && name != ours {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    base.join(ours)
}

/// Awaits and prints how long it took.
pub(crate) async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a stopwatch for people; nothing depends on it")]
    let start = Instant::now();
    let result = work.await;
    println!("{:>9.1} ms  {what}", start.elapsed().as_secs_f64() * 1e3);
    result
}

/// Waits for a level, not for a moment.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(LIMIT, waiting).await.is_ok(),
        "never came true: {what}"
    );
}
