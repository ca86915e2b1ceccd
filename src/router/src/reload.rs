//! Takes up a changed configuration while serving.
//!
//! Limits, reads, pooling and the supervisors' addresses count from the moment of the change. Everything else is what the
//! router *is* or what it has opened; a change there is kept for the next start, and a start that takes over from the
//! running process loses nothing.

use quorate_api::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use std::sync::Arc;

use crate::Config;
use crate::config::Live;

/// Takes up changes until `stop`.
pub(crate) async fn take_up(live: Live, mut changes: watch::Receiver<Config>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        let wanted = changes.borrow_and_update().clone();
        if let Err(error) = wanted.check() {
            tracing::error!(%error, "the changed configuration cannot be used; the present one stays");
            continue;
        }
        let (next, fixed) = merged(&live.load(), wanted);
        if !fixed.is_empty() {
            let fields = fixed.join(", ");
            tracing::warn!(
                fields,
                "changed, but these take effect with the next start (`quorate route --take-over`)"
            );
        }
        if next == **live.load() {
            continue;
        }
        live.store(Arc::new(next));
        tracing::info!(at = Clock.unix().0, "the changed configuration is in effect");
    }
}

/// What counts from now on, and which changed fields do not.
fn merged(present: &Config, wanted: Config) -> (Config, Vec<&'static str>) {
    // Named one by one, so that whoever adds a setting decides here.
    let Config {
        router,
        cluster,
        supervisors,
        listen,
        tls,
        state_file,
        threads,
        limits,
        reads,
        pool,
        service,
        credentials_file,
        client_tls,
        server,
        local_infile,
    } = wanted;
    let fixed = [
        ("router", router != present.router),
        ("cluster", cluster != present.cluster),
        ("listen", listen != present.listen),
        ("tls", tls != present.tls),
        ("state_file", state_file != present.state_file),
        ("threads", threads != present.threads),
        ("service", service != present.service),
        ("credentials_file", credentials_file != present.credentials_file),
        ("client_tls", client_tls != present.client_tls),
        ("server", server != present.server),
        ("local_infile", local_infile != present.local_infile),
    ];
    let next = Config {
        supervisors,
        limits,
        reads,
        pool,
        ..present.clone()
    };
    let fixed = fixed
        .into_iter()
        .filter_map(|(field, changed)| changed.then_some(field));
    (next, fixed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::least;

    #[test]
    fn limits_change_and_addresses_stay_until_the_next_start() {
        let present: Config = serde_json::from_value(least()).unwrap();
        let mut wanted = present.clone();
        wanted.limits.max_connections = 7;
        wanted.reads.max_lag_ms = 9;
        wanted.pool.idle_max = 0;
        wanted.listen.rw = "127.0.0.1:9".parse().unwrap();
        wanted.threads = 3;
        let (next, fixed) = merged(&present, wanted.clone());
        assert_eq!(fixed, ["listen", "threads"]);
        assert_eq!(
            (next.limits.clone(), next.reads.clone(), next.pool.clone()),
            (wanted.limits, wanted.reads, wanted.pool)
        );
        assert_eq!((next.listen, next.threads), (present.listen, present.threads));
    }
}
