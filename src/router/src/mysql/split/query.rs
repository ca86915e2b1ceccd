//! COM_QUERY.

use super::job::{Job, Wire};
use super::kill::Order;
use super::session::{End, Session};
use crate::mysql::recover::marker::MARKED_BYTES_MAX;
use crate::mysql::session::needs::{Effect, Needs, Place};
use crate::mysql::sql::classify::classify;
use crate::mysql::sql::verdict::{Class, Verdict};
use crate::mysql::wire::command::Command;

impl Session {
    /// Answers a statement.
    pub(super) async fn query(&mut self, len: usize, whole: bool) -> Result<(), End> {
        let text = self.payload(len);
        let dialect = self.state.dialect;
        let verdict = classify(text, dialect);
        let mut needs = self.needs(text, &verdict);
        match verdict.class {
            Class::ExplainRoute(_) | Class::ShowQuorate(_) | Class::ConnectionId { .. } if whole => {
                return Box::pin(self.local(len)).await;
            }
            Class::Kill(kill) if whole => {
                let kill = Order::of(&kill, &verdict, dialect, self.card.id);
                return Box::pin(self.kill(kill, len)).await;
            }
            _ => {}
        }
        if self.state.unmarked {
            needs = needs.unmarked();
        }
        if self.state.chains && matches!(needs.effect, Effect::Commit | Effect::Rollback) {
            needs.effect = Effect::Unknown;
        }
        if !whole {
            // The rest may hold anything, further statements included.
            needs = Needs {
                place: Place::Primary,
                effect: if needs.is_marked() {
                    needs.effect
                } else {
                    Effect::Unknown
                },
                ..needs
            };
        }
        let marked = whole && needs.is_marked() && len < MARKED_BYTES_MAX;
        let job = Job {
            command: Command::Query,
            len,
            whole,
            needs,
            wire: if marked { Wire::Marked } else { Wire::AsIs },
        };
        self.carry_out(&job).await?;
        Ok(())
    }

    /// What a text needs in this session.
    pub(super) fn needs(&self, text: &[u8], verdict: &Verdict<'_>) -> Needs {
        let needs = Needs::of(text, verdict);
        if needs.place == Place::Anywhere && self.state.temporary.mentioned_in(text, self.state.dialect) {
            return Needs {
                place: Place::Primary,
                why: "mentions a temporary table",
                ..needs
            };
        }
        needs
    }
}
