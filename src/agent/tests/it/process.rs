//! The agent as a process: its death is its server's death.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use quorate_agent::Config;
use quorate_model::{AgentReport, Epoch, Task};

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
        let file = cluster.home.path().join("agent.json");
        std::fs::write(&file, serde_json::to_vec(config).unwrap()).unwrap();
        let program: PathBuf = std::env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .join("../examples/agent");
        let spawned = Command::new(program).arg(file).spawn();
        Self(spawned.expect("built by `cargo test`, or by `cargo build -p quorate-agent --examples`"))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        status.lines().find(|line| line.starts_with(field)).unwrap().to_owned()
    }

    /// Seconds of processor time used so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
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
    let config = cluster.config("m1", 1).await;
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
    let pid = rustix::process::Pid::from_raw(agent.pid()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = tokio::task::spawn_blocking(move || agent.0.wait().unwrap());
    assert!(timed("SIGTERM of the agent → ended", ended).await.unwrap().success());
    assert!(!alive(mariadbd));
}
