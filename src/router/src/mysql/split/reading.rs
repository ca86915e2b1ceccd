//! What a read-only transaction on a replica cannot have.

use super::codes::{NOT_SUPPORTED, READ_ONLY_TRANSACTION};
use super::exchange::say;
use super::job::Job;
use super::session::{End, Session};
use crate::mysql::session::needs::{Effect, Within};
use crate::mysql::session::pins::Pin;
use crate::mysql::session::route::Side;
use crate::mysql::session::several::{Several, several};
use crate::mysql::sql::set::{Target, effects};

/// What a server says to a write in such a transaction.
const REFUSED: &str = "Cannot execute statement in a READ ONLY transaction";
/// Lets a server say it, so that it is what `SHOW WARNINGS` shows afterwards.
const REFUSE: &[u8] =
    b"SIGNAL SQLSTATE '25006' SET MYSQL_ERRNO=1792,MESSAGE_TEXT='Cannot execute statement in a READ ONLY transaction'";

impl Session {
    /// Looks at a job while such a transaction is open. State that lives in one connection would be the replica's, and gone
    /// with the transaction, since afterwards the primary is asked for it. So it is refused. `true` if the client has its answer.
    pub(super) async fn does_not_only_read(&mut self, job: &Job) -> Result<bool, End> {
        let ends = match job.needs.within {
            Within::End => true,
            Within::Part | Within::Beside => false,
            Within::Several => match several(
                self.text(job).unwrap_or_default(),
                self.state.dialect,
                self.state.chains,
            ) {
                Several::Read => return Ok(false),
                Several::EndFirst => true,
                Several::Mixed => {
                    let text = "several statements in one text run there only if all of them read, or the first one ends the \
                                transaction; send them one by one";
                    return self.refuse_within(text).await;
                }
            },
        };
        if ends {
            // Where it was nothing is left to keep, and what follows may write.
            self.drop_backend(Side::Replica);
            return Ok(false);
        }
        let Some(pin) = job.needs.pin.or_else(|| self.sets_a_variable_from_an_expression(job)) else {
            return Ok(false);
        };
        let text = format!(
            "a {pin} made there would be lost with it; begin the transaction without READ ONLY, or with the hint \
             /* quorate route to primary */"
        );
        self.refuse_within(&text).await
    }

    async fn refuse_within(&mut self, why: &str) -> Result<bool, End> {
        let router = &self.split.visitor.router;
        let text = format!("quorate router {router}: a read-only transaction is on a replica, and {why}");
        self.send_error(NOT_SUPPORTED.0, NOT_SUPPORTED.1, &text).await?;
        Ok(true)
    }

    /// Tells of a write in such a transaction what a server would: a replica has refused it for being one.
    pub(super) async fn refuse_write(&mut self) -> Result<(), End> {
        if let Some(replica) = self.replica.as_deref_mut()
            && say(replica, REFUSE).await.is_err()
        {
            // The next statement will tell.
            self.replica_lost_between();
        }
        self.state.last = Side::Replica;
        let (code, sqlstate) = READ_ONLY_TRANSACTION;
        self.send_error(code, sqlstate, REFUSED).await
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
