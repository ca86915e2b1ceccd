//! The lab: refusals, and one real life with real servers.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{run, text};

/// A lab that is down and gone at the end of the test, however it ends.
struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Self {
            dir: tempfile::Builder::new().prefix("quorate-lab-").tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("lab")
    }

    fn lab(&self, args: &[&str]) -> (i32, String, String) {
        let path = self.path();
        let mut all = vec!["--lab", text(&path), "lab"];
        all.extend_from_slice(args);
        run(&all)
    }

    fn inventory(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path().join("lab.json")).unwrap()).unwrap()
    }

    fn status(&self) -> Value {
        let path = self.path();
        let (_, out, _) = run(&["--lab", text(&path), "status", "--json"]);
        serde_json::from_str(&out).unwrap_or_default()
    }

    /// Waits for a level of the cluster's status; says what it was in the end.
    fn wait(&self, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..600 {
            last = self.status()["clusters"][0].clone();
            if reached(&last) {
                return last;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{what} was not reached: {last:#}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let (code, out, err) = self.lab(&["down"]);
        assert!(code == 0 || thread::panicking(), "{out}{err}");
    }
}

fn is_healthy(cluster: &Value) -> bool {
    cluster["phase"] == "open"
        && cluster["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.iter().all(|node| node["state"] == "healthy"))
}

fn processes_of(dir: &Path) -> String {
    let output = Process::new("pgrep").args(["-af", text(dir)]).output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains("quorate ") || line.contains("mariadbd"))
        .filter(|line| !line.contains("pgrep"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_port_in_use_is_named() {
    let lab = Lab::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, _, err) = lab.lab(&["up", "--detach", "--base-port", &port.to_string()]);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains(&format!("port {port}")) && err.contains("--base-port"),
        "{err}"
    );
    assert!(!lab.path().join("lab.json").exists());
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let lab = Lab::new();
    fs::create_dir(lab.path()).unwrap();
    fs::write(lab.path().join("thesis.tex"), "").unwrap();
    let (code, _, err) = lab.lab(&["up", "--detach"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--dir"), "{err}");
    let (code, _, err) = lab.lab(&["down", "--purge"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(fs::read_dir(lab.path()).unwrap().count(), 1);
}

#[test]
fn a_lab_that_is_not_up_says_how_to_start_it() {
    let lab = Lab::new();
    for args in [&["status"][..], &["kill", "m1"], &["restart", "s1"]] {
        let (code, _, err) = lab.lab(args);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("quorate lab up"), "{err}");
    }
}

#[test]
fn a_lab_lives_survives_a_kill_and_leaves_nothing_behind() {
    let lab = Lab::new();
    let (code, _, err) = lab.lab(&["up", "--detach", "--timeout", "180"]);
    assert_eq!(code, 0, "{err}");
    let inventory = lab.inventory();
    let mode = fs::metadata(lab.path().join("lab.json")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for (list, count) in [("supervisors", 3), ("mariadb", 3), ("routers", 1)] {
        assert_eq!(inventory[list].as_array().unwrap().len(), count, "{inventory:#}");
    }
    let (code, _, err) = lab.lab(&["up", "--detach"]);
    assert_eq!(code, 2, "a second start in the same folder: {err}");

    let before = lab.wait("a healthy tier", is_healthy);
    let old = before["primary"].as_str().unwrap().to_owned();
    let (code, _, err) = lab.lab(&["kill", &old]);
    assert_eq!(code, 0, "{err}");
    let after = lab.wait("a later epoch with everybody back", |cluster| {
        is_healthy(cluster) && cluster["epoch"].as_u64() > before["epoch"].as_u64()
    });
    assert_ne!(after["primary"], Value::from(old), "{after:#}");

    let (code, _, err) = lab.lab(&["restart", "r1"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = lab.lab(&["down"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(processes_of(&lab.path()), "");
    assert!(!lab.path().join("lab.json").exists());
    let (code, _, err) = lab.lab(&["down", "--purge"]);
    assert_eq!(code, 0, "{err}");
    assert!(!lab.path().exists());
}
