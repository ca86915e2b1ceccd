//! Asks for the position of what a server committed without saying where.

use super::exchange::say;
use super::session::Session;
use crate::mysql::session::route::Side;
use crate::mysql::wire::ok::Status;

/// The sequence number of the connection's last transaction; nothing if it had none.
const QUESTION: &[u8] = b"SELECT CAST(SUBSTRING_INDEX(@@last_gtid, '-', -1) AS SIGNED)";

impl Session {
    /// A write in bulk was answered, without its GTID: servers up to 10.11 at least leave it out there. The session's next read
    /// must see it all the same. The client has its reply already, so this costs only whoever does not wait for that.
    pub(super) async fn ask_position(&mut self) {
        if self.state.status.any(Status::IN_TRANS) {
            // Its COMMIT will tell.
            return;
        }
        let Some(backend) = self.primary.as_deref_mut() else {
            return;
        };
        let epoch = backend.epoch;
        let sequence = if let Ok(Ok(outcome)) = say(backend, QUESTION).await {
            let number = outcome.first.and_then(|first| first.number_or_zero());
            number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
        } else {
            self.drop_backend(Side::Primary);
            self.lost_between();
            // Nobody can say any more. Whoever has anything of the next epoch has all of this one.
            epoch.next().first_seq()
        };
        self.state.token = self.state.token.max(sequence);
        self.split.fleet.acknowledged(sequence);
    }
}
