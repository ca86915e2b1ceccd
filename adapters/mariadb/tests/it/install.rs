//! Data directories: created whole or not at all, and never somebody else's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use quorate_mariadb::binaries::{Binaries, BinaryError};
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{InstallError, Installed, clone_initialised, prepare};
use tempfile::TempDir;

use crate::support::{LIMIT, binaries, identity, spec, template};

#[tokio::test]
async fn a_foreign_directory_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let datadir = dir.path().join("data");
    fs::create_dir(&datadir).unwrap();
    fs::write(datadir.join("precious"), "x").unwrap();
    let error = prepare(&binaries(), &spec(&datadir, "m1", 1), LIMIT).await.unwrap_err();
    assert!(matches!(error, InstallError::NotOurs { .. }), "{error}");
    assert_eq!(fs::read_to_string(datadir.join("precious")).unwrap(), "x");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn another_nodes_directory_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let datadir = dir.path().join("data");
    clone_initialised(template(), &spec(&datadir, "m1", 1)).unwrap();
    let error = prepare(&binaries(), &spec(&datadir, "m2", 2), LIMIT).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("`m1`") && cause.contains("`m2`"), "{cause}");
}

#[tokio::test]
async fn preparing_twice_keeps_the_first_identity() {
    let dir = TempDir::new().unwrap();
    let datadir = dir.path().join("data");
    let first = clone_initialised(template(), &spec(&datadir, "m1", 1)).unwrap();
    assert_eq!(first, Installed::Created(identity("m1", 1)));
    let again = prepare(&binaries(), &spec(&datadir, "m1", 99), LIMIT).await.unwrap();
    assert_eq!(again, Installed::Existing(identity("m1", 1)));
    assert_eq!(Identity::read(&datadir).unwrap(), Some(identity("m1", 1)));
}

#[tokio::test]
async fn an_interrupted_creation_is_swept_and_never_mistaken_for_a_whole_one() {
    let dir = TempDir::new().unwrap();
    let datadir = dir.path().join("data");
    let leftover = dir.path().join("data.new-crashed");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("ibdata1"), "half").unwrap();
    clone_initialised(template(), &spec(&datadir, "m1", 1)).unwrap();
    assert!(!leftover.exists());
    assert!(datadir.join("ibdata1").metadata().unwrap().len() > 4);
}

#[tokio::test]
async fn a_failing_program_leaves_no_data_directory() {
    let dir = TempDir::new().unwrap();
    let datadir = dir.path().join("data");
    let broken = Binaries {
        install_db: script(&dir, "install", "echo out of luck >&2; exit 3"),
        ..binaries()
    };
    let error = prepare(&broken, &spec(&datadir, "m1", 1), LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("out of luck"), "{error}");
    assert!(!datadir.exists());
}

#[tokio::test]
async fn an_old_server_is_refused_with_the_reason() {
    let dir = TempDir::new().unwrap();
    let banner = "echo 'mariadbd  Ver 10.11.8-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)'";
    let old = Binaries {
        server: script(&dir, "mariadbd", banner),
        ..binaries()
    };
    let error = old.check_version(LIMIT).await.unwrap_err();
    assert!(matches!(error, BinaryError::Unsupported { .. }));
    assert!(
        error.to_string().contains("10.11.8") && error.to_string().contains("10.11.9"),
        "{error}"
    );
}

#[tokio::test]
async fn the_installed_server_is_supported_and_a_missing_one_names_its_package() {
    println!("version {}", binaries().check_version(LIMIT).await.unwrap());
    let missing = Binaries {
        server: "/nonexistent/mariadbd".into(),
        ..binaries()
    };
    let error = missing.check_version(LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("mariadb-server"), "{error}");
}

fn script(dir: &TempDir, name: &str, body: &str) -> std::path::PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
