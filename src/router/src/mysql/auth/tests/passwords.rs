//! Changed passwords, changed users, and servers that cannot be asked.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::LET_IN;
use super::door::Door;
use super::router::Router;
use super::server::{Server, cell, complained, said, user};
use crate::mysql::auth::change::Change;
use crate::mysql::auth::flags::DEPRECATE_EOF;
use crate::mysql::auth::greet::{GreetError, Peer, change, greet};
use crate::mysql::auth::login::{LoginError, change_user, login};
use crate::mysql::auth::packet::{PHASE_MAX, Packets};
use crate::mysql::auth::pattern::Origin;
use crate::mysql::auth::rows::query;

const WHO: &str = "SELECT CURRENT_USER()";

/// Scenario 71.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_holds_from_the_very_next_login() {
    let server = Server::start().await;
    server
        .run(&["CREATE USER ann@localhost IDENTIFIED BY 'secret-0'"])
        .await;
    let door = Door::open(server.socket()).await;
    let router = Router::start(&server, &door, |_| {}).await;
    for turn in 0..4 {
        let password = format!("-psecret-{turn}");
        assert_eq!(
            said(&router.through(&["-uann", &password, "-e", WHO]).await),
            "ann@localhost"
        );
        let next = format!("ALTER USER ann@localhost IDENTIFIED BY 'secret-{}'", turn + 1);
        server.run(&[&next]).await;
        // Its hash may still be known, but the server has the last word.
        let arguments = ["-uann", &password, "-e", WHO];
        let direct = complained(&server.direct(&arguments).await);
        assert_eq!(complained(&router.through(&arguments).await), direct);
    }
    server
        .run(&["CREATE USER new@localhost IDENTIFIED BY 'new-secret'"])
        .await;
    assert_eq!(
        said(&router.through(&["-unew", "-pnew-secret", "-e", WHO]).await),
        "new@localhost"
    );

    // With no server to ask, what is known still opens; the rest is no proof of a wrong password.
    router.forget_servers();
    let waiting = router.front.accounts.fresh(Duration::from_millis(1)).await.unwrap_err();
    assert!(waiting.to_string().contains("cannot be read"), "{waiting}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_account_of_the_routers_is_named_with_its_remedy() {
    let server = Server::start().await;
    server.run(&["DROP USER quorate_router@localhost"]).await;
    let door = Door::open(server.socket()).await;
    let router = Router::start(&server, &door, |_| {}).await;
    let said = complained(&router.through(&["-uroot", "-e", WHO]).await);
    for part in [
        "quorate router",
        "does not know `quorate_router`",
        "`quorate doctor`",
        "Access denied",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_change_within_a_connection_on_both_sides() {
    let server = Server::start().await;
    let ann = "CREATE USER ann@localhost IDENTIFIED BY 'ann-secret'";
    server
        .run(&[
            ann,
            "CREATE USER bob@localhost IDENTIFIED BY 'bob-secret'",
            "CREATE DATABASE shop",
        ])
        .await;
    let door = Door::open(server.socket()).await;
    let router = Router::start(&server, &door, |_| {}).await;
    let peer = Peer {
        origin: Origin::socket(),
        connection: 1,
    };
    let (mut client, near) = tokio::io::duplex(4096);
    let as_ann = user("ann", "ann-secret");
    let (accepted, greeted) = tokio::join!(login(&mut client, &as_ann, DEPRECATE_EOF), async {
        let mut greeted = greet(near, &router.front, &peer, &CancellationToken::new())
            .await
            .unwrap();
        let mut backend = UnixStream::connect(server.socket()).await.unwrap();
        let accepted = login(&mut backend, &greeted.login, DEPRECATE_EOF).await.unwrap();
        let mut packets = Packets::new(&mut greeted.stream, greeted.sequence);
        packets.write(LET_IN).await.unwrap();
        (greeted, backend, accepted)
    });
    let (mut greeted, mut backend, before) = greeted;
    let mut known = accepted.unwrap();
    let mut scramble = greeted.scramble;
    for (name, password, good) in [
        ("bob", "wrong", false),
        ("bob", "bob-secret", true),
        ("ann", "ann-secret", true),
    ] {
        let as_whom = user(name, password);
        let router_side = async {
            let packet = Packets::new(&mut greeted.stream, 0).read(PHASE_MAX).await.unwrap();
            assert!(Change::parse(&packet, greeted.login.capabilities).is_some());
            let changed = change(
                &mut greeted.stream,
                &router.front,
                &peer,
                &packet,
                &greeted.login,
                &scramble,
            )
            .await;
            let (login, sequence) = match changed {
                Ok(changed) => changed,
                Err(GreetError::Refused(error)) => return assert_eq!(error.code, 1045),
                Err(error) => panic!("{error}"),
            };
            let accepted = change_user(&mut backend, &login, &before).await.unwrap();
            assert_eq!(accepted.thread_id, before.thread_id);
            let who = cell(&query(&mut backend, WHO).await.unwrap());
            assert_eq!(who, format!("{name}@localhost"));
            Packets::new(&mut greeted.stream, sequence).write(LET_IN).await.unwrap();
        };
        let (changed, ()) = tokio::join!(change_user(&mut client, &as_whom, &known), router_side);
        match changed {
            Ok(accepted) => known = accepted,
            Err(LoginError::Refused(error)) => assert!(!good && error.code == 1045),
            Err(error) => panic!("{error}"),
        }
        scramble = greeted.scramble;
    }
}
