//! Whoever may log in without a router may do so through one, and nobody else; the words are the server's.

use std::os::unix::fs::PermissionsExt as _;

use tokio::net::TcpStream;

use super::door::Door;
use super::router::Router;
use super::server::{Server, cell, complained, said, user};
use crate::mysql::auth::credentials::Credentials;
use crate::mysql::auth::flags::DEPRECATE_EOF;
use crate::mysql::auth::login::{LoginError, login};
use crate::mysql::auth::rows::query;

const WHO: &str = "SELECT CURRENT_USER()";

async fn cast(server: &Server) {
    server
        .run(&[
            "CREATE DATABASE shop",
            "CREATE USER ann@localhost IDENTIFIED BY 'ann-secret'",
            "CREATE USER empty@'%'",
            "CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('ed-secret')",
            "CREATE USER lost@localhost IDENTIFIED VIA ed25519 USING PASSWORD('lost-secret')",
            "CREATE USER duo@localhost IDENTIFIED VIA ed25519 USING PASSWORD('unknown') OR mysql_native_password USING PASSWORD('duo-secret')",
            "CREATE USER os@localhost IDENTIFIED VIA unix_socket",
            "CREATE USER locked@localhost IDENTIFIED BY 'locked-secret' ACCOUNT LOCK",
            "CREATE USER far@'10.%' IDENTIFIED BY 'far-secret'",
            "CREATE USER odd@'local%' IDENTIFIED BY 'odd-secret'",
            "CREATE USER strict@localhost IDENTIFIED BY 'strict-secret' REQUIRE SSL",
            "GRANT ALL ON shop.* TO ann@localhost",
        ])
        .await;
}

async fn stage() -> (Server, Door, Router) {
    let server = Server::start().await;
    cast(&server).await;
    let door = Door::open(server.socket()).await;
    let credentials = door.path("credentials");
    std::fs::write(&credentials, r#"{"ed": "ed-secret", "duo": "unknown"}"#).unwrap();
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600)).unwrap();
    let credentials = Credentials::open(&credentials).unwrap();
    let router = Router::start(&server, &door, |front| front.credentials = Some(credentials)).await;
    (server, door, router)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_in_as_themselves_and_the_others_hear_what_the_server_would_say() {
    let (server, _door, router) = stage().await;
    for (name, password, account) in [
        ("ann", "ann-secret", "ann@localhost"),
        ("empty", "", "empty@%"),
        ("ed", "ed-secret", "ed@localhost"),
        ("duo", "duo-secret", "duo@localhost"),
        ("duo", "unknown", "duo@localhost"),
        ("odd", "odd-secret", "odd@local%"),
    ] {
        let (user, password) = (format!("-u{name}"), format!("-p{password}"));
        assert_eq!(said(&router.through(&[&user, &password, "-e", WHO]).await), account);
    }
    assert_eq!(
        said(
            &router
                .through(&["-uann", "-pann-secret", "shop", "-e", "SELECT DATABASE()"])
                .await
        ),
        "shop"
    );

    for arguments in [
        &["-uann", "-pwrong"][..],
        &["-uann", "-p"],
        &["-uempty", "-psomething"],
        &["-uann", "-pann-secret", "nowhere"],
        &["-uann", "-pann-secret", "mysql"],
        &["-ued", "-pwrong"],
        &["-uduo", "-pwrong"],
        &["-unobody", "-psomething"],
        &["-unobody", "-p"],
        &["-ufar", "-pfar-secret"],
        &["-ulocked", "-plocked-secret"],
        &["-ulocked", "-pwrong"],
        &["-ustrict", "-pstrict-secret"],
        &["-umariadb.sys", "-p"],
    ] {
        // An empty `-p` would ask the terminal.
        let arguments: Vec<&str> = arguments
            .iter()
            .copied()
            .filter(|it| *it != "-p")
            .chain(["-e", WHO])
            .collect();
        let direct = complained(&server.direct(&arguments).await);
        assert_eq!(complained(&router.through(&arguments).await), direct, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_whom_a_router_cannot_carry_are_told_what_to_do() {
    let (server, _door, router) = stage().await;
    let lost = complained(&router.through(&["-ulost", "-plost-secret", "-e", WHO]).await);
    assert!(lost.contains("`credentials_file` has no entry for `lost`"), "{lost}");
    server
        .run(&["ALTER USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('changed')"])
        .await;
    let changed = complained(&router.through(&["-ued", "-pchanged", "-e", WHO]).await);
    assert!(
        changed.contains("`credentials_file` has another password for `ed`"),
        "{changed}"
    );
    let socket = complained(&router.through(&["-uos", "-e", WHO]).await);
    assert!(
        socket.contains("plugin `unix_socket`") && socket.contains("ALTER USER"),
        "{socket}"
    );
}

/// The client answers for `ed25519` first and is asked to answer for the account's plugin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_begins_with_another_plugin_is_asked_again() {
    let (_server, _door, router) = stage().await;
    for (name, password) in [("ann", "ann-secret"), ("ed", "ed-secret")] {
        let mut stream = TcpStream::connect(router.address).await.unwrap();
        let accepted = login(&mut stream, &user(name, password), DEPRECATE_EOF).await.unwrap();
        assert_eq!(accepted.thread_id, 4711);
        assert!(accepted.version.contains("MariaDB"), "{accepted:?}");
        assert!(cell(&query(&mut stream, "SELECT USER()").await.unwrap()).starts_with(name));
        let sql = "SELECT ATTR_VALUE FROM performance_schema.session_connect_attrs LIMIT 1";
        let _ = query(&mut stream, sql).await;
    }
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    let refused = login(&mut stream, &user("ann", "wrong"), 0).await;
    assert!(
        matches!(&refused, Err(LoginError::Refused(error)) if error.code == 1045),
        "{refused:?}"
    );
}
