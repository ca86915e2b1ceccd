//! Runs the two programs that fill a new data directory.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::{InstallError, InstallSpec, bootstrap};
use crate::binaries::Binaries;

/// How much of a failed program's output an error carries.
const TAIL_BYTES: usize = 1_200;

/// Settings shared by both runs: small and quick, nothing from the machine's own option files, no binlog.
const SERVER_ARGUMENTS: [&str; 5] = [
    "--skip-log-bin",
    "--innodb-log-file-size=32M",
    "--innodb-buffer-pool-size=32M",
    "--performance-schema=OFF",
    "--skip-name-resolve",
];

/// System tables. Not in the shared temporary folder: every starting server deletes the temporary tables it finds there.
pub(super) async fn install_db(
    binaries: &Binaries,
    spec: &InstallSpec,
    building: &Path,
    limit: Duration,
) -> Result<(), InstallError> {
    let mut command = Command::new(&binaries.install_db);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", building.display()))
        .arg(format!("--tmpdir={}", building.display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .args(SERVER_ARGUMENTS)
        .arg(format!("--user={}", server_user(spec)));
    run("mariadb-install-db", command, "", limit).await
}

/// Accounts and schema. They go in through standard input, so that no password is ever in an argument list.
pub(super) async fn bootstrap(
    binaries: &Binaries,
    spec: &InstallSpec,
    building: &Path,
    limit: Duration,
) -> Result<(), InstallError> {
    let mut command = Command::new(&binaries.server);
    command
        .arg("--no-defaults")
        .arg("--bootstrap")
        .arg(format!("--datadir={}", building.display()))
        .arg(format!("--tmpdir={}", building.display()))
        .args(SERVER_ARGUMENTS)
        .arg(format!("--user={}", server_user(spec)));
    run(
        "mariadbd --bootstrap",
        command,
        &bootstrap::script(&spec.secrets),
        limit,
    )
    .await
}

/// The server refuses to run as root unless told so; for anybody else their own name is the only one possible.
fn server_user(spec: &InstallSpec) -> String {
    spec.run_as
        .clone()
        .unwrap_or_else(|| rustix::process::geteuid().as_raw().to_string())
}

async fn run(program: &'static str, mut command: Command, input: &str, limit: Duration) -> Result<(), InstallError> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let failed = |source| InstallError::Run { program, source };
    let finished = timeout(limit, async {
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that failed early closes its input; its exit status says more than our broken pipe.
            let _ignored = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await.map_err(failed)
    });
    let output = finished
        .await
        .map_err(|_| InstallError::Timeout { program, after: limit })??;
    if output.status.success() {
        return Ok(());
    }
    Err(InstallError::Failed {
        program,
        status: output.status.to_string(),
        tail: tail(&output),
    })
}

fn tail(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let mut from = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.split_off(from).trim().to_owned()
}
