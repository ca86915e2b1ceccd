//! What is wrong is found, and the lost guarantee is named.

use mysql_async::prelude::Queryable;
use quorate_mariadb::doctor::{Role, examine, settings};
use quorate_model::ALIKE;

use crate::support::{LIMIT, Node, secrets};

async fn codes(node: &mut Node, role: Role) -> Vec<String> {
    let findings = examine(node.session(), role, &secrets(), LIMIT).await.unwrap();
    findings.into_iter().map(|finding| finding.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_variable_is_found_with_the_guarantee_it_costs() {
    let mut node = Node::started("m1", 1).await;
    node.admin().await.query_drop("SET GLOBAL sync_binlog=0").await.unwrap();
    let findings = examine(node.session(), Role::Replica, &secrets(), LIMIT).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].code, "variable.sync_binlog");
    assert!(findings[0].lost_guarantee.contains("power cut"), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_that_nodes_have_in_common_is_read() {
    let mut node = Node::started("m1", 1).await;
    let before = settings(node.session(), LIMIT).await.unwrap();
    assert_eq!(before.len(), ALIKE.len(), "{before:?}");
    let set = "SET GLOBAL log_bin_trust_function_creators = 1, sql_mode = ''";
    node.admin().await.query_drop(set).await.unwrap();
    let after = settings(node.session(), LIMIT).await.unwrap();
    let changed = ALIKE
        .iter()
        .filter(|alike| before[alike.variable] != after[alike.variable]);
    let changed: Vec<_> = changed.map(|alike| alike.variable).collect();
    assert_eq!(changed, ["log_bin_trust_function_creators", "sql_mode"], "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_without_semi_sync_is_found() {
    let mut node = Node::started("m1", 1).await;
    assert_eq!(
        codes(&mut node, Role::Armed).await,
        ["variable.rpl_semi_sync_master_enabled"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dangerous_accounts_are_found() {
    let mut node = Node::started("m1", 1).await;
    // As the agent, because nobody else may write behind the gate.
    let mut agent = node.client("quorate_agent", "agent-secret").await;
    let denied = agent.query_drop("CREATE USER x@localhost").await;
    assert!(denied.is_err(), "the agent must not be able to create accounts");
    node.open_for_test().await;
    let mut admin = node.admin().await;
    admin
        .query_drop("CREATE USER ops@localhost IDENTIFIED VIA unix_socket")
        .await
        .unwrap();
    // The admin cannot hand out what it does not hold.
    assert!(
        admin
            .query_drop("GRANT READ ONLY ADMIN ON *.* TO ops@localhost")
            .await
            .is_err()
    );
    admin.query_drop("UPDATE mysql.global_priv SET Priv=JSON_SET(Priv, '$.access', \
        (SELECT CAST(JSON_VALUE(Priv, '$.access') AS UNSIGNED) FROM mysql.global_priv WHERE User='quorate_agent')) WHERE User='ops'").await.unwrap();
    admin.query_drop("FLUSH PRIVILEGES").await.unwrap();
    let found = codes(&mut node, Role::Replica).await;
    for code in ["account.unix_socket", "account.read_only_admin"] {
        assert!(found.iter().any(|c| c == code), "{code} not in {found:?}");
    }
    // Only the accounts of this test: neither the admin nor the application is reported.
    assert_eq!(
        found.iter().filter(|code| code.starts_with("account.")).count(),
        2,
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_privilege_is_found() {
    let mut node = Node::started("m1", 1).await;
    node.open_for_test().await;
    let mut admin = node.admin().await;
    admin
        .query_drop("REVOKE RELOAD ON *.* FROM quorate_agent@localhost")
        .await
        .unwrap();
    let found = codes(&mut node, Role::Replica).await;
    assert!(found.iter().any(|code| code == "privilege.reload"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn non_transactional_tables_are_found() {
    let mut node = Node::started("m1", 1).await;
    node.open_for_test().await;
    let mut app = node.app().await;
    app.query_drop("CREATE DATABASE app").await.unwrap();
    for (name, engine) in [("a", "Aria"), ("m", "MyISAM"), ("i", "InnoDB")] {
        app.query_drop(format!("CREATE TABLE app.{name} (id INT) ENGINE={engine}"))
            .await
            .unwrap();
    }
    let findings = examine(node.session(), Role::Replica, &secrets(), LIMIT).await.unwrap();
    let found = findings
        .iter()
        .find(|finding| finding.code == "table.non_transactional")
        .unwrap();
    assert!(found.problem.ends_with("app.a, app.m"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routers_account_reads_what_it_must_and_writes_nothing_and_is_missed() {
    let mut node = Node::started("m1", 1).await;
    node.open_for_test().await;
    let mut router = node.client("quorate_router", "router-secret").await;
    for sql in [
        "SELECT Priv FROM mysql.global_priv",
        "SELECT epoch FROM quorate.epoch",
        "SELECT id FROM information_schema.processlist",
        "SHOW BINARY LOGS",
        "SHOW BINLOG EVENTS LIMIT 1",
        "SELECT @@gtid_binlog_pos, @@gtid_slave_pos",
    ] {
        router.query_drop(sql).await.unwrap();
    }
    for sql in [
        "DELETE FROM quorate.epoch",
        "SELECT * FROM mysql.user",
        "CREATE DATABASE app",
    ] {
        assert!(router.query_drop(sql).await.is_err(), "{sql}");
    }
    let mut admin = node.admin().await;
    admin
        .query_drop("REVOKE BINLOG MONITOR ON *.* FROM quorate_router@localhost")
        .await
        .unwrap();
    assert_eq!(
        codes(&mut node, Role::Primary)
            .await
            .iter()
            .filter(|code| code.starts_with("account."))
            .collect::<Vec<_>>(),
        ["account.router_privileges"]
    );
    admin.query_drop("DROP USER quorate_router@localhost").await.unwrap();
    let findings = examine(node.session(), Role::Replica, &secrets(), LIMIT).await.unwrap();
    let found = findings.iter().find(|it| it.code == "account.router_missing").unwrap();
    // The remedy, taken at its word.
    for sql in found.remedy.trim_start_matches("on the primary: ").split("; ") {
        let sql = match sql.split_once(" IDENTIFIED BY ") {
            Some((create, _)) => format!("{create} IDENTIFIED BY 'router-secret'"),
            None => sql.to_owned(),
        };
        admin.query_drop(sql).await.unwrap();
    }
    let found = codes(&mut node, Role::Replica).await;
    assert!(!found.iter().any(|code| code.starts_with("account.")), "{found:?}");
}
