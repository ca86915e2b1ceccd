//! 128 bits that are equal if two replies are: what a transaction's replay is compared by.

use twox_hash::xxhash3_128::{RawHasher, SecretBuffer};

/// A running checksum over replies. Sequence ids, status flags and session tracking do not enter it.
///
/// Kept by the caller and lent to one [`super::reply::Reply`] after the other, so that it is allocated once a session.
pub(crate) struct Checksum(RawHasher<&'static [u8; 192]>);

impl Checksum {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(RawHasher::new(SecretBuffer::default()))
    }

    /// Of these bytes alone.
    pub(crate) fn of(bytes: &[u8]) -> u128 {
        let mut all = Self::new();
        all.write(bytes);
        all.digest()
    }

    /// Begins anew, for the next reply.
    pub(crate) fn restart(&mut self) {
        *self = Self::new();
    }

    /// Of everything since it was made, or begun anew.
    pub(crate) fn digest(&self) -> u128 {
        self.0.finish_128()
    }

    /// Takes bytes in.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Takes a number in.
    pub(super) fn number(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checksum({:032x})", self.digest())
    }
}
