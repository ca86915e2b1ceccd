//! The PROXY protocol, versions 1 and 2: who the client behind a load balancer is.
//!
//! Read only from configured networks, where it must then come first; written towards servers on demand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use super::fields::Fields;
use crate::config::{Config, Network, ProxyProtocol};

/// What every header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, its end included.
const LINE_MAX: usize = 107;
/// Longest body of version 2: addresses and a few attributes.
const BODY_MAX: usize = 1024;

/// Who puts a header before everything else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<Network>);

impl Proxies {
    /// `listen.proxy_from`, which was checked.
    pub(crate) fn of(config: &Config) -> Self {
        let networks = config.listen.proxy_from.iter();
        Self(networks.filter_map(|text| Network::parse(text)).collect())
    }

    /// Where a client comes from that has connected from `address`: what its header says, if it has to send one. None of
    /// one that sends no proper header in time; it is not to be served.
    pub(crate) async fn origin<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        address: SocketAddr,
        patience: Duration,
    ) -> Option<SocketAddr> {
        if !self.0.iter().any(|network| network.contains(address.ip())) {
            return Some(address);
        }
        match timeout(patience, read(stream)).await {
            Ok(Ok(told)) => Some(told.unwrap_or(address)),
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "no PROXY header");
                None
            }
            Err(_) => None,
        }
    }
}

/// A header that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ProxyError {
    /// The connection ended or broke before its end.
    #[error("the connection broke within the PROXY header")]
    Io(#[from] std::io::Error),
    /// No header, or one that the protocol does not know.
    #[error("no valid PROXY header came first ({0}); `listen.proxy_from` names only networks that send one")]
    Malformed(&'static str),
}

/// Reads a header and not one byte more. `None` is a connection of the balancer's own (health checks).
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<SocketAddr>, ProxyError> {
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    if head == SIGNATURE {
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await?;
        let [version, family, high, low] = rest;
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > BODY_MAX {
            return Err(ProxyError::Malformed("version 2, too long"));
        }
        let mut body = vec![0; len];
        stream.read_exact(&mut body).await?;
        return binary(version, family, &body);
    }
    let mut line = head.to_vec();
    if !line.starts_with(b"PROXY ") {
        return Err(ProxyError::Malformed("neither version"));
    }
    while !line.ends_with(b"\n") {
        if line.len() == LINE_MAX {
            return Err(ProxyError::Malformed("version 1, too long"));
        }
        line.push(stream.read_u8().await?);
    }
    text(&line)
}

fn binary(version: u8, family: u8, body: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    match version {
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyError::Malformed("version 2, unknown command")),
    }
    let short = ProxyError::Malformed("version 2, too short");
    let mut fields = Fields::new(body);
    let address: Option<(IpAddr, usize)> = match family >> 4 {
        1 => fields.array::<4>().map(|it| (Ipv4Addr::from(it).into(), 4)),
        2 => fields.array::<16>().map(|it| (Ipv6Addr::from(it).into(), 16)),
        _ => return Ok(None),
    };
    let parsed = address.and_then(|(address, len)| {
        fields.take(len)?;
        Some(SocketAddr::new(address, u16::from_be_bytes(fields.array()?)))
    });
    parsed.map(Some).ok_or(short)
}

fn text(line: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let malformed = ProxyError::Malformed("version 1");
    let line = line
        .strip_suffix(b"\r\n")
        .and_then(|line| std::str::from_utf8(line).ok());
    let words: Vec<&str> = line.map(|line| line.split(' ').collect()).unwrap_or_default();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let parsed = from.parse::<IpAddr>().ok().zip(to.parse::<IpAddr>().ok());
            let ports = port(from_port).zip(port(to_port));
            match (parsed, ports) {
                (Some((from, to)), Some((port, _)))
                    if from.is_ipv4() == (family == "TCP4") && from.is_ipv4() == to.is_ipv4() =>
                {
                    Ok(Some(SocketAddr::new(from, port)))
                }
                _ => Err(malformed),
            }
        }
        _ => Err(malformed),
    }
}

/// Decimal digits only; `parse` would take a sign.
fn port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// What a server gets before anything else: who the client is, and where it came in. Empty if servers are not told.
pub(crate) fn announcement(kind: ProxyProtocol, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    match kind {
        ProxyProtocol::None => Vec::new(),
        ProxyProtocol::V1 => line(from, to),
        ProxyProtocol::V2 => block(from, to),
    }
}

/// A header of version 1.
pub(crate) fn line(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let (source, target) = same_family(from.ip(), to.ip());
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {source} {target} {} {}\r\n", from.port(), to.port()).into_bytes()
}

/// A header of version 2.
pub(crate) fn block(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.push(0x21);
    match same_family(from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            header.extend_from_slice(&[0x11, 0, 12]);
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&target.octets());
        }
        (source, target) => {
            header.extend_from_slice(&[0x21, 0, 36]);
            header.extend_from_slice(&six(source).octets());
            header.extend_from_slice(&six(target).octets());
        }
    }
    header.extend_from_slice(&from.port().to_be_bytes());
    header.extend_from_slice(&to.port().to_be_bytes());
    header
}

/// Both of version 4, or both of version 6.
fn same_family(from: IpAddr, to: IpAddr) -> (IpAddr, IpAddr) {
    let both = (from.to_canonical(), to.to_canonical());
    match both {
        (IpAddr::V4(_), IpAddr::V4(_)) => both,
        (from, to) => (six(from).into(), six(to).into()),
    }
}

fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn reads(bytes: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
        let mut stream = bytes;
        let read = read(&mut stream).await;
        if read.is_ok() {
            assert_eq!(stream, b"next");
        }
        read
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn both_versions_are_read_as_they_are_written() {
        for (from, to) in [
            ("10.1.2.3:4567", "10.9.9.9:3306"),
            ("[2001:db8::1]:4567", "10.9.9.9:3306"),
        ] {
            let (from, to) = (address(from), address(to));
            for mut header in [line(from, to), block(from, to)] {
                header.extend_from_slice(b"next");
                assert_eq!(reads(&header).await.unwrap(), Some(from));
            }
        }
        assert_eq!(reads(b"PROXY UNKNOWN\r\nnext").await.unwrap(), None);
        let local = [&SIGNATURE[..], &[0x20, 0, 0, 0], b"next"].concat();
        assert_eq!(reads(&local).await.unwrap(), None);
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for header in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 10.1.2.3 10.9.9.9 +1 3306\r\n",
            b"PROXY TCP4 10.1.2.3 ::1 1 3306\r\n",
            b"PROXY TCP6 10.1.2.3 10.9.9.9 1 3306\r\n",
            b"PROXY TCP4 10.1.2.3 10.9.9.9 1 3306\n",
            b"PROXY TCP4 10.1.2.3 10.9.9.9 1\r\n",
            b"PROXY TCP4 10.1.2.3 10.9.9.9 1 99999\r\n",
            long.as_bytes(),
            &[&SIGNATURE[..], &[0x21, 0x11, 0, 4, 1, 2, 3, 4]].concat(),
            &[&SIGNATURE[..], &[0x31, 0x11, 0, 0]].concat(),
            &[&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat(),
            b"PROXY",
        ] {
            assert!(reads(header).await.is_err(), "{}", String::from_utf8_lossy(header));
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(version: u8, family: u8, body: Vec<u8>, tail in "[ -~]{0,120}") {
            let _ = binary(version, family, &body);
            let _ = text(format!("PROXY {tail}\r\n").as_bytes());
        }
    }
}
