//! `mysql_native_password`: answer = SHA1(password) xor SHA1(scramble + SHA1(SHA1(password))).
//!
//! The server keeps SHA1(SHA1(password)) ("stage 2"). Whoever has it can take the answer apart into SHA1(password)
//! ("stage 1"), check it, and answer any other scramble: this is what lets a router log in as its client.

use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// The plugin's name.
pub(crate) const PLUGIN: &str = "mysql_native_password";

/// What servers and clients throw in.
pub(crate) type Scramble = [u8; 20];

/// SHA1(SHA1(password)), as in `*HEX`.
pub(crate) type Stage2 = [u8; 20];

/// SHA1(password). As good as the password itself, so wiped when dropped.
pub(crate) type Stage1 = Zeroizing<[u8; 20]>;

/// A client's answer checked against what the server keeps; yields SHA1(password) if it is right.
/// Takes the same time for right and wrong answers.
pub(crate) fn verify(answer: &[u8; 20], scramble: &Scramble, stage2: &Stage2) -> Option<Stage1> {
    let mask = Sha1::new().chain_update(scramble).chain_update(stage2).finalize();
    let stage1 = xor(answer, &mask.into());
    let found: [u8; 20] = Sha1::digest(stage1.as_slice()).into();
    bool::from(found.ct_eq(stage2)).then_some(stage1)
}

/// The answer to a server's scramble.
pub(crate) fn answer(stage1: &Stage1, scramble: &[u8]) -> [u8; 20] {
    let stage2 = Sha1::digest(stage1.as_slice());
    let mut mask: [u8; 20] = Sha1::new()
        .chain_update(scramble)
        .chain_update(stage2)
        .finalize()
        .into();
    let answer = *xor(stage1, &mask);
    mask.zeroize();
    answer
}

/// SHA1(password), for passwords that the router is told: its own, and those of the credentials file.
pub(crate) fn stage1(password: &[u8]) -> Stage1 {
    Zeroizing::new(Sha1::digest(password).into())
}

/// Reads `*` and forty hexadecimal digits.
pub(crate) fn parse_stage2(text: &str) -> Option<Stage2> {
    let digits = text.strip_prefix('*')?.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut stage2 = [0; 20];
    if pairs.len() != stage2.len() {
        return None;
    }
    for (byte, [high, low]) in stage2.iter_mut().zip(pairs) {
        *byte = hex(*high)? << 4 | hex(*low)?;
    }
    Some(stage2)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn xor(left: &[u8; 20], right: &[u8; 20]) -> Stage1 {
    let mut both = Zeroizing::new(*left);
    for (byte, other) in both.iter_mut().zip(right) {
        *byte ^= other;
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAMBLE: Scramble = *b"NR3HP:qIYa_9=db?Sd{`";

    /// From a session between a client and a server: password `G!der27` in the wild would be typed so.
    const PASSWORD: &[u8] = b"G!ider27";

    #[test]
    fn the_hash_is_what_password_says() {
        // SELECT PASSWORD('secret')
        let known = parse_stage2("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7").unwrap();
        let found: Stage2 = Sha1::digest(stage1(b"secret").as_slice()).into();
        assert_eq!(found, known);
    }

    #[test]
    fn an_answer_yields_what_answers_another_scramble() {
        let secret = stage1(PASSWORD);
        let stage2: Stage2 = Sha1::digest(secret.as_slice()).into();
        let derived = verify(&answer(&secret, &SCRAMBLE), &SCRAMBLE, &stage2).unwrap();
        let other = [7; 20];
        assert_eq!(answer(&derived, &other), answer(&secret, &other));
        assert!(verify(&answer(&stage1(b"wrong"), &SCRAMBLE), &SCRAMBLE, &stage2).is_none());
        assert!(verify(&answer(&secret, &other), &SCRAMBLE, &stage2).is_none());
    }

    #[test]
    fn only_whole_hashes_are_read() {
        for text in [
            "",
            "*",
            "*14E6",
            "invalid",
            "14E65567ABDB5135D0CFD9A70B3032C179A49EE7",
            "*G4E65567ABDB5135D0CFD9A70B3032C179A49EE7",
        ] {
            assert_eq!(parse_stage2(text), None, "{text}");
        }
    }
}
