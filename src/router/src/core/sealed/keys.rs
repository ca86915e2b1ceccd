//! Opens and seals records, and keeps the keys fresh.

use std::io;

use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{
    InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::{
    ConnectionTrafficSecrets, ContentType, ExtractedSecrets, ProtocolVersion, SupportedCipherSuite, Tls13CipherSuite,
};

use super::{broken, tls};

/// Handshake messages that may come after the handshake (RFC 8446, 4).
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// A key update that asks for none, and its only other value.
const NOT_REQUESTED: u8 = 0;
const REQUESTED: u8 = 1;
/// An alert's description (RFC 8446, 6).
const CLOSE_NOTIFY: u8 = 0;
const WARNING: u8 = 1;
/// Records before the limit of a key at which it is renewed: room for those under way.
const MARGIN: u64 = 1 << 16;

/// What a record held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// Bytes of the application, perhaps none.
    Data(&'a [u8]),
    /// Something between the two ends of TLS. `answer`: our key must be renewed because they asked.
    Inner { answer: bool },
    /// They will send no more.
    Closed,
}

/// The keys of both directions.
pub(super) struct Keys {
    connection: KernelConnection<ClientConnectionData>,
    suite: &'static Tls13CipherSuite,
    opener: Box<dyn MessageDecrypter>,
    opened: u64,
    sealer: Box<dyn MessageEncrypter>,
    sealed: u64,
    /// Records that may be sealed with one key.
    limit: u64,
}

impl Keys {
    pub(super) fn new(
        secrets: ExtractedSecrets,
        connection: KernelConnection<ClientConnectionData>,
    ) -> io::Result<Self> {
        let SupportedCipherSuite::Tls13(suite) = connection.negotiated_cipher_suite() else {
            return Err(broken("a peer that does not speak TLS 1.3; upgrade it"));
        };
        let (opened, rx) = secrets.rx;
        let (sealed, tx) = secrets.tx;
        Ok(Self {
            opener: opener(suite, rx)?,
            opened,
            sealer: sealer(suite, tx)?,
            sealed,
            limit: suite.common.confidentiality_limit.saturating_sub(MARGIN),
            suite,
            connection,
        })
    }

    /// Opens a record of this outer type in place; `content` is what follows its head.
    pub(super) fn open<'a>(&mut self, outer: u8, content: &'a mut [u8]) -> io::Result<Opened<'a>> {
        if ContentType::from(outer) != ContentType::ApplicationData {
            return Err(broken("a record that is not encrypted"));
        }
        let message = InboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, content);
        let plain = self.opener.decrypt(message, self.opened).map_err(tls)?;
        self.opened = self
            .opened
            .checked_add(1)
            .ok_or_else(|| broken("a key used too often"))?;
        match (plain.typ, plain.payload) {
            (ContentType::ApplicationData, data) => Ok(Opened::Data(data)),
            (ContentType::Handshake, messages) => self.handshake(messages),
            (ContentType::Alert, [WARNING, CLOSE_NOTIFY]) => Ok(Opened::Closed),
            (ContentType::Alert, _) => Err(broken("an alert of the peer ended the TLS session")),
            _ => Err(broken("a record of an unknown kind")),
        }
    }

    fn handshake(&mut self, mut messages: &[u8]) -> io::Result<Opened<'static>> {
        let mut answer = false;
        while !messages.is_empty() {
            let [kind, a, b, c, rest @ ..] = messages else {
                return Err(broken("a torn handshake message"));
            };
            let len = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
            let (payload, rest) = rest
                .split_at_checked(len)
                .ok_or_else(|| broken("a torn handshake message"))?;
            messages = rest;
            match (*kind, payload) {
                (NEW_SESSION_TICKET, ticket) => self.connection.handle_new_session_ticket(ticket).map_err(tls)?,
                (KEY_UPDATE, [asked @ (NOT_REQUESTED | REQUESTED)]) if messages.is_empty() => {
                    let (from, secrets) = self.connection.update_rx_secret().map_err(tls)?;
                    self.opener = opener(self.suite, secrets)?;
                    self.opened = from;
                    answer |= *asked == REQUESTED;
                }
                _ => return Err(broken("an unexpected handshake message")),
            }
        }
        Ok(Opened::Inner { answer })
    }

    /// Whether the key must be renewed before anything more is sealed.
    pub(super) const fn is_worn(&self) -> bool {
        self.sealed >= self.limit
    }

    /// A record of the application's bytes.
    pub(super) fn seal(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.record(ContentType::ApplicationData, plain)
    }

    /// A record that tells the peer of a new key, which seals everything after it.
    pub(super) fn renew(&mut self) -> io::Result<Vec<u8>> {
        let record = self.record(ContentType::Handshake, &[KEY_UPDATE, 0, 0, 1, NOT_REQUESTED])?;
        let (from, secrets) = self.connection.update_tx_secret().map_err(tls)?;
        self.sealer = sealer(self.suite, secrets)?;
        self.sealed = from;
        Ok(record)
    }

    /// A record that says that no more will come.
    pub(super) fn close(&mut self) -> io::Result<Vec<u8>> {
        self.record(ContentType::Alert, &[WARNING, CLOSE_NOTIFY])
    }

    fn record(&mut self, typ: ContentType, plain: &[u8]) -> io::Result<Vec<u8>> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(plain),
        };
        let next = self
            .sealed
            .checked_add(1)
            .ok_or_else(|| broken("a key used too often"))?;
        let record = self.sealer.encrypt(message, self.sealed).map_err(tls)?;
        self.sealed = next;
        Ok(record.encode())
    }

    #[cfg(test)]
    pub(super) const fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }
}

fn opener(suite: &Tls13CipherSuite, secrets: ConnectionTrafficSecrets) -> io::Result<Box<dyn MessageDecrypter>> {
    let (key, iv) = parts(secrets)?;
    Ok(suite.aead_alg.decrypter(key, iv))
}

fn sealer(suite: &Tls13CipherSuite, secrets: ConnectionTrafficSecrets) -> io::Result<Box<dyn MessageEncrypter>> {
    let (key, iv) = parts(secrets)?;
    Ok(suite.aead_alg.encrypter(key, iv))
}

fn parts(
    secrets: ConnectionTrafficSecrets,
) -> io::Result<(rustls::crypto::cipher::AeadKey, rustls::crypto::cipher::Iv)> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(broken("an unknown cipher suite")),
    }
}
