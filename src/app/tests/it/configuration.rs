//! Wrong configurations are refused with the line and the field.

use std::fs;
use std::path::Path;

use crate::{run, text};

const ROUTER: &str = "\
router: r1
cluster: lab
supervisors:
  s1: 127.0.0.1:7001
tls:
  ca: ca.crt
  cert: r1.crt
  key: r1.key
state_file: r1.routes
limits:
  hold_max: 10
";

const AGENT: &str = "\
node: m1
cluster: lab
supervisors:
  - address: 127.0.0.1:7001
door:
  listen: 127.0.0.1:0
relay:
  listen: 127.0.0.1:0
server:
  home: HOME
  server_id: 11
tls:
  ca: ca.crt
  cert: m1.crt
  key: m1.key
secrets_dir: secrets
";

const SUPERVISOR: &str = "\
id: s1
cluster:
  id: lab
  name: the lab
  nodes:
    m1:
      door: 127.0.0.1:7301
peers:
  - id: s1
    raft: 127.0.0.1:7001
    link: 127.0.0.1:7002
    api: https://127.0.0.1:7003
listen:
  raft: 127.0.0.1:7001
  link: 127.0.0.1:7002
  api: 127.0.0.1:7003
data_dir: data
tls:
  ca: ca.crt
  cert: s1.crt
  key: s1.key
tokens_file: tokens.json
";

fn check(dir: &Path, verb: &str, yaml: &str) -> (i32, String) {
    let path = dir.join("config.yaml");
    fs::write(&path, yaml).unwrap();
    let (code, _, err) = run(&[verb, "--config", text(&path), "--check-config"]);
    (code, err)
}

#[test]
fn right_ones_pass() {
    let dir = tempfile::tempdir().unwrap();
    for (verb, yaml) in [("route", ROUTER), ("agent", AGENT), ("supervise", SUPERVISOR)] {
        let (code, err) = check(dir.path(), verb, yaml);
        assert_eq!(code, 0, "{verb}: {err}");
    }
}

/// Which role, what is replaced by what, and what must be said about it.
type Mistake = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const MISTAKES: &[Mistake] = &[
    (
        "route",
        ROUTER,
        "hold_max: 10",
        "hold_mux: 10",
        &["yaml:11:3", "limits", "hold_mux"],
    ),
    (
        "route",
        ROUTER,
        "hold_max: 10",
        "hold_max: many",
        &["yaml:11:13", "limits.hold_max"],
    ),
    (
        "route",
        ROUTER,
        "hold_max: 10",
        "hold_max: 0",
        &["yaml:11: limits.hold_max"],
    ),
    ("route", ROUTER, "state_file: r1.routes\n", "", &["state_file"]),
    (
        "agent",
        AGENT,
        "server_id: 11",
        "server_id: -1",
        &["yaml:11:14", "server.server_id"],
    ),
    (
        "agent",
        AGENT,
        "server_id: 11",
        "server_id: 0",
        &["yaml:11: server.server_id"],
    ),
    (
        "agent",
        AGENT,
        "  listen: 127.0.0.1:0\nserver",
        "  listen: 0.0.0.0:0\nserver",
        &["yaml:8: relay.listen"],
    ),
    (
        "agent",
        AGENT,
        "  - address: 127.0.0.1:7001",
        "  - adress: 127.0.0.1:7001",
        &["yaml:4", "adress"],
    ),
    (
        "supervise",
        SUPERVISOR,
        "  nodes:\n",
        "  knots:\n",
        &["yaml:5:3", "cluster", "knots"],
    ),
    (
        "supervise",
        SUPERVISOR,
        "id: s1\ncluster",
        "id: s9\ncluster",
        &["s9", "peers"],
    ),
    ("supervise", SUPERVISOR, "data_dir: data", "data_dir: [", &["yaml:1"]),
];

#[test]
fn mistakes_are_named_by_line_and_field() {
    let dir = tempfile::tempdir().unwrap();
    for (verb, yaml, from, to, wanted) in MISTAKES.iter().copied() {
        assert!(yaml.contains(from));
        let (code, err) = check(dir.path(), verb, &yaml.replace(from, to));
        assert_eq!(code, 2, "{verb} {to}: {err}");
        for word in wanted {
            assert!(err.contains(word), "{verb} {to}: `{word}` is missing in:\n{err}");
        }
        assert!(err.contains("hint:"), "{err}");
    }
}

#[test]
fn a_missing_or_huge_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.yaml");
    let (code, _, err) = run(&["agent", "--config", text(&path)]);
    assert_eq!(code, 2);
    assert!(err.contains("none.yaml") && err.contains("--config"), "{err}");
    let (code, err) = check(dir.path(), "agent", &"#".repeat(2 << 20));
    assert_eq!(code, 2);
    assert!(err.contains("bytes"), "{err}");
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.yaml");
    fs::write(&path, ROUTER).unwrap();
    let (code, _, err) = run(&["route", "--config", text(&path), "--log", "x=y=z"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("x=y=z"), "{err}");
}
