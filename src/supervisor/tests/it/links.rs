//! Who may have a link, and what a supervisor refuses to start with.

use quorate_api::link::{Peer, RefusalCode, Welcome, receive};
use quorate_api::pki::Authority;
use quorate_api::tls::{Role, Tls};
use quorate_model::NodeId;
use tokio::io::AsyncReadExt;

use crate::group::{Group, chain, missing, refused};
use crate::played::greet;

fn agent(node: &str) -> Peer {
    Peer::Agent {
        node: NodeId::from(node),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_by_name() {
    let mut group = Group::new(1);
    group.start();
    group.client("viewer").status().await.ok();
    group.until("a leader", |_| true).await;
    let link = &group.links()[0];
    let m1 = group.issue(Role::Agent, "m1");
    for (tls, cluster, peer, code, words) in [
        (
            &m1,
            "other",
            agent("m1"),
            RefusalCode::ForeignCluster,
            "this is cluster `test`, not `other`",
        ),
        (
            &m1,
            "test",
            agent("m2"),
            RefusalCode::WrongName,
            "for m1.agent.quorate, not for m2.agent.quorate",
        ),
        (
            &group.issue(Role::Router, "m1"),
            "test",
            agent("m1"),
            RefusalCode::WrongName,
            "m1.router.quorate",
        ),
        (
            &group.issue(Role::Agent, "m9"),
            "test",
            agent("m9"),
            RefusalCode::UnknownPeer,
            "m9.agent.quorate is not declared",
        ),
    ] {
        match greet(tls, link, cluster, peer).await.unwrap().1 {
            Welcome::Refused { code: found, why } => {
                assert_eq!(found, code, "{why}");
                assert!(why.contains(words), "{why}");
            }
            Welcome::Accepted { .. } => panic!("{words}"),
        }
    }
    let foreign = Authority::create(&group.dir.path().join("foreign"), "foreign").unwrap();
    let foreign = Tls::load(&foreign.issue(Role::Agent, "m1", &[]).unwrap()).unwrap();
    assert!(
        greet(&foreign, link, "test", agent("m1")).await.is_err(),
        "a certificate of another authority"
    );
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_link_of_a_peer_replaces_its_old_one() {
    let mut group = Group::new(1);
    group.start();
    group.until("a leader", |_| true).await;
    let m1 = group.issue(Role::Agent, "m1");
    let (mut old, _) = greet(&m1, &group.links()[0], "test", agent("m1")).await.unwrap();
    let (mut new, _) = greet(&m1, &group.links()[0], "test", agent("m1")).await.unwrap();
    let ended = old.read_u8().await.unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::UnexpectedEof);
    // The new one stays: nothing ends it, and what it says wrongly does.
    quorate_api::link::send(&mut new, &"not a report").await.unwrap();
    assert!(
        receive::<quorate_api::link::FromSupervisor>(&mut new)
            .await
            .unwrap_err()
            .is_closed()
    );
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_at_the_start_is_named() {
    let group = Group::new(2);
    let config = group.configs["s1"].clone();

    let mut wrong = config.clone();
    wrong.tls = group.configs["s2"].tls.clone();
    let error = chain(&refused(wrong).await);
    assert!(
        error.contains("for s2.supervisor.quorate, but this is s1.supervisor.quorate"),
        "{error}"
    );

    let mut wrong = config.clone();
    wrong.tls.cert = missing(&wrong.tls);
    assert!(chain(&refused(wrong).await).contains("s1.gone"));

    let mut wrong = config.clone();
    wrong.tokens_file = missing(&wrong.tls);
    assert!(chain(&refused(wrong).await).contains("tokens file"));

    let taken = std::net::TcpListener::bind(config.listen.link).unwrap();
    let error = chain(&refused(config.clone()).await);
    assert!(
        error.contains(&format!("{} (listen.link)", config.listen.link)) && error.contains("in use"),
        "{error}"
    );
    drop(taken);

    // The folder is its own since the attempt above.
    let mut wrong = group.configs["s2"].clone();
    wrong.data_dir = config.data_dir.clone();
    let error = chain(&refused(wrong).await);
    assert!(
        error.contains("belongs to supervisor s1 of cluster `test`, but this is s2"),
        "{error}"
    );
    let mut wrong = config.clone();
    wrong.cluster.id = "other".to_owned();
    let error = chain(&refused(wrong).await);
    assert!(error.contains("but this is s1 of cluster `other`"), "{error}");

    let mut wrong = config;
    wrong.id = "s7".to_owned();
    assert!(chain(&refused(wrong).await).contains("`s7` is not among `peers`"));
}
