//! `ed25519` of MariaDB: the answer is a signature of the scramble, the server keeps the public key.
//!
//! It differs from RFC 8032 only in the seed: the whole password is hashed, whatever its length. A signature yields
//! nothing that could sign another scramble, so the router must be told the passwords of such users.

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

/// The plugin's name towards clients; the server's side is `ed25519`.
pub(crate) const PLUGIN: &str = "client_ed25519";

/// Bytes of a scramble.
pub(crate) const SCRAMBLE_LEN: usize = 32;

/// Bytes of an answer.
pub(crate) const ANSWER_LEN: usize = 64;

/// What the server keeps.
pub(crate) type PublicKey = [u8; 32];

/// The answer to a scramble.
pub(crate) fn answer(password: &[u8], scramble: &[u8]) -> [u8; ANSWER_LEN] {
    let secret = expand(password);
    let public = VerifyingKey::from(&secret);
    raw_sign::<Sha512>(&secret, scramble, &public).to_bytes()
}

/// Whether an answer is right.
pub(crate) fn verify(answer: &[u8; ANSWER_LEN], scramble: &[u8], public: &PublicKey) -> bool {
    VerifyingKey::from_bytes(public)
        .is_ok_and(|key| key.verify_strict(scramble, &Signature::from_bytes(answer)).is_ok())
}

/// What the server would keep for a password.
pub(crate) fn public_key(password: &[u8]) -> PublicKey {
    VerifyingKey::from(&expand(password)).to_bytes()
}

fn expand(password: &[u8]) -> ExpandedSecretKey {
    let hash: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(password).into());
    ExpandedSecretKey::from_bytes(&hash)
}

/// Reads the 43 characters of Base64 without padding that the server keeps.
pub(crate) fn parse_public_key(text: &str) -> Option<PublicKey> {
    let mut key = [0; 32];
    if text.len() != 43 {
        return None;
    }
    for (nth, symbol) in text.bytes().enumerate() {
        let six = sextet(symbol)?;
        for bit in 0..6 {
            let at = nth * 6 + bit;
            // The last two of 258 bits are padding.
            if let Some(byte) = key.get_mut(at / 8) {
                *byte |= (six >> (5 - bit) & 1) << (7 - at % 8);
            }
        }
    }
    Some(key)
}

fn sextet(symbol: u8) -> Option<u8> {
    Some(match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_what_the_server_keeps() {
        // SELECT ed25519_password('secret'), as in MariaDB's manual.
        let known = parse_public_key("ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY").unwrap();
        assert_eq!(public_key(b"secret"), known);
    }

    #[test]
    fn a_signature_is_good_for_one_scramble() {
        let public = public_key(b"a password longer than the thirty-two bytes of a seed");
        let answered = answer(
            b"a password longer than the thirty-two bytes of a seed",
            &[7; SCRAMBLE_LEN],
        );
        assert!(verify(&answered, &[7; SCRAMBLE_LEN], &public));
        assert!(!verify(&answered, &[8; SCRAMBLE_LEN], &public));
        assert!(!verify(
            &answer(b"wrong", &[7; SCRAMBLE_LEN]),
            &[7; SCRAMBLE_LEN],
            &public
        ));
    }

    #[test]
    fn only_whole_keys_are_read() {
        for text in ["", "invalid", &"?".repeat(43), &"A".repeat(44)] {
            assert_eq!(parse_public_key(text), None, "{text}");
        }
    }
}
