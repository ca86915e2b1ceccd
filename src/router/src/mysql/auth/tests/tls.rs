//! TLS towards clients.

use std::sync::Arc;

use super::door::Door;
use super::router::Router;
use super::server::{Server, complained, said};
use crate::mysql::auth::client_tls::ClientTls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_tls_gets_in_and_one_without_is_told() {
    let server = Server::start().await;
    server
        .run(&[
            "CREATE USER ann@localhost IDENTIFIED BY 'ann-secret'",
            "CREATE USER strict@localhost IDENTIFIED BY 'strict-secret' REQUIRE SSL",
        ])
        .await;
    let door = Door::open(server.socket()).await;
    let (files, root) = door.certificate();
    let tls = Arc::new(ClientTls::load(&files).unwrap());
    tls.reload().unwrap();
    let router = Router::start(&server, &door, |front| front.tls = Some(tls)).await;
    let ca = format!("--ssl-ca={}", root.display());
    let secure = ["--ssl", &ca, "--ssl-verify-server-cert", "-uann", "-pann-secret", "-e"];
    let status = said(&router.through(&[&secure[..], &["status"]].concat()).await);
    assert!(status.contains("Cipher in use is TLS"), "{status}");
    // Larger than a TLS record in both directions.
    let big = format!("SELECT LENGTH('{}'), REPEAT('y', 100000)", "x".repeat(100_000));
    let back = said(&router.through(&[&secure[..], &[&big]].concat()).await);
    assert_eq!(back.len(), "100000\t".len() + 100_000);

    let plain = complained(
        &router
            .through(&["--skip-ssl", "-uann", "-pann-secret", "-e", "SELECT 1"])
            .await,
    );
    assert!(
        plain.contains("ERROR 3159 (08004)") && plain.contains("client_tls.required"),
        "{plain}"
    );
    let strict = ["--ssl", &ca, "-ustrict", "-pstrict-secret", "-e", "SELECT 1"];
    let strict = complained(&router.through(&strict).await);
    assert!(strict.contains("requires TLS up to the server"), "{strict}");
}
