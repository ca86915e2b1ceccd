//! MySQL connections through a lab's router, as any application would open them.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use tokio::time::timeout;

use super::inventory::{AccountEntry, Inventory};
use crate::output::Problem;

/// Given, so that no connection begins by asking for them.
const PACKET_MAX_BYTES: usize = 16 << 20;
const IDLE_MAX_SECS: usize = 28_800;

/// How to reach `address` as `account`.
pub(crate) fn options(address: &str, account: &AccountEntry) -> Option<Opts> {
    let (host, port) = address.rsplit_once(':')?;
    let builder = OptsBuilder::default()
        .ip_or_hostname(host)
        .tcp_port(port.parse().ok()?)
        .user(Some(&account.user))
        .pass(Some(&account.password))
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_MAX_BYTES))
        .wait_timeout(Some(IDLE_MAX_SECS));
    Some(builder.into())
}

/// How to reach the lab's first router for writing, as the application.
pub(crate) fn writing(inventory: &Inventory) -> Result<Opts, Problem> {
    inventory
        .routers
        .first()
        .and_then(|router| options(&router.rw, &inventory.accounts.app))
        .ok_or_else(|| Problem::new("the lab has no router", "start it anew with `quorate lab up`"))
}

/// Whether a writable server answers through the router within `limit`.
pub(crate) async fn is_writable(opts: &Opts, limit: Duration) -> bool {
    let ask = async {
        let mut conn = Conn::new(opts.clone()).await.ok()?;
        let read_only: Option<u8> = conn.query_first("SELECT @@global.read_only").await.ok()?;
        let _ = conn.disconnect().await;
        read_only
    };
    timeout(limit, ask).await.ok().flatten() == Some(0)
}
