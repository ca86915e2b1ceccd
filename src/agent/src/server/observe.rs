//! Looks at the server again and again.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_mariadb::probe::newest_heartbeat;
use quorate_mariadb::{Session, observe};
use tokio::time::{sleep, timeout};

use super::Site;
use crate::machine::Event;

/// A server that does not answer within this is asked again on a new session.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// As long as it goes on not answering, new sessions are opened this rarely: each abandoned one occupies a thread.
const ANSWER_MAX_HANGING: Duration = Duration::from_secs(60);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the newest heartbeat is read on a replica.
const LAG_EVERY: Duration = Duration::from_millis(500);

/// Tells facts at the machine's pace, and soon after the replication stream fell silent.
pub(super) async fn facts(site: Arc<Site>, boot: u64) {
    let mut session: Option<Session> = None;
    let mut limit = ANSWER_MAX;
    loop {
        let pace = site.mood.observe_every();
        let _early = timeout(pace, site.nudge.notified()).await;
        let mut open = match session.take() {
            Some(open) => open,
            None => match site.connector.connect(limit).await {
                Ok(open) => open,
                Err(_) => {
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        match observe(&mut open, limit).await {
            Ok(found) => {
                limit = ANSWER_MAX;
                let facts = found.report(site.mood.lag());
                session = Some(open);
                if site.events.send(Event::Facts { boot, facts }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the server does not answer");
                limit = ANSWER_MAX_HANGING;
                sleep(PAUSE).await;
            }
        }
    }
}

/// Reads how old the newest heartbeat is. On a session of its own: the table may be locked.
pub(super) async fn lag(site: Arc<Site>) {
    let mut session: Option<Session> = None;
    loop {
        sleep(LAG_EVERY).await;
        let mut open = match session.take() {
            Some(open) => open,
            None => match site.connector.connect(ANSWER_MAX).await {
                Ok(open) => open,
                Err(_) => continue,
            },
        };
        match newest_heartbeat(&mut open, ANSWER_MAX_HANGING).await {
            Ok(found) => {
                site.mood
                    .set_lag(found.map(|(_, beat)| Clock.unix().0.saturating_sub(beat)));
                session = Some(open);
            }
            Err(error) => {
                tracing::debug!(%error, "the heartbeat cannot be read");
                site.mood.set_lag(None);
            }
        }
    }
}
