//! Bytes arrive whole and in order, whatever the sizes, and through peers that take only a little at a time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// A relay between two pipes of `window` bytes: the far ends, and the relay's end.
async fn with_relay<F>(window: usize, play: impl FnOnce(DuplexStream, DuplexStream) -> F) -> Closed
where
    F: Future<Output = ()>,
{
    let (client, mut client_side) = duplex(window);
    let (server, mut server_side) = duplex(window);
    let counter = Counter::noop();
    let relay = relay(&mut client_side, &mut server_side, &counter, &counter);
    let (closed, ()) = tokio::join!(relay, play(client, server));
    closed.unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[tokio::test]
async fn both_directions_arrive_whole_through_a_narrow_pipe() {
    for window in [1, 7, 4096, 200_000] {
        let closed = with_relay(window, |client, server| async move {
            let (mut from_server, mut to_server) = tokio::io::split(client);
            let (mut from_client, mut to_client) = tokio::io::split(server);
            let len = 300_000.min(window * 2000);
            let sent = pattern(len);
            let (mut up, mut down) = (vec![0; len], vec![0; len]);
            let results = tokio::join!(
                to_server.write_all(&sent),
                to_client.write_all(&sent),
                from_client.read_exact(&mut up),
                from_server.read_exact(&mut down),
            );
            assert!(results.0.is_ok() && results.1.is_ok() && results.2.is_ok() && results.3.is_ok());
            assert!(up == sent && down == sent, "window {window}");
        })
        .await;
        assert!(matches!(closed, Closed::Client | Closed::Server));
    }
}

#[tokio::test]
async fn last_words_are_delivered_before_the_end_is_told() {
    let closed = with_relay(64 * 1024, |mut client, mut server| async move {
        server.write_all(b"shutdown in progress").await.unwrap();
        drop(server);
        let mut heard = vec![0; 20];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, b"shutdown in progress");
    })
    .await;
    assert_eq!(closed, Closed::Server);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_tunnel() {
    let closed = with_relay(16, |mut client, mut server| async move {
        client.write_all(b"\x01\0\0\0\x01").await.unwrap();
        drop(client);
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"\x01\0\0\0\x01");
    })
    .await;
    assert_eq!(closed, Closed::Client);
}
