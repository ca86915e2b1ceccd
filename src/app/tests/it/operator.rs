//! The operator's verbs when there is nobody to talk to.

use std::fs;

use crate::{run, text};

#[test]
fn without_a_target_the_remedy_is_named() {
    let (code, _, err) = run(&["status"]);
    assert_eq!(code, 2);
    assert!(err.contains("--lab") && err.contains("QUORATE_API"), "{err}");
}

#[test]
fn nobody_there_is_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    assert_eq!(run(&["pki", "init", text(&pki)]).0, 0);
    let token = dir.path().join("token");
    fs::write(&token, "secret").unwrap();
    let ca = pki.join("ca.crt");
    let (code, _, err) = run(&[
        "status",
        "--api",
        "https://127.0.0.1:1",
        "--token-file",
        text(&token),
        "--ca",
        text(&ca),
    ]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("127.0.0.1:1") && err.contains("hint:"), "{err}");
    let (code, _, err) = run(&[
        "status",
        "--api",
        "https://127.0.0.1:1",
        "--token-file",
        text(&token),
        "--ca",
        text(&token),
    ]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--ca"), "{err}");
}

#[test]
fn a_change_needs_a_reason() {
    for verb in ["switchover", "pause", "resume"] {
        let (code, _, err) = run(&[verb]);
        assert_eq!(code, 2);
        assert!(err.contains("--why"), "{verb}: {err}");
    }
}
