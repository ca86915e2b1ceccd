//! What a session holds of its connection's own, counted, so that a pin ends when nothing is left.
//!
//! Only what is proven counts: each success of a statement that takes or gives back exactly one, as its answer says. Where
//! a statement may have taken something that no text tells of, the count proves nothing and the pin stays.

use super::pins::Pin;

/// Most statements prepared as text that are told apart; beyond them their pin stays.
const TEXTS_MAX: usize = 64;

/// What a statement takes, or gives back, if it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nothing.
    None,
    /// A user lock, if its only value is 1. False: it may take some, and does not say.
    TakeLock(bool),
    /// Gives one user lock back if its only value is 1.
    ReleaseLock,
    /// Gives all user locks back.
    ReleaseLocks,
    /// `LOCK TABLES` ends.
    UnlockTables,
    /// `HANDLER … OPEN`.
    OpenHandler,
    /// `HANDLER … CLOSE`.
    CloseHandler,
    /// `PREPARE name FROM`.
    PrepareText,
    /// `EXECUTE name`.
    ExecuteText,
    /// `DEALLOCATE PREPARE name`.
    ForgetText,
    /// The session's XA transaction is over: another one's could not be ended while it has its own.
    EndXa,
    /// May take what no text tells of.
    Opaque,
}

/// The counts of one session.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    locks: u32,
    /// Locks may have been taken that were not counted.
    locks_unsure: bool,
    handlers: u32,
    handlers_unsure: bool,
    texts: Vec<Text>,
    texts_unsure: bool,
}

/// A statement prepared as text.
#[derive(Debug)]
struct Text {
    name: Box<[u8]>,
    /// Executing it may take what no text tells of.
    opaque: bool,
}

impl Hold {
    /// Whether the first value of the answer must be known.
    pub(crate) const fn asks_for_value(self) -> bool {
        matches!(self, Self::TakeLock(true) | Self::ReleaseLock)
    }
}

impl Holdings {
    /// A statement has succeeded, with this first value. The pin that ends with it.
    pub(crate) fn done(&mut self, hold: Hold, value: Option<i64>) -> Option<Pin> {
        match hold {
            Hold::TakeLock(true) if value.is_some() => {
                self.locks = self.locks.saturating_add(u32::from(value == Some(1)));
                return (self.locks == 0 && !self.locks_unsure).then_some(Pin::UserLock);
            }
            Hold::TakeLock(_) => self.locks_unsure = true,
            Hold::ReleaseLock if value == Some(1) => {
                self.locks = self.locks.saturating_sub(1);
                return (self.locks == 0 && !self.locks_unsure).then_some(Pin::UserLock);
            }
            Hold::ReleaseLocks => {
                (self.locks, self.locks_unsure) = (0, false);
                return Some(Pin::UserLock);
            }
            Hold::OpenHandler => self.handlers = self.handlers.saturating_add(1),
            Hold::CloseHandler => {
                self.handlers = self.handlers.saturating_sub(1);
                return (self.handlers == 0 && !self.handlers_unsure).then_some(Pin::Handler);
            }
            Hold::UnlockTables => return Some(Pin::LockedTables),
            Hold::EndXa => return Some(Pin::XaTransaction),
            Hold::Opaque => (self.locks_unsure, self.handlers_unsure) = (true, true),
            Hold::None | Hold::ReleaseLock | Hold::PrepareText | Hold::ExecuteText | Hold::ForgetText => {}
        }
        None
    }

    /// A statement was prepared as text.
    pub(crate) fn prepared(&mut self, name: &[u8], opaque: bool) {
        if let Some(text) = self.texts.iter_mut().find(|text| text.name.eq_ignore_ascii_case(name)) {
            text.opaque = opaque;
        } else if self.texts.len() < TEXTS_MAX {
            let name = name.into();
            self.texts.push(Text { name, opaque });
        } else {
            self.texts_unsure = true;
        }
    }

    /// One was executed.
    pub(crate) fn executed(&mut self, name: &[u8]) {
        let known = self.texts.iter().find(|text| text.name.eq_ignore_ascii_case(name));
        if known.is_none_or(|text| text.opaque) {
            self.done(Hold::Opaque, None);
        }
    }

    /// One was forgotten. The pin that ends with it.
    pub(crate) fn forgot(&mut self, name: &[u8]) -> Option<Pin> {
        self.texts.retain(|text| !text.name.eq_ignore_ascii_case(name));
        (self.texts.is_empty() && !self.texts_unsure).then_some(Pin::PreparedText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lock_that_is_given_back_ends_the_pin() {
        let mut held = Holdings::default();
        assert_eq!(held.done(Hold::TakeLock(true), Some(1)), None);
        assert_eq!(held.done(Hold::TakeLock(true), Some(1)), None, "twice, or another one");
        assert_eq!(held.done(Hold::TakeLock(true), Some(0)), None, "others are held");
        assert_eq!(held.done(Hold::ReleaseLock, Some(1)), None);
        assert_eq!(held.done(Hold::ReleaseLock, Some(0)), None, "somebody else's");
        assert_eq!(held.done(Hold::ReleaseLock, Some(1)), Some(Pin::UserLock));
        assert_eq!(held.done(Hold::TakeLock(true), Some(0)), Some(Pin::UserLock), "not got");
    }

    #[test]
    fn what_was_not_counted_keeps_the_pin_until_all_are_given_back() {
        for unseen in [Hold::TakeLock(false), Hold::TakeLock(true), Hold::Opaque] {
            let mut held = Holdings::default();
            held.done(Hold::TakeLock(true), Some(1));
            held.done(unseen, None);
            assert_eq!(held.done(Hold::ReleaseLock, Some(1)), None, "{unseen:?}");
            assert_eq!(held.done(Hold::ReleaseLocks, None), Some(Pin::UserLock));
            held.done(Hold::TakeLock(true), Some(1));
            assert_eq!(held.done(Hold::ReleaseLock, Some(1)), Some(Pin::UserLock));
        }
    }

    #[test]
    fn handlers_are_counted() {
        let mut held = Holdings::default();
        held.done(Hold::OpenHandler, None);
        held.done(Hold::OpenHandler, None);
        assert_eq!(held.done(Hold::CloseHandler, None), None);
        assert_eq!(held.done(Hold::CloseHandler, None), Some(Pin::Handler));
        held.done(Hold::OpenHandler, None);
        held.done(Hold::Opaque, None);
        assert_eq!(held.done(Hold::CloseHandler, None), None);
    }

    #[test]
    fn texts_are_known_by_name_and_what_they_do_by_their_text() {
        let mut held = Holdings::default();
        held.prepared(b"a", false);
        held.prepared(b"A", true);
        held.prepared(b"b", false);
        held.done(Hold::TakeLock(true), Some(1));
        held.executed(b"b");
        assert_eq!(held.done(Hold::ReleaseLock, Some(1)), Some(Pin::UserLock));
        held.executed(b"a");
        held.done(Hold::TakeLock(true), Some(1));
        assert_eq!(held.done(Hold::ReleaseLock, Some(1)), None, "it may have taken another");
        assert_eq!((held.forgot(b"a"), held.forgot(b"x")), (None, None));
        assert_eq!(held.forgot(b"B"), Some(Pin::PreparedText));
        for nth in 0..=TEXTS_MAX {
            held.prepared(nth.to_string().as_bytes(), false);
        }
        for nth in 0..=TEXTS_MAX {
            assert_eq!(held.forgot(nth.to_string().as_bytes()), None, "one was not kept");
        }
    }
}
