//! What a router that cannot start says, and that foreign peers do not lead it astray.

use quorate_api::tls::Role;
use quorate_router::{Error, Router};

use crate::door::{Admits, Door};
use crate::supervisor::Supervisor;
use crate::world::{Running, World, connect, greeting, refusal, table, write_file};

#[tokio::test]
async fn a_port_in_use_is_named_with_its_field() {
    let world = World::new();
    let other = world.router(&[]).await;
    let mut config = world.config(&[]);
    config.listen.ro = other.rw;
    let error = Router::bind(config).await.unwrap_err();
    assert!(matches!(error, Error::Listen { field: "ro", .. }));
    let text = error.to_string();
    assert!(
        text.contains("listen.ro") && text.contains("another process has it"),
        "{text}"
    );
}

#[tokio::test]
async fn another_ones_certificate_is_refused() {
    let world = World::new();
    for (role, name) in [(Role::Router, "r2"), (Role::Agent, "r1")] {
        let mut config = world.config(&[]);
        config.tls = world.files(role, name);
        let text = Router::bind(config).await.unwrap_err().to_string();
        assert!(
            text.contains(&role.dns_name(name)) && text.contains("r1.router.quorate"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_state_file_of_another_cluster_is_refused_and_a_damaged_one_set_aside() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let router = world.router(&[&supervisor]).await;
    supervisor.push(table(2, 5, None, &[]));
    supervisor.confirmed(2).await;
    router.stop().await;
    let mut config = world.config(&[]);
    config.cluster = "other".into();
    assert!(matches!(
        Router::bind(config).await,
        Err(Error::ForeignStateFile { .. })
    ));

    write_file(&world.path("state/r1.routes"), "rubbish");
    Router::bind(world.config(&[])).await.unwrap();
    assert!(world.path("state/r1.routes.damaged").exists());
}

#[tokio::test]
async fn a_supervisor_of_another_cluster_is_no_help() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let mut config = world.config(&[&supervisor]);
    config.cluster = "other".into();
    config.limits.hold_wait_ms = 200;
    let router = Running::start(config).await;
    supervisor.push(table(2, 5, None, &[]));
    let (_, text) = refusal(&mut connect(router.rw).await).await;
    assert!(text.contains("no supervisor has sent"), "{text}");
    assert_eq!(supervisor.last(), None);
}

#[tokio::test]
async fn a_door_of_another_node_is_not_passed() {
    let world = World::new();
    let supervisor = Supervisor::start(&world, "s1").await;
    let m1 = Door::echo(&world, "m1", Admits::Everyone(1)).await;
    let mut config = world.config(&[&supervisor]);
    config.limits.hold_wait_ms = 200;
    let router = Running::start(config).await;
    let mut wrong = table(1, 5, Some(&m1), &[]);
    wrong.writable.as_mut().unwrap().node = "m2".into();
    supervisor.push(wrong);
    supervisor.confirmed(1).await;
    let (_, text) = refusal(&mut connect(router.rw).await).await;
    assert!(text.contains("no TLS session"), "{text}");
    assert_eq!(m1.knocks(), 0);

    supervisor.push(table(1, 6, Some(&m1), &[]));
    supervisor.report(|report| report.index == 6).await;
    assert_eq!(greeting(&mut connect(router.rw).await).await, "m1");
}
