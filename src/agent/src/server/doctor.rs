//! Checks, again and again, everything that the promise rests on.

use std::sync::Arc;
use std::time::Duration;

use quorate_mariadb::Session;
use quorate_mariadb::doctor::examine;
use tokio::time::sleep;

use super::Site;
use crate::machine::Event;

/// First check after a start.
const FIRST_AFTER: Duration = Duration::from_secs(2);
/// Between two checks.
const EVERY: Duration = Duration::from_secs(10);
/// For one check.
const LIMIT: Duration = Duration::from_secs(10);

/// Tells what is found, whenever that changes.
pub(super) async fn work(site: Arc<Site>) {
    let mut told = Vec::new();
    let mut session: Option<Session> = None;
    sleep(FIRST_AFTER).await;
    loop {
        let role = site.mood.role();
        let mut open = match session.take() {
            Some(open) => Some(open),
            None => site.connector.connect(LIMIT).await.ok(),
        };
        if let Some(open) = &mut open
            && let Ok(found) = examine(open, role, &site.secrets, LIMIT).await
            // A role that changed meanwhile makes right values look wrong.
            && role == site.mood.role()
            && found != told
        {
            for finding in &found {
                let (code, problem) = (&finding.code, &finding.problem);
                tracing::warn!(
                    code,
                    problem,
                    lost = finding.lost_guarantee,
                    "the doctor found something"
                );
            }
            told.clone_from(&found);
            if site.events.send(Event::Findings(found)).await.is_err() {
                return;
            }
        }
        session = open.filter(|open| !open.is_broken());
        sleep(EVERY).await;
    }
}
