//! Roles that cannot start say why, name the thing, and change nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use quorate_mariadb::identity::Identity;

use crate::{quorate, run, text};

/// A folder with certificates, secrets and an agent's configuration that would do.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let pki = site.path("pki");
        assert_eq!(
            run(&["pki", "init", text(&pki), "--agent", "m1", "--router", "r1"]).0,
            0
        );
        fs::create_dir(site.path("secrets")).unwrap();
        for account in ["agent", "replication", "admin", "app"] {
            fs::write(site.path("secrets").join(account), "a long enough secret").unwrap();
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn agent(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "node: m1\ncluster: lab\nsupervisors:\n  - address: 127.0.0.1:1\ndoor:\n  listen: 127.0.0.1:0\n\
             relay:\n  listen: 127.0.0.1:0\nserver:\n  home: {dir}/home\n  server_id: 11\n\
             tls:\n  ca: {dir}/pki/ca.crt\n  cert: {dir}/pki/m1.crt\n  key: {dir}/pki/m1.key\n\
             secrets_dir: {dir}/secrets\n"
        )
    }

    fn router(&self, rw: &str) -> String {
        let dir = self.dir.path().display();
        format!(
            "router: r1\ncluster: lab\nsupervisors:\n  s1: 127.0.0.1:1\nlisten:\n  rw: {rw}\n  ro: 127.0.0.1:0\n\
             tls:\n  ca: {dir}/pki/ca.crt\n  cert: {dir}/pki/r1.crt\n  key: {dir}/pki/r1.key\n\
             state_file: {dir}/routes.json\n"
        )
    }

    /// Starts a role that must refuse; what it said.
    fn refuse(&self, verb: &str, yaml: &str) -> String {
        let path = self.path("config.yaml");
        fs::write(&path, yaml).unwrap();
        let output = quorate()
            .args([verb, "--config", text(&path), "--log", "error"])
            .timeout(Duration::from_secs(60))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!self.path("home/data/mysql").exists(), "a refusal initialises nothing");
        said
    }

    fn with_server(&self, program: &str) -> String {
        self.agent().replace(
            "  server_id: 11\n",
            &format!("  server_id: 11\n  mariadbd: {program}\n"),
        )
    }
}

#[test]
fn a_missing_server_program_names_the_package() {
    let site = Site::new();
    let said = site.refuse("agent", &site.with_server("/nonexistent/mariadbd"));
    assert!(said.contains("mariadb-server"), "{said}");
}

#[test]
fn a_server_that_is_too_old_is_refused_with_the_reason() {
    let site = Site::new();
    let old = site.path("mariadbd");
    fs::write(
        &old,
        "#!/bin/sh\necho 'mariadbd  Ver 10.11.4-MariaDB-1~deb12u1 for debian-linux-gnu on x86_64'\n",
    )
    .unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let said = site.refuse("agent", &site.with_server(text(&old)));
    assert!(
        said.contains("10.11.4") && said.contains("10.11.9") && said.contains("MDEV-33465"),
        "{said}"
    );
}

#[test]
fn the_data_directory_of_another_node_is_left_alone() {
    let site = Site::new();
    let datadir = site.path("home/data");
    fs::create_dir_all(&datadir).unwrap();
    let identity = Identity {
        cluster: "lab".into(),
        node: "m2".into(),
        incarnation: "m2-1".into(),
        server_id: 12,
    };
    identity.write(&datadir).unwrap();
    let said = site.refuse("agent", &site.agent());
    assert!(said.contains("m2") && said.contains(text(&datadir)), "{said}");
    assert_eq!(Identity::read(&datadir).unwrap(), Some(identity));
}

#[test]
fn the_certificate_of_another_node_is_refused() {
    let site = Site::new();
    let said = site.refuse("agent", &site.agent().replace("node: m1", "node: m2"));
    assert!(
        said.contains("m1.agent.quorate") && said.contains("m2.agent.quorate"),
        "{said}"
    );
}

#[test]
fn a_missing_certificate_or_secret_is_named() {
    let site = Site::new();
    let said = site.refuse("agent", &site.agent().replace("/m1.key", "/m7.key"));
    assert!(said.contains("m7.key"), "{said}");
    fs::remove_file(site.path("secrets/app")).unwrap();
    let said = site.refuse("agent", &site.agent());
    assert!(said.contains("secrets/app"), "{said}");
}

#[test]
fn a_port_in_use_is_named_with_its_field() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = site.refuse("route", &site.router(&address));
    assert!(said.contains(&address) && said.contains("listen.rw"), "{said}");
    let agent = site
        .agent()
        .replacen("listen: 127.0.0.1:0", &format!("listen: {address}"), 1);
    let said = site.refuse("agent", &agent);
    assert!(said.contains(&address) && said.contains("door.listen"), "{said}");
}
