//! What proves a user to a server.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::native::Stage1;
use super::{ed25519, native};

/// What a session keeps to log in at further servers. Wiped when dropped; `Debug` shows nothing.
#[derive(Clone)]
pub(crate) enum Secret {
    /// The account has no password.
    Empty,
    /// SHA1(password), taken from the client's answer.
    Native(Stage1),
    /// The password itself, from a file.
    Password(Arc<Zeroizing<Vec<u8>>>),
}

/// A server asks for something that the router cannot give.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the server asks for the authentication plugin `{plugin}`, which a router cannot answer; use `mysql_native_password`, \
     or `ed25519` with the user's password in `credentials_file`"
)]
pub(crate) struct Unanswerable {
    plugin: String,
}

impl Secret {
    /// A password that the router was told.
    pub(crate) fn password(password: Zeroizing<Vec<u8>>) -> Self {
        if password.is_empty() {
            Self::Empty
        } else {
            Self::Password(Arc::new(password))
        }
    }

    /// What to send for a server's scramble.
    pub(crate) fn answer(&self, plugin: &str, scramble: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unanswerable> {
        let native = |stage1: &Stage1| native::answer(stage1, scramble.get(..20).unwrap_or(scramble)).to_vec();
        let answer = match (plugin, self) {
            (native::PLUGIN, Self::Empty) => Vec::new(),
            (native::PLUGIN, Self::Native(stage1)) => native(stage1),
            (native::PLUGIN, Self::Password(password)) => native(&native::stage1(password)),
            (ed25519::PLUGIN, Self::Password(password)) => {
                let scramble = scramble.get(..ed25519::SCRAMBLE_LEN).unwrap_or(scramble);
                ed25519::answer(password, scramble).to_vec()
            }
            _ => {
                return Err(Unanswerable {
                    plugin: plugin.to_owned(),
                });
            }
        };
        Ok(Zeroizing::new(answer))
    }

    /// Equal for equal secrets, and of no use to anybody else.
    pub(crate) fn identity(&self) -> Box<[u8]> {
        let mut hash = Sha256::new();
        match self {
            Self::Empty => {}
            Self::Native(stage1) => {
                hash.update([1]);
                hash.update(native::answer(stage1, &[0; 20]));
            }
            Self::Password(password) => {
                hash.update([2]);
                hash.update(password.as_slice());
            }
        }
        hash.finalize().as_slice().into()
    }

    /// The plugin to name before the server has said which it wants.
    pub(crate) const fn plugin(&self) -> &'static str {
        match self {
            Self::Empty | Self::Native(_) => native::PLUGIN,
            Self::Password(_) => ed25519::PLUGIN,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_odd_plugins_are_named() {
        let secret = Secret::password(Zeroizing::new(b"hunter2hunter2".to_vec()));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let error = secret.answer("dialog", b"").unwrap_err();
        assert!(error.to_string().contains("`dialog`"), "{error}");
    }

    #[test]
    fn a_told_password_and_a_derived_hash_answer_alike() {
        let told = Secret::password(Zeroizing::new(b"secret".to_vec()));
        let derived = Secret::Native(native::stage1(b"secret"));
        let answers = [told, derived].map(|secret| secret.answer(native::PLUGIN, &[9; 21]).unwrap());
        assert_eq!(answers[0], answers[1]);
        assert!(Secret::Empty.answer(native::PLUGIN, &[9; 21]).unwrap().is_empty());
    }
}
