//! The mechanical floor: the same promotion done by hand on the same kind of servers, by somebody who already knows that
//! the primary is dead, who leads next, and that nobody else decides.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use quorate_api::clock::Clock;
use quorate_mariadb::act::{
    Backlog, EpochRow, Events, Source, arm, attach, drain, open_writes, salvage, stop_receiving, write_epoch_row,
};
use quorate_mariadb::observe;
use quorate_model::Epoch;

mod trio;

use trio::{HandNode, Relay, trio};

/// Longest that one verb may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Times from SIGKILL of the primary to the first acknowledged write on its successor, `rounds` times.
///
/// # Errors
/// If a server refuses a step.
pub async fn by_hand(rounds: u64) -> Result<Vec<Duration>> {
    let mut nodes = trio().await?;
    let mut relay = promote_first(&mut nodes).await?;
    let mut gaps = Vec::new();
    for round in 0..rounds {
        let epoch = round.saturating_add(2);
        let struck = Clock.now();
        nodes[0].kill()?;
        // The dead primary goes to the end: it is whoever comes back after the promotion.
        nodes.rotate_left(1);
        relay = promote(&mut nodes, epoch).await?;
        insert(&nodes[0], epoch).await?;
        gaps.push(Clock.now().since(struck));
        let back = &mut nodes[2];
        back.reap(LIMIT).await?;
        back.start(LIMIT).await?;
        salvage(back.session()?, LIMIT).await?;
        follow(back, &relay, &Backlog::Refuse).await?;
        catch_up(&mut nodes).await?;
    }
    drop(relay);
    Ok(gaps)
}

async fn promote_first(nodes: &mut [HandNode]) -> Result<Relay> {
    let relay = Relay::to(nodes[0].socket()).await?;
    for node in &mut nodes[1..] {
        follow(node, &relay, &Backlog::Refuse).await?;
    }
    lead(&mut nodes[0], 1).await?;
    let mut conn = client(&nodes[0]).await?;
    conn.query_drop("CREATE DATABASE IF NOT EXISTS app").await?;
    conn.query_drop("CREATE TABLE app.floor (id BIGINT UNSIGNED PRIMARY KEY)")
        .await?;
    conn.disconnect().await?;
    catch_up(nodes).await?;
    Ok(relay)
}

/// Revoke both survivors at once, apply, repoint, arm, prove the ack set, open.
async fn promote(nodes: &mut [HandNode], epoch: u64) -> Result<Relay> {
    let (first, rest) = nodes.split_at_mut(1);
    let (candidate, other) = (&mut first[0], &mut rest[0]);
    let (ahead, behind) = tokio::join!(
        stop_receiving(candidate.session()?, LIMIT),
        stop_receiving(other.session()?, LIMIT)
    );
    let (ahead, behind) = (ahead?, behind?);
    if !ahead.received.covers(&behind.received) {
        std::mem::swap(candidate, other);
    }
    let most = if ahead.received.covers(&behind.received) {
        ahead
    } else {
        behind
    };
    let relay = Relay::to(candidate.socket()).await?;
    let covered = Backlog::CoveredBy(most.received.clone());
    let lead = async {
        drain(candidate.session()?, &most.received, LIMIT).await?;
        lead(candidate, epoch).await
    };
    let (led, followed) = tokio::join!(lead, follow(other, &relay, &covered));
    led?;
    followed?;
    Ok(relay)
}

async fn lead(node: &mut HandNode, epoch: u64) -> Result<()> {
    let name = node.name().to_owned();
    let session = node.session()?;
    let armed = arm(session, LIMIT).await?;
    let row = EpochRow {
        epoch: Epoch(epoch),
        operation: "by-hand".into(),
        node: name.as_str().into(),
        previous: armed.binlog_pos,
    };
    write_epoch_row(session, &row, LIMIT).await?;
    open_writes(session, Events::Off, LIMIT).await?;
    Ok(())
}

async fn follow(node: &mut HandNode, relay: &Relay, backlog: &Backlog) -> Result<()> {
    let source = Source {
        host: "127.0.0.1".to_owned(),
        port: relay.port(),
        account: node.secrets().replication.clone(),
    };
    attach(node.session()?, &source, backlog, LIMIT).await?;
    Ok(())
}

async fn catch_up(nodes: &mut [HandNode]) -> Result<()> {
    let (first, rest) = nodes.split_at_mut(1);
    let end = observe(first[0].session()?, LIMIT).await?.binlog_pos;
    for node in rest {
        let session = node.session()?;
        let reached = async {
            while !observe(session, LIMIT).await?.slave_pos.covers(&end) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok::<_, anyhow::Error>(())
        };
        tokio::time::timeout(LIMIT, reached)
            .await
            .context("a replica does not catch up")??;
    }
    Ok(())
}

async fn client(node: &HandNode) -> Result<Conn> {
    let account = &node.secrets().app;
    let options = OptsBuilder::default()
        .socket(node.socket().to_str())
        .user(Some(account.user.clone()))
        .pass(Some(trio::APP_PASSWORD));
    Ok(Conn::new(options).await?)
}

async fn insert(node: &HandNode, id: u64) -> Result<()> {
    let mut conn = client(node).await?;
    conn.query_drop(format!("INSERT INTO app.floor VALUES ({id})")).await?;
    conn.disconnect().await?;
    Ok(())
}
