//! The host part of an account's name.

use std::net::Ipv4Addr;

/// From where a client comes, as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `localhost` through a socket; through PROXY the client's address.
    pub(crate) shown: String,
    /// Its name, where it has one.
    pub(crate) name: Option<String>,
    /// Its address, where it has one.
    pub(crate) address: Option<String>,
}

impl Origin {
    /// Through the agent's door and the server's socket.
    pub(crate) fn socket() -> Self {
        Self {
            shown: "localhost".to_owned(),
            name: Some("localhost".to_owned()),
            address: None,
        }
    }

    /// As a PROXY header tells the server. It came through the socket all the same, so accounts of both hosts fit.
    pub(crate) fn address(address: std::net::IpAddr) -> Self {
        let text = address.to_canonical().to_string();
        Self {
            shown: text.clone(),
            name: Some("localhost".to_owned()),
            address: Some(text),
        }
    }
}

/// A host pattern: a name, an address, `192.168.%`, `10.0.0.0/255.0.0.0`, `%` or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Any,
    Network { address: u32, mask: u32 },
    Text(String),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Self {
        if text.is_empty() || text == "%" {
            return Self::Any;
        }
        let number = |text: &str| text.parse::<Ipv4Addr>().ok().map(u32::from);
        if let Some((address, mask)) = text.split_once('/')
            && let (Some(address), Some(mask)) = (number(address), network_mask(mask))
        {
            return Self::Network { address, mask };
        }
        Self::Text(text.to_lowercase())
    }

    /// Whether a client from there is meant.
    pub(crate) fn matches(&self, origin: &Origin) -> bool {
        let either = [&origin.name, &origin.address];
        let mut given = either.into_iter().flatten();
        match self {
            Self::Any => true,
            Self::Network { address, mask } => given
                .filter_map(|text| text.parse::<Ipv4Addr>().ok())
                .any(|found| u32::from(found) & mask == *address),
            Self::Text(pattern) => given.any(|text| like(pattern.as_bytes(), text.to_lowercase().as_bytes())),
        }
    }

    /// More specific patterns are greater: those without wildcards, then by how many characters they ask for at least.
    pub(crate) fn rank(&self) -> (bool, usize) {
        match self {
            Self::Any => (false, 0),
            Self::Text(text) if text.contains(['%', '_']) => (false, text.bytes().filter(|byte| *byte != b'%').count()),
            Self::Network { .. } | Self::Text(_) => (true, 0),
        }
    }
}

/// A mask as an address, or as a number of bits.
fn network_mask(text: &str) -> Option<u32> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(u32::from(address));
    }
    let bits = text.parse::<u32>().ok().filter(|bits| (1..=32).contains(bits))?;
    u32::MAX.checked_shl(32_u32.saturating_sub(bits))
}

/// SQL's LIKE without escapes: `%` is any text, `_` is any one byte. Linear but for `%`, and host names are short.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'%', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((wanted, pattern_rest)), Some((found, text_rest))) if wanted == found || *wanted == b'_' => {
                pattern = pattern_rest;
                text = text_rest;
            }
            (None, None) => return true,
            _ => {
                let Some((after, (_, shorter))) = retry.and_then(|(after, from)| Some((after, from.split_first()?)))
                else {
                    return false;
                };
                retry = Some((after, shorter));
                pattern = after;
                text = shorter;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_client_is_localhost_and_has_no_address() {
        let matching = |text: &str| Pattern::parse(text).matches(&Origin::socket());
        for text in ["", "%", "localhost", "LocalHost", "local%", "l_calhost", "%host"] {
            assert!(matching(text), "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.%",
            "localhos",
            "localhost_",
            "10.0.0.0/255.0.0.0",
            "::1",
        ] {
            assert!(!matching(text), "{text}");
        }
    }

    #[test]
    fn addresses_match_networks_and_wildcards() {
        let origin = Origin::address([10, 1, 2, 3].into());
        let matching = |text: &str| Pattern::parse(text).matches(&origin);
        for text in [
            "%",
            "10.1.2.3",
            "10.%",
            "10.1.2._",
            "10.1.0.0/255.255.0.0",
            "10.1.0.0/16",
            "localhost",
        ] {
            assert!(matching(text), "{text}");
        }
        for text in ["10.2.%", "10.2.0.0/255.255.0.0"] {
            assert!(!matching(text), "{text}");
        }
    }
}
