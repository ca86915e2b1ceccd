//! The server's life is tied to the agent's.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use quorate_mariadb::install::{InstallSpec, prepare};
use quorate_mariadb::process::{Launch, ProcessError, Server};
use quorate_mariadb::{Connector, Layout};
use tempfile::TempDir;

use crate::support::{LIMIT, Node, binaries, secrets, spec, template, timed, until};

/// Not a test: the parent that the next one kills. It is this same program, started again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by killing_the_parent_kills_the_server"]
async fn parent_to_be_killed() {
    let node = Node::started("m1", 1).await;
    println!("SERVER {}", node.server.as_ref().unwrap().pid());
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_parent_kills_the_server() {
    // Before the parent looks for it as well.
    template();
    // The killed parent cannot remove its directory, so it gets one inside ours.
    let dir = TempDir::new().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::parent_to_be_killed", "--ignored", "--nocapture"])
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pid = lines
        .find_map(|line| {
            line.unwrap()
                .rsplit_once("SERVER ")
                .map(|(_, pid)| pid.trim().to_owned())
        })
        .unwrap();
    let alive = || std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.contains("mariadbd"));
    assert!(alive());
    parent.kill().unwrap();
    parent.wait().unwrap();
    timed(
        "parent SIGKILLed to server gone",
        until("the server is gone", || async { !alive() }),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_is_known_at_once_and_says_how() {
    let mut node = Node::started("m1", 1).await;
    let server = node.server.take().unwrap();
    let mut watch = server.exit_watch();
    assert_eq!(server.exit(), None);
    server.kill().unwrap();
    timed("SIGKILL to exit event", watch.wait_for(Option::is_some))
        .await
        .unwrap();
    assert_eq!(server.exit().unwrap().to_string(), "killed by signal 9");
    // Killing the dead is harmless.
    server.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_is_possible_without_waiters() {
    let mut node = Node::started("m1", 1).await;
    let server = node.server.take().unwrap();
    server.terminate().unwrap();
    let exit = timed("SIGTERM to exit", server.exited()).await;
    assert_eq!(exit.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_quotes_the_servers_own_error() {
    let mut node = Node::prepared("m1", 1);
    let bad = node.layout.home().join("bad.cnf");
    std::fs::write(&bad, "[mariadbd]\nno_such_option = 1\n").unwrap();
    node.config.include = Some(bad);
    let error = node.try_start().await.unwrap_err();
    assert!(matches!(error, ProcessError::DiedAtStart { .. }));
    assert!(
        error.to_string().contains("no_such_option") || error.to_string().contains("no-such-option"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_run_by_root_can_run_the_server_as_somebody_else() {
    if !std::fs::metadata("/proc/self").is_ok_and(|us| std::os::unix::fs::MetadataExt::uid(&us) == 0) {
        println!("only root can; skipped");
        return;
    }
    let home = TempDir::new().unwrap();
    let layout = Layout::below(home.path());
    let run_as = Some("mysql".to_owned());
    let spec = InstallSpec {
        run_as: run_as.clone(),
        ..spec(&layout.datadir(), "m1", 1)
    };
    prepare(&binaries(), &spec, LIMIT).await.unwrap();
    let mut node = Node::prepared("m1", 1);
    node.config.layout = layout.clone();
    node.config.write().unwrap();
    let connector = Connector::new(&layout, &secrets().agent);
    let server = Server::start(&Launch {
        layout,
        run_as,
        ..node.launch()
    })
    .unwrap();
    server.ready(&connector, LIMIT).await.unwrap();
    let owner = |pid: u32| std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}")).unwrap());
    assert_ne!(owner(server.pid()), 0);
}
