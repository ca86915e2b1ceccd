//! What servers report of a session, for a client that sets this itself, as MariaDB's connector for Java does when it connects.
//! It names a few variables, and then the server tells the router neither where a write is nor what else is set.

use super::compose::TRACKING;
use super::exchange::{Refusal, Stop, say};
use super::job::Job;
use super::session::Session;
use crate::mysql::session::needs::Effect;
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::sql::set::{Target, effects};
use crate::mysql::wire::capabilities::Track;
use crate::mysql::wire::command::Command;
use crate::mysql::wire::reply::{End, Outcome};
use crate::mysql::wire::statement::statement_id;

/// How the names of these variables begin.
const NAMES: &[u8] = b"session_track_";

impl Session {
    /// Whether a statement that was answered has perhaps set what the server reports.
    pub(super) fn sets_tracking(&self, job: &Job, outcome: &Outcome) -> bool {
        let perhaps = match job.needs.effect {
            Effect::Session => true,
            // Several statements in one text, or one that is not understood.
            Effect::Unknown => outcome.state_changed || !outcome.changes.is_empty() || outcome.end != End::Ok,
            _ => false,
        };
        perhaps && self.text(job).is_some_and(names_tracking)
    }

    /// Makes the server report everything again, and what the same `SET` has set unreported. The client has its reply already, so
    /// this costs only whoever does not wait for that. From now on it is told everything, too, and skips what it did not ask for.
    pub(super) async fn track_again(&mut self, job: &Job, side: Side, outcome: &Outcome) {
        if self.wire_dialect.track == Track::Default {
            self.wire_dialect.track = Track::Everything;
        }
        let unreported = match outcome.end {
            End::Ok => self.set_unreported(job),
            End::Err { .. } => String::new(),
        };
        let mut said = self.say_to(side, &format!("{TRACKING}{unreported}")).await;
        if matches!(said, Some(Ok(Err(_)))) {
            let shape = self.shape(job);
            self.pin(Pin::Settings, &shape);
            said = self.say_to(side, TRACKING).await;
        }
        match said {
            Some(Ok(Ok(outcome))) => self.changed(job, side, &outcome),
            Some(Ok(Err(_)) | Err(_)) | None => match side {
                Side::Primary => {
                    self.drop_backend(Side::Primary);
                    self.lost_between();
                }
                Side::Replica => self.replica_lost_between(),
            },
        }
    }

    /// Whether a command of a transaction that is replayed has perhaps set what the server reports.
    pub(super) fn replays_tracking(&self, payload: &[u8]) -> bool {
        let command = Command::from_byte(payload.first().copied().unwrap_or_default());
        let prepared = statement_id(payload).ok().filter(|_| command == Command::StmtExecute);
        let statement = prepared.and_then(|own| self.state.statements.get(own));
        names_tracking(statement.map_or(payload, |statement| &statement.text))
    }

    async fn say_to(&mut self, side: Side, sql: &str) -> Option<Result<Result<Outcome, Refusal>, Stop>> {
        let backend = self.backend(side)?;
        Some(say(backend, sql.as_bytes()).await)
    }

    /// Gives each variable of a `SET` the value that it has.
    fn set_unreported(&self, job: &Job) -> String {
        let text = self.text(job).unwrap_or_default();
        effects(text, self.state.dialect)
            .filter_map(|effect| match effect.target {
                Target::Variable(name) => std::str::from_utf8(name).ok(),
                _ => None,
            })
            .filter(|name| !names_tracking(name.as_bytes()) && name.bytes().all(is_plain))
            .map(|name| format!(",{name}=@@SESSION.{name}"))
            .collect()
    }
}

/// Of the names of variables, of which none needs quotes.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a text may be about what servers report.
fn names_tracking(text: &[u8]) -> bool {
    text.windows(NAMES.len()).any(|word| word.eq_ignore_ascii_case(NAMES))
}
