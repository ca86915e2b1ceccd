//! Routing hints in a statement's first comment: MaxScale's words and our own.
//!
//! ```text
//! -- maxscale route to master|slave|server NAME|last      /* quorate route to primary|replica|node NAME|last */
//! -- maxscale max_slave_replication_lag=5 (seconds)       /* quorate max_lag_ms=200 */
//!                                                         /* quorate causal=none|session|global token=0-1-42 */
//! ```
//!
//! MaxScale's named and stacked hints (`NAME prepare …`, `begin`, `end`) are state over statements and are refused with a
//! reason, so that nobody believes in a hint that does nothing.

use std::time::Duration;

use super::word::is;

/// What a hint asks for. A comment may ask for several things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hint<'a> {
    /// Where the statement is to run.
    pub(crate) route: Option<RouteTo<'a>>,
    /// A read may go to a replica at most this far behind.
    pub(crate) max_lag: Option<Duration>,
    /// The causal level of this statement alone.
    pub(crate) causal: Option<Causal>,
    /// Wait for this sequence number first.
    pub(crate) token: Option<u64>,
    /// Why (a part of) the hint is not followed.
    pub(crate) refused: Option<&'static str>,
}

/// Where a hint sends a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteTo<'a> {
    /// The primary.
    Primary,
    /// Any replica.
    Replica,
    /// This node.
    Node(&'a [u8]),
    /// Where the last statement ran.
    Last,
}

/// How fresh reads have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Causal {
    /// Whatever a replica has.
    None,
    /// The session's own writes.
    Session,
    /// Every write acknowledged before the read started.
    Global,
}

impl Causal {
    /// Reads a level's name.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        [
            ("NONE", Self::None),
            ("SESSION", Self::Session),
            ("GLOBAL", Self::Global),
        ]
        .into_iter()
        .find_map(|(known, level)| is(name, known).then_some(level))
    }

    /// The level's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::Global => "global",
        }
    }
}

/// The sequence number of a token (`0-1-42`): the whole cluster writes in one domain, whose sequence numbers only rise.
pub(crate) fn parse_token(token: &[u8]) -> Option<u64> {
    let mut parts = token.trim_ascii().split(|byte| *byte == b'-');
    let (domain, server, sequence) = (parts.next()?, parts.next()?, parts.next()?);
    number(domain)?;
    number(server)?;
    if parts.next().is_some() {
        return None;
    }
    number(sequence)
}

pub(super) fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads the inside of a comment; none when it is no hint at all.
pub(crate) fn parse(comment: &[u8]) -> Option<Hint<'_>> {
    let mut words = comment.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let first = words.next()?;
    if !is(first, "MAXSCALE") && !is(first, "QUORATE") {
        return None;
    }
    let mut hint = Hint::default();
    while let Some(word) = words.next() {
        if is(word, "ROUTE") {
            hint.route(&mut words);
        } else if let Some((name, value)) = assignment(word) {
            hint.assign(name, value);
        } else {
            hint.refuse(word);
            break;
        }
    }
    Some(hint)
}

fn assignment(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = word.iter().position(|byte| *byte == b'=')?;
    let (name, value) = word.split_at_checked(at)?;
    Some((name, value.get(1..)?))
}

impl<'a> Hint<'a> {
    fn route(&mut self, words: &mut impl Iterator<Item = &'a [u8]>) {
        let to = words.next().filter(|word| is(word, "TO")).and_then(|_| words.next());
        self.route = match to {
            Some(to) if is(to, "MASTER") || is(to, "PRIMARY") => Some(RouteTo::Primary),
            Some(to) if is(to, "SLAVE") || is(to, "REPLICA") => Some(RouteTo::Replica),
            Some(to) if is(to, "LAST") => Some(RouteTo::Last),
            Some(to) if is(to, "SERVER") || is(to, "NODE") => words.next().map(RouteTo::Node),
            _ => None,
        };
        if self.route.is_none() {
            self.refused = Some("route to: primary, replica, node NAME or last");
        }
    }

    fn assign(&mut self, name: &[u8], value: &[u8]) {
        if is(name, "MAX_LAG_MS") {
            self.max_lag = number(value).map(Duration::from_millis);
            self.refuse_unless(self.max_lag.is_some(), "max_lag_ms: a number of milliseconds");
        } else if is(name, "MAX_SLAVE_REPLICATION_LAG") || is(name, "MAX_REPLICATION_LAG") {
            self.max_lag = number(value).map(Duration::from_secs);
            self.refuse_unless(self.max_lag.is_some(), "max_slave_replication_lag: a number of seconds");
        } else if is(name, "CAUSAL") {
            self.causal = Causal::parse(value);
            self.refuse_unless(self.causal.is_some(), "causal: none, session or global");
        } else if is(name, "TOKEN") {
            self.token = parse_token(value);
            self.refuse_unless(self.token.is_some(), "token: a position such as 0-1-42");
        } else {
            self.refused = Some("no such hint parameter");
        }
    }

    fn refuse(&mut self, word: &[u8]) {
        self.refused = Some(if is(word, "BEGIN") || is(word, "END") {
            "stacked hints (begin, end) are not supported: put the hint on each statement"
        } else {
            "named hints (NAME prepare, NAME begin) are not supported: put the hint on each statement"
        });
    }

    const fn refuse_unless(&mut self, understood: bool, why: &'static str) {
        if !understood {
            self.refused = Some(why);
        }
    }
}

#[cfg(test)]
#[path = "hint_test.rs"]
mod tests;
