//! What a read-only transaction on a replica cannot have.

use super::job::Job;
use super::session::{End, Session};
use crate::mysql::session::needs::Effect;
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::sql::set::{Target, effects};

/// `ER_NOT_SUPPORTED_YET`.
const NOT_SUPPORTED: (u16, [u8; 5]) = (1235, *b"42000");

impl Session {
    /// Looks at a job while such a transaction is open. State that lives in one connection would be the replica's, and gone
    /// with the transaction, since afterwards the primary is asked for it. So it is refused. `true` if the client has its answer.
    pub(super) async fn does_not_only_read(&mut self, job: &Job) -> Result<bool, End> {
        if job.needs.effect == Effect::Begin && !job.needs.read_only {
            // It ends where the next one begins, and that one may write.
            self.drop_backend(Side::Replica);
            return Ok(false);
        }
        let Some(pin) = job.needs.pin.or_else(|| self.sets_a_variable_from_an_expression(job)) else {
            return Ok(false);
        };
        let text = format!(
            "quorate router {}: a read-only transaction is on a replica, and a {pin} made there would be lost with it; begin the \
             transaction without READ ONLY, or with the hint /* quorate route to primary */",
            self.split.visitor.router
        );
        self.send_error(NOT_SUPPORTED.0, NOT_SUPPORTED.1, &text).await?;
        Ok(true)
    }

    fn sets_a_variable_from_an_expression(&self, job: &Job) -> Option<Pin> {
        if job.needs.effect != Effect::Session {
            return None;
        }
        let text = self.text(job).unwrap_or_default();
        effects(text, self.state.dialect)
            .any(|effect| matches!(effect.target, Target::User(_)) && (!effect.literal || effect.depends_on_dialect()))
            .then_some(Pin::UserVariable)
    }
}
