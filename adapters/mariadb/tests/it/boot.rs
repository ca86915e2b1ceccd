//! A booted server stands behind the gate.

use quorate_mariadb::doctor::{Role, examine};
use quorate_model::GtidSet;

use crate::support::{LIMIT, Node, secrets};

#[tokio::test(flavor = "multi_thread")]
async fn a_booted_server_is_behind_the_gate() {
    let mut node = Node::started("m1", 11).await;
    let facts = node.facts().await;
    assert_eq!(facts.server_id, 11);
    assert!(facts.read_only);
    assert!(!facts.event_scheduler);
    assert!(!facts.semi_sync.master_enabled);
    assert!(facts.semi_sync.slave_enabled);
    assert!(facts.replication.is_none());
    // Initialised with the binlog off: a fresh node has no history that another could lack.
    assert_eq!(facts.binlog_state, GtidSet::new());
    let findings = examine(node.session(), Role::Replica, &secrets(), LIMIT).await.unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_listens_on_its_socket_only() {
    let node = Node::started("m1", 1).await;
    let port: Vec<(String, u32)> = node.query("SHOW VARIABLES LIKE 'port'").await;
    assert_eq!(port[0].1, 0);
}
