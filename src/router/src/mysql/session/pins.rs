//! What holds a session on its server, and which statement did it.

use std::fmt;

/// Longest shape of a statement that is kept for people.
const SHAPE_MAX: usize = 120;

/// Why a session cannot share its connection, or cannot be moved to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin {
    /// Tables that only this connection sees.
    TemporaryTable,
    /// `GET_LOCK`: another connection would not hold it.
    UserLock,
    /// `LOCK TABLES`.
    LockedTables,
    /// A user variable whose value cannot be repeated, because it came from an expression.
    UserVariable,
    /// A statement prepared as text.
    PreparedText,
    /// An open cursor, or parameters sent in pieces.
    Cursor,
    /// `XA START`.
    XaTransaction,
    /// `HANDLER … OPEN`.
    Handler,
    /// Settings that are too many to be repeated.
    Settings,
    /// State that the server reported and that no statement explains.
    Unexplained,
}

impl Pin {
    const ALL: [Self; 10] = [
        Self::TemporaryTable,
        Self::UserLock,
        Self::LockedTables,
        Self::UserVariable,
        Self::PreparedText,
        Self::Cursor,
        Self::XaTransaction,
        Self::Handler,
        Self::Settings,
        Self::Unexplained,
    ];

    /// As it is shown.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TemporaryTable => "temporary table",
            Self::UserLock => "user lock",
            Self::LockedTables => "locked tables",
            Self::UserVariable => "user variable",
            Self::PreparedText => "prepared text",
            Self::Cursor => "cursor",
            Self::XaTransaction => "xa transaction",
            Self::Handler => "handler",
            Self::Settings => "settings",
            Self::Unexplained => "unexplained state",
        }
    }

    /// Whether reads must go where the pin is. A user lock does not change what a read sees.
    pub(crate) const fn holds_reads(self) -> bool {
        match self {
            Self::LockedTables | Self::XaTransaction | Self::Handler | Self::Settings | Self::Unexplained => true,
            // Reads that mention a temporary table, a prepared text or a variable go to the primary one by one.
            Self::TemporaryTable | Self::PreparedText | Self::UserLock | Self::UserVariable | Self::Cursor => false,
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The pins of one session.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    set: u16,
    /// For each pin, the shape of the statement that set it.
    causes: Vec<(Pin, Box<str>)>,
}

impl Pins {
    /// Sets a pin. `shape` is the statement without its literals. The first cause stays.
    pub(crate) fn set(&mut self, pin: Pin, shape: &str) {
        if self.has(pin) {
            return;
        }
        self.set |= pin.bit();
        let mut end = shape.len().min(SHAPE_MAX);
        while !shape.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        self.causes.push((pin, shape.get(..end).unwrap_or_default().into()));
    }

    /// Takes a pin off.
    pub(crate) fn clear(&mut self, pin: Pin) {
        self.set &= !pin.bit();
        self.causes.retain(|(cause, _)| *cause != pin);
    }

    /// Takes all off, as a reset of the connection does.
    pub(crate) fn clear_all(&mut self) {
        self.set = 0;
        self.causes.clear();
    }

    /// Whether it is set.
    pub(crate) const fn has(&self, pin: Pin) -> bool {
        self.set & pin.bit() != 0
    }

    /// Whether none is set: then the connection may serve others between two statements.
    pub(crate) const fn none(&self) -> bool {
        self.set == 0
    }

    /// The first pin for which reads must go to the primary.
    pub(crate) fn holding_reads(&self) -> Option<Pin> {
        if self.set == 0 {
            return None;
        }
        Pin::ALL.into_iter().find(|pin| self.has(*pin) && pin.holds_reads())
    }

    /// What is lost if the server is lost, as the first of them.
    pub(crate) fn first(&self) -> Option<Pin> {
        Pin::ALL.into_iter().find(|pin| self.has(*pin))
    }

    /// Every pin with its cause.
    pub(crate) fn causes(&self) -> impl Iterator<Item = (Pin, &str)> {
        self.causes.iter().map(|(pin, shape)| (*pin, &**shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_is_kept_until_the_pin_is_taken_off() {
        let mut pins = Pins::default();
        assert!(pins.none() && pins.first().is_none());
        pins.set(Pin::UserLock, "SELECT GET_LOCK(?, ?)");
        pins.set(Pin::UserLock, "SELECT GET_LOCK(?, ?), 2");
        assert_eq!(
            pins.causes().collect::<Vec<_>>(),
            [(Pin::UserLock, "SELECT GET_LOCK(?, ?)")]
        );
        assert_eq!(pins.holding_reads(), None, "a lock does not change what a read sees");
        pins.set(Pin::LockedTables, &"ü".repeat(100));
        assert_eq!(pins.holding_reads(), Some(Pin::LockedTables));
        pins.clear(Pin::LockedTables);
        pins.clear(Pin::UserLock);
        assert!(pins.none() && pins.causes().next().is_none());
    }
}
