//! The agent as a process: its death is its server's death.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use quorate_agent::Config;
use quorate_model::{AgentReport, Epoch, GtidSet, Task};
use rustix::process::Signal;
use tokio_util::task::TaskTracker;

use crate::support::{Cluster, kill, timed};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Process {
    fn start(cluster: &Cluster, config: &Config) -> Self {
        let spawned = Command::new(Self::program()).arg(Self::write(cluster, config)).spawn();
        Self(spawned.expect("built by `cargo test`, or by `cargo build -p quorate-agent --examples`"))
    }

    fn program() -> PathBuf {
        std::env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .join("../examples/agent")
    }

    fn write(cluster: &Cluster, config: &Config) -> PathBuf {
        let file = cluster.home.path().join("agent.json");
        std::fs::write(&file, serde_json::to_vec(config).unwrap()).unwrap();
        file
    }

    /// As the first process of a process namespace of its own, like in a container. Needs root.
    fn start_as_init(cluster: &Cluster, config: &Config) -> Self {
        let file = Self::write(cluster, config);
        let unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(Self::program())
            .arg(file)
            .spawn();
        Self(unshare.unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        status.lines().find(|line| line.starts_with(field)).unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        signal_to(self.pid(), signal);
    }

    /// Seconds of processor time used so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

fn signal_to(pid: i32, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn alive(pid: i32) -> bool {
    // A zombie is dead; whoever inherited it may reap it late.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

async fn gone(pid: i32) {
    for _ in 0..1000 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("process {pid} lives on");
}

fn boot(nonce: u64) -> impl FnMut(&AgentReport) -> Option<AgentReport> {
    move |report| (report.boot_nonce == nonce && report.vouch).then(|| report.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_takes_its_server_along_and_keeps_its_promise() {
    let cluster = Cluster::gated(&[]).await;
    let config = cluster.config("m1", 1);
    let server = |config: &Config| -> i32 {
        let file = config.server.home.join("mariadbd.pid");
        std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
    };

    let agent = Process::start(&cluster, &config);
    cluster.supervisor.until("m1", "vouches", boot(1)).await;
    cluster.supervisor.order("m1", 3, Task::Revoke).await;
    cluster.revoked("m1", 3).await;
    let before = agent.cpu();
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "idle agent: {}, {:.1} % of a core",
        agent.status("VmRSS"),
        (agent.cpu() - before) / 3.0 * 100.0
    );
    let mariadbd = server(&config);
    assert!(alive(mariadbd));
    kill(agent.pid());
    timed("SIGKILL of the agent → its server is gone", gone(mariadbd)).await;
    drop(agent);

    let mut agent = Process::start(&cluster, &config);
    let report = cluster.supervisor.until("m1", "is back", boot(2)).await;
    assert_eq!(report.promised, Epoch(3));
    let mariadbd = server(&config);
    agent.signal(Signal::TERM);
    let ended = tokio::task::spawn_blocking(move || agent.0.wait().unwrap());
    assert!(timed("SIGTERM of the agent → ended", ended).await.unwrap().success());
    assert!(!alive(mariadbd));
}

/// Only the agent is stopped, its server runs on: it must fence itself by being the only door.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_was_frozen_past_its_lease_serves_nobody_from_the_past() {
    let mut cluster = Cluster::gated(&["m2"]).await;
    let config = cluster.config("m1", 9);
    cluster.adopt(config.clone());
    let agent = Process::start(&cluster, &config);
    cluster.supervisor.until("m1", "vouches", boot(1)).await;
    cluster.elect("m1", 1, &["m2"], &["m2"], &GtidSet::new()).await;
    cluster.open_under("m1", 1, &["m2"]).await;
    let port = cluster.port("m1", 1).await;
    let mut reader = port.app().await.unwrap();
    let mut late = port.app().await.unwrap();
    reader.query_drop("SELECT 1").await.unwrap();

    agent.signal(Signal::STOP);
    cluster.supervisor.no_lease();
    // Sent into a door that is frozen.
    let read = TaskTracker::new().spawn(async move { reader.query_drop("SELECT 1").await });
    // Its replica is taken from it meanwhile, which could otherwise give it a lease after the supervisors' has ended.
    cluster.supervisor.order("m2", 2, Task::Revoke).await;
    cluster.revoked("m2", 2).await;
    tokio::time::sleep(Duration::from_millis(2000)).await;
    agent.signal(Signal::CONT);
    assert!(
        read.await.unwrap().is_err(),
        "the lease was over when the agent woke up"
    );
    assert!(late.query_drop("SELECT 1").await.is_err());
    assert!(port.app().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_the_first_process_of_a_container_it_collects_orphans_and_stops_in_order() {
    let trial = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "true"])
        .status();
    if !trial.is_ok_and(|status| status.success()) {
        println!("no process namespace can be made here; nothing tested");
        return;
    }
    let cluster = Cluster::gated(&[]).await;
    let config = cluster.config("m1", 1);
    let mut unshare = Process::start_as_init(&cluster, &config);
    cluster.supervisor.until("m1", "vouches", boot(1)).await;
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", unshare.pid())).unwrap();
    let init: i32 = children.trim().parse().unwrap();
    let inside = |script: &str| {
        let target = init.to_string();
        let output = Command::new("nsenter")
            .args(["-t", &target, "-p", "-m", "sh", "-c", script])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    inside("for i in 1 2 3; do (sleep 0.1 &); done");
    let mut zombies = String::new();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        zombies = inside("cat /proc/[0-9]*/stat");
        if !zombies.contains("(sleep)") {
            break;
        }
    }
    assert!(!zombies.contains("(sleep)"), "{zombies}");
    signal_to(init, Signal::TERM);
    let ended = tokio::task::spawn_blocking(move || unshare.0.wait().unwrap());
    assert!(
        timed("SIGTERM of the first process → ended", ended)
            .await
            .unwrap()
            .success()
    );
}
