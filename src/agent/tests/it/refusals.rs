//! Bad input: each gets a clear error that names the thing and the remedy.

use quorate_agent::{Error, run};
use quorate_api::link::{DoorWelcome, Purpose, RefusalCode};
use quorate_model::Epoch;
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, MiniRouter};

async fn refused(config: quorate_agent::Config) -> (Error, String) {
    let error = run(config, CancellationToken::new()).await.unwrap_err();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    println!("{text}");
    (error, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_cannot_start_says_why() {
    let cluster = Cluster::gated(&[]).await;
    let good = cluster.config("m1", 1);

    let mut config = good.clone();
    config.relay.listen = "0.0.0.0:1".parse().unwrap();
    config.node = "m_1".to_owned();
    let (_, text) = refused(config).await;
    assert!(text.contains("relay.listen") && text.contains("node: `m_1`"));

    let mut config = good.clone();
    config.node = "m2".to_owned();
    assert!(refused(config).await.1.contains("m1.agent.quorate"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = good.clone();
    config.door.listen = taken.local_addr().unwrap();
    assert!(refused(config).await.1.contains("door.listen"));

    let mut config = good.clone();
    config.server.mariadbd = Some("/nonexistent/mariadbd".into());
    assert!(refused(config).await.1.contains("mariadbd"));

    let mut config = good.clone();
    config.server.home = cluster.home.path().join("x".repeat(120));
    assert!(refused(config).await.1.contains("107 bytes"));

    let mut config = good.clone();
    config.secrets_dir = cluster.home.path().join("nowhere");
    assert!(refused(config).await.1.contains("nowhere"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_or_forgetful_data_directory_is_not_touched() {
    let mut cluster = Cluster::gated(&["m1"]).await;
    cluster.ask_to_stop("m1");
    cluster.stopped("m1").await.unwrap();
    let home = cluster.agents["m1"].config.server.home.clone();

    let mut other = cluster.config("m2", 2);
    other.server.home = home.clone();
    let (_, text) = refused(other).await;
    assert!(text.contains("belongs to node `m1`"), "{text}");

    let mut foreign = cluster.agents["m1"].config.clone();
    foreign.cluster = "other".to_owned();
    let (_, text) = refused(foreign).await;
    assert!(text.contains("cluster `test`"), "{text}");

    std::fs::remove_file(home.join("quorate-agent.json")).unwrap();
    let (error, text) = refused(cluster.agents["m1"].config.clone()).await;
    assert!(matches!(error, Error::Memory(_)), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_refuses_strangers_by_code() {
    let cluster = Cluster::open(&["m1", "m2"]).await;
    let door = cluster.door("m1");
    let router = &cluster.router;
    let stranger = MiniRouter::new(&cluster.authority, "r9");
    let good = router.hello(1, true);
    let mut cases = vec![
        (
            router,
            {
                let mut hello = good.clone();
                hello.protocol = 99;
                hello
            },
            RefusalCode::Protocol,
        ),
        (
            router,
            {
                let mut hello = good.clone();
                hello.cluster = "other".into();
                hello
            },
            RefusalCode::ForeignCluster,
        ),
        (router, router.hello(0, true), RefusalCode::StaleEpoch),
        (router, router.hello(2, true), RefusalCode::NotOpen),
        (router, stranger.hello(1, true), RefusalCode::WrongName),
    ];
    let mut as_agent = good.clone();
    as_agent.purpose = Purpose::Replicate { node: "m2".into() };
    cases.push((router, as_agent, RefusalCode::WrongName));
    for (who, hello, wanted) in cases {
        let (_, welcome) = who.dial("m1", &door, &hello).await;
        let DoorWelcome::Refused { code, epoch, why } = welcome else {
            panic!("{hello:?} was admitted")
        };
        println!("{code:?}: {why}");
        assert_eq!((code, epoch), (wanted, Epoch(1)));
    }
    let (_, welcome) = stranger.dial("m1", &door, &stranger.hello(1, true)).await;
    assert!(matches!(
        welcome,
        DoorWelcome::Refused {
            code: RefusalCode::NotAdmitted,
            ..
        }
    ));
}
