//! Against rustls' own server over loopback: whatever the sizes, through renewed keys, to either end.

use std::net::Ipv4Addr;
use std::sync::Arc;

use quorate_api::pki::Authority;
use quorate_api::tls::{Role, Tls, server_name};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// Certificates of both sides.
struct Pair {
    _dir: TempDir,
    client: Arc<rustls::ClientConfig>,
    acceptor: TlsAcceptor,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(&dir.path().join("pki"), "test").unwrap();
        let load = |role, name| Tls::load(&authority.issue(role, name, &[]).unwrap()).unwrap();
        Self {
            client: unlocked(&load(Role::Router, "r1").client()),
            acceptor: TlsAcceptor::from(load(Role::Agent, "m1").server_mutual()),
            _dir: dir,
        }
    }

    async fn connect_to(&self, address: std::net::SocketAddr) -> std::io::Result<Sealed> {
        let socket = TcpStream::connect(address).await?;
        connect(
            self.client.clone(),
            server_name(Role::Agent, Some("m1")).unwrap(),
            socket,
        )
        .await
    }

    async fn connected(&self) -> (Sealed, TlsStream<TcpStream>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (socket, _) = listener.accept().await.unwrap();
            self.acceptor.accept(socket).await.unwrap()
        };
        let (client, server) = tokio::join!(self.connect_to(address), serve);
        (client.unwrap(), server)
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// Sends `sizes` both ways at the same time, reading `room` bytes at a time.
async fn exchange(client: Sealed, server: TlsStream<TcpStream>, sizes: &[usize], room: usize) {
    let (mut from_server, mut to_server) = tokio::io::split(client);
    let (mut from_client, mut to_client) = tokio::io::split(server);
    let up = async {
        for size in sizes {
            to_server.write_all(&pattern(*size)).await.unwrap();
            to_server.flush().await.unwrap();
        }
    };
    let down = async {
        for size in sizes {
            to_client.write_all(&pattern(*size)).await.unwrap();
            to_client.flush().await.unwrap();
        }
    };
    let total: usize = sizes.iter().sum();
    let expected: Vec<u8> = sizes.iter().flat_map(|size| pattern(*size)).collect();
    let at_server = async {
        let mut got = vec![0; total];
        from_client.read_exact(&mut got).await.unwrap();
        assert!(got == expected, "up");
    };
    let at_client = async {
        let (mut got, mut piece) = (Vec::new(), vec![0; room]);
        while got.len() < total {
            let read = from_server.read(&mut piece).await.unwrap();
            assert!(read > 0, "ended after {} of {total}", got.len());
            got.extend_from_slice(&piece[..read]);
        }
        assert!(got == expected, "down");
    };
    tokio::join!(up, down, at_server, at_client);
}

#[tokio::test]
async fn bytes_arrive_whole_whatever_the_sizes() {
    let pair = Pair::new();
    for room in [1, 5, 4096, 16 * 1024, 100_000] {
        let (client, server) = pair.connected().await;
        let sizes: &[usize] = if room < 100 {
            &[1, 0, 300, 17_000]
        } else {
            &[1, 0, 5, 16_384, 16_385, 70_000, 900_000]
        };
        exchange(client, server, sizes, room).await;
    }
}

#[tokio::test]
async fn keys_are_renewed_before_they_are_worn() {
    let pair = Pair::new();
    let (mut client, server) = pair.connected().await;
    client.keys().set_limit(3);
    exchange(client, server, &[10; 50], 4096).await;
}

#[tokio::test]
async fn the_peer_may_renew_its_key() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connected().await;
    let mut got = [0; 3];
    for _ in 0..5 {
        server.get_mut().1.refresh_traffic_keys().unwrap();
        server.write_all(b"new").await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"new");
    }
}

#[tokio::test]
async fn a_farewell_is_an_end_and_a_cut_is_an_error() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connected().await;
    server.write_all(b"last").await.unwrap();
    server.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last");

    let (mut client, mut server) = pair.connected().await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last");

    let (mut client, server) = pair.connected().await;
    drop(server.into_inner().0);
    let error = client.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_changed_record_is_refused() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connected().await;
    server.write_all(b"fine").await.unwrap();
    server.flush().await.unwrap();
    let mut got = [0; 4];
    client.read_exact(&mut got).await.unwrap();
    let (mut socket, _) = server.into_inner();
    socket.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
    socket.write_all(&[7; 32]).await.unwrap();
    let error = client.read(&mut got).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(!client.has_unread());
}

#[tokio::test]
async fn sessions_are_resumed() {
    let pair = Pair::new();
    let kind = |server: &TlsStream<TcpStream>| server.get_ref().1.handshake_kind();
    let (mut client, mut server) = pair.connected().await;
    assert_eq!(kind(&server), Some(rustls::HandshakeKind::Full));
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
    client.read_exact(&mut [0; 1]).await.unwrap();
    let (_client, server) = pair.connected().await;
    assert_eq!(kind(&server), Some(rustls::HandshakeKind::Resumed));
}
