//! Help, completions, exit codes, tokens and certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::{run, text};

#[test]
fn help_names_every_verb_and_exit_code() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for word in [
        "supervise",
        "agent",
        "route",
        "lab",
        "status",
        "explain",
        "switchover",
        "pause",
        "resume",
        "events",
        "epochs",
        "doctor",
        "pki",
        "token",
        "completions",
        "Exit codes:",
        "no supervisor could be reached",
    ] {
        assert!(help.contains(word), "`{word}` is missing in:\n{help}");
    }
    assert!(!help.contains("gen "), "the generator is hidden");
}

#[test]
fn nothing_typed_and_nonsense_typed_are_usage_errors() {
    for args in [
        &[][..],
        &["promote"],
        &["status", "--jsn"],
        &["lab", "up", "--mariadb", "1"],
    ] {
        let (code, _, err) = run(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains("Usage") || err.contains("--help"), "{args:?}: {err}");
    }
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = run(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(script.contains("switchover"), "{shell}");
    }
}

#[test]
fn a_token_matches_its_record() {
    let (code, out, _) = run(&["token", "new", "--name", "ada", "--role", "operator", "--json"]);
    assert_eq!(code, 0);
    let made: serde_json::Value = serde_json::from_str(&out).unwrap();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["record"]["sha256"], quorate_api::rest::token_hash(token));
    assert_eq!(made["record"]["role"], "operator");
}

#[test]
fn certificates_are_private_and_an_authority_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    let args = [
        "pki",
        "init",
        text(&pki),
        "--supervisor",
        "s1=10.0.0.1,s1.example.org",
        "--agent",
        "m1",
        "--router",
        "r1",
    ];
    let (code, out, err) = run(&args);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("m1.agent.quorate"), "{out}");
    for file in ["ca.key", "s1.key", "m1.key", "r1.key"] {
        let mode = fs::metadata(pki.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let before = fs::read(pki.join("ca.crt")).unwrap();
    let (code, _, err) = run(&args);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("pki issue"), "{err}");
    assert_eq!(fs::read(pki.join("ca.crt")).unwrap(), before);
    let (code, _, err) = run(&["pki", "issue", text(&pki), "--agent", "m2"]);
    assert_eq!(code, 0, "{err}");
    assert!(pki.join("m2.crt").exists());
    let (code, _, err) = run(&["pki", "issue", text(&pki), "--agent", "m 3"]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn errors_are_json_when_asked_for() {
    let (code, _, err) = run(&["status", "--json"]);
    assert_eq!(code, 2);
    let error: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert!(error["hints"][0].as_str().unwrap().contains("QUORATE_LAB"), "{error}");
}
