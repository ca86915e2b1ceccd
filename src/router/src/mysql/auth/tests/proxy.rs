//! Servers are told whose connection it is, and judge accordingly.

use super::door::Door;
use super::router::Router;
use super::server::{Server, complained, said};
use crate::config::ProxyProtocol;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_sees_the_clients_address() {
    let server = Server::start().await;
    server
        .run(&[
            "CREATE USER near@localhost IDENTIFIED BY 'near-secret'",
            "CREATE USER far@'10.1.%' IDENTIFIED BY 'far-secret'",
            "CREATE USER other@'10.2.%' IDENTIFIED BY 'other-secret'",
            "CREATE USER twice@'10.1.2.3' IDENTIFIED BY 'wrong'",
            "CREATE USER twice@localhost IDENTIFIED BY 'twice-secret'",
            "CREATE USER net@'10.1.2.%' IDENTIFIED BY 'wrong'",
            "CREATE USER net@'10.0.0.0/255.0.0.0' IDENTIFIED BY 'net-secret'",
        ])
        .await;
    let door = Door::open(server.socket()).await;
    for proxy in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let router = Router::with_proxy(&server, &door, proxy, |_| {}).await;
        for (name, account) in [
            ("near", "near@localhost"),
            ("far", "far@10.1.%"),
            ("twice", "twice@localhost"),
            ("net", "net@10.0.0.0/255.0.0.0"),
        ] {
            let (user, password) = (format!("-u{name}"), format!("-p{name}-secret"));
            let sql = "SELECT USER(), CURRENT_USER()";
            let seen = said(&router.through(&[&user, &password, "-e", sql]).await);
            assert_eq!(seen, format!("{name}@10.1.2.3\t{account}"));
        }
        let refused = complained(&router.through(&["-uother", "-pother-secret", "-e", "SELECT 1"]).await);
        let expected = "ERROR 1045 (28000): Access denied for user 'other'@'10.1.2.3' (using password: YES)";
        assert!(refused.ends_with(expected), "{refused}");
    }
}
