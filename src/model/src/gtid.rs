//! MariaDB global transaction ids and positions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::epoch::SEQ_STRIDE;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One transaction: `domain-server-sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// Replication domain; Quorate uses one.
    pub domain: u32,
    /// `server_id` of the server that first wrote it.
    pub server: u32,
    /// Sequence number within the domain.
    pub seq: u64,
}

/// Why a text is not a GTID or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseGtidError(String);

impl fmt::Display for ParseGtidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a GTID of the form domain-server-sequence", self.0)
    }
}

impl std::error::Error for ParseGtidError {}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseGtidError(text.to_owned());
        let mut parts = text.trim().split('-');
        let (Some(domain), Some(server), Some(seq), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            domain: domain.parse().map_err(|_| bad())?,
            server: server.parse().map_err(|_| bad())?,
            seq: seq.parse().map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.seq)
    }
}

/// A set of GTIDs written as MariaDB writes it: `0-1-5,1-1-7`.
///
/// It stands both for a *position* (one GTID a domain: everything up to it, `gtid_slave_pos`) and for a *binlog state*
/// (one GTID a domain and server, `gtid_binlog_state`). Sequence numbers are compared within a domain; that is
/// sound only between nodes whose histories agree, which [`crate::Timeline::errant`] decides first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GtidSet(BTreeMap<(u32, u32), u64>);

impl GtidSet {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether no transaction is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a GTID; keeps the higher sequence of its domain and server.
    pub fn insert(&mut self, gtid: Gtid) {
        let seq = self.0.entry((gtid.domain, gtid.server)).or_default();
        *seq = (*seq).max(gtid.seq);
    }

    /// The GTIDs, by domain and server.
    pub fn iter(&self) -> impl Iterator<Item = Gtid> + '_ {
        self.0
            .iter()
            .map(|(&(domain, server), &seq)| Gtid { domain, server, seq })
    }

    /// The highest sequence of a domain, whoever wrote it.
    #[must_use]
    pub fn seq(&self, domain: u32) -> Option<u64> {
        self.iter()
            .filter(|gtid| gtid.domain == domain)
            .map(|gtid| gtid.seq)
            .max()
    }

    /// Whether a node at this position holds everything that a node at `other` holds.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|gtid| self.seq(gtid.domain).is_some_and(|seq| seq >= gtid.seq))
    }

    /// How many transactions of `other` are missing here, over all domains. Of an epoch that is not known here at all only
    /// those since its beginning are counted, since each begins with a jump ([`crate::Epoch::first_seq`]).
    #[must_use]
    pub fn missing(&self, other: &Self) -> u64 {
        let mut domains: Vec<u32> = other.iter().map(|gtid| gtid.domain).collect();
        domains.dedup();
        domains
            .into_iter()
            .map(|domain| {
                let theirs = other.seq(domain).unwrap_or_default();
                let behind = theirs.saturating_sub(self.seq(domain).unwrap_or_default());
                if behind < SEQ_STRIDE / 2 {
                    behind
                } else {
                    theirs % SEQ_STRIDE
                }
            })
            .sum()
    }
}

impl FromIterator<Gtid> for GtidSet {
    fn from_iter<I: IntoIterator<Item = Gtid>>(gtids: I) -> Self {
        let mut set = Self::new();
        for gtid in gtids {
            set.insert(gtid);
        }
        set
    }
}

impl FromStr for GtidSet {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(Gtid::from_str)
            .collect()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, gtid) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            gtid.fmt(f)?;
        }
        Ok(())
    }
}

impl Serialize for Gtid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Gtid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for GtidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GtidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> GtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn covers_compares_within_a_domain_whoever_wrote() {
        assert!(set("0-2-10").covers(&set("0-1-9")));
        assert!(!set("0-2-10").covers(&set("0-1-11")));
        assert!(!set("0-2-10").covers(&set("1-1-1")));
        assert!(set("").covers(&set("")));
        assert!(!set("").covers(&set("0-1-1")));
    }

    #[test]
    fn missing_counts_transactions() {
        assert_eq!(set("0-1-7").missing(&set("0-2-10,0-1-8")), 3);
        assert_eq!(set("").missing(&set("0-1-4,1-1-2")), 6);
        assert_eq!(set("0-1-9").missing(&set("0-1-4")), 0);
        assert_eq!(set("0-1-1000000000009").missing(&set("0-2-2000000000003")), 3);
    }

    #[test]
    fn text_round_trips_and_rubbish_is_named() {
        assert_eq!(set(" 1-1-7,0-1-5 ").to_string(), "0-1-5,1-1-7");
        for bad in ["0-1", "0-1-2-3", "a-1-2", "0-1-"] {
            assert!(bad.parse::<GtidSet>().unwrap_err().to_string().contains(bad));
        }
    }
}
