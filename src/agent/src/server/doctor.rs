//! Checks, again and again, everything that the promise rests on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_mariadb::Session;
use quorate_mariadb::doctor::{examine, settings};
use quorate_model::Finding;
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
    let (mut told, mut alike) = (Vec::new(), BTreeMap::new());
    let mut session: Option<Session> = None;
    sleep(FIRST_AFTER).await;
    loop {
        let role = site.mood.role();
        let mut open = match session.take() {
            Some(open) => Some(open),
            None => site.connector.connect(LIMIT).await.ok(),
        };
        let mut news = Vec::new();
        if let Some(open) = &mut open {
            if let Ok(found) = examine(open, role, &site.secrets, LIMIT).await
                // A role that changed meanwhile makes right values look wrong.
                && role == site.mood.role()
                && found != told
            {
                found.iter().for_each(log);
                told.clone_from(&found);
                news.push(Event::Findings(found));
            }
            if let Ok(read) = settings(open, LIMIT).await
                && read != alike
            {
                alike.clone_from(&read);
                news.push(Event::Alike(read));
            }
        }
        for event in news {
            if site.events.send(event).await.is_err() {
                return;
            }
        }
        session = open.filter(|open| !open.is_broken());
        sleep(EVERY).await;
    }
}

fn log(finding: &Finding) {
    tracing::warn!(
        code = finding.code,
        problem = finding.problem,
        lost = finding.lost_guarantee,
        "the doctor found something"
    );
}
