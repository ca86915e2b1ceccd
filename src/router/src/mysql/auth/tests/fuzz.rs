//! Clients that do not speak the protocol.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Live, least};
use crate::mysql::auth::account::Account;
use crate::mysql::auth::accounts::{Accounts, Keeper, Snapshot, accounts};
use crate::mysql::auth::flags::PHASE;
use crate::mysql::auth::front::Front;
use crate::mysql::auth::greet::{GreetError, Peer, greet};
use crate::mysql::auth::packet::Packets;
use crate::mysql::auth::pattern::Origin;
use crate::mysql::auth::response::Response;

fn front(handshake: Duration) -> (Front, Keeper) {
    let (accounts, keeper): (Accounts, Keeper) = accounts();
    let account = Account::parse("ann", "%", br#"{"auth_or":[{"plugin":"ed25519"},{"plugin":"mysql_native_password","authentication_string":"*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"}]}"#);
    // So new that nobody asks for a newer one.
    let begun = Instant::now() + Duration::from_secs(3600);
    keeper.tell(Snapshot::new("5.5.5-10.11.19-MariaDB".to_owned(), account, begun));
    let front = Front {
        accounts,
        credentials: None,
        tls: None,
        offered: 0,
        collation: 45,
        config: live(handshake),
    };
    (front, keeper)
}

fn live(handshake: Duration) -> Live {
    let mut config: Config = serde_json::from_value(least()).unwrap();
    config.limits.handshake_ms = u64::try_from(handshake.as_millis()).unwrap();
    Arc::new(ArcSwap::from_pointee(config))
}

fn peer() -> Peer {
    Peer {
        origin: Origin::socket(),
        connection: 1,
    }
}

async fn meet(bytes: &[u8]) -> Result<(), GreetError> {
    let (front, _keeper) = front(Duration::from_secs(10));
    let (mut client, near) = tokio::io::duplex(1 << 17);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    greet(near, &front, &peer(), &CancellationToken::new()).await.map(drop)
}

#[tokio::test]
async fn a_client_that_takes_its_time_is_given_up() {
    let (front, _keeper) = front(Duration::from_millis(200));
    let (peer, stopping) = (peer(), CancellationToken::new());
    let (mut client, near) = tokio::io::duplex(4096);
    let drip = async {
        // A byte now and then keeps many servers waiting for ever.
        client.write_all(&[200, 0, 0, 1]).await.unwrap();
        while client.write_all(&[1]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        met = greet(near, &front, &peer, &stopping) => assert!(matches!(met, Err(GreetError::TooSlow(_))), "{met:?}"),
        () = drip => panic!("the router went first"),
    }
}

#[tokio::test]
async fn a_client_is_told_when_the_router_stops_before_it_has_answered() {
    let (front, _keeper) = front(Duration::from_secs(10));
    let (peer, stopping) = (peer(), CancellationToken::new());
    let (mut client, near) = tokio::io::duplex(4096);
    let listen = async {
        Packets::new(&mut client, 0).read(1000).await.unwrap();
        stopping.cancel();
        let told = Packets::new(&mut client, 2).read(1000).await.unwrap();
        assert_eq!(told.get(1..3), Some(&1053_u16.to_le_bytes()[..]));
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    };
    let (met, ()) = tokio::join!(greet(near, &front, &peer, &stopping), listen);
    assert!(matches!(met, Err(GreetError::Stopping)), "{met:?}");
}

#[tokio::test]
async fn an_endless_packet_is_not_waited_for() {
    let met = meet(&[0xff, 0xff, 0xff, 1, 0, 0]).await;
    assert!(matches!(met, Err(GreetError::Gone(_))), "{met:?}");
}

#[tokio::test]
async fn old_and_broken_handshakes_are_answered() {
    let (front, _keeper) = front(Duration::from_secs(10));
    let (peer, stopping) = (peer(), CancellationToken::new());
    for (capabilities, code) in [(0_u32, 1043_u16), (0x200, 1251)] {
        let (mut client, near) = tokio::io::duplex(4096);
        let mut packet = capabilities.to_le_bytes().to_vec();
        packet.extend_from_slice(&[0; 40]);
        let speak = async {
            Packets::new(&mut client, 0).read(1000).await.unwrap();
            Packets::new(&mut client, 1).write(&packet).await.unwrap();
            let answer = Packets::new(&mut client, 2).read(1000).await.unwrap();
            assert_eq!(answer.get(1..3), Some(&code.to_le_bytes()[..]));
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        };
        let (met, ()) = tokio::join!(greet(near, &front, &peer, &stopping), speak);
        assert!(matches!(met, Err(GreetError::Refused(_))), "{met:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nothing_that_a_client_sends_gets_it_in_or_breaks_anything(
        garbage in proptest::collection::vec(any::<u8>(), 0..300),
        answers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..4),
        answer in proptest::collection::vec(any::<u8>(), 0..40),
        at in 0_usize..90, byte: u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut response = Response {
            capabilities: PHASE | 1 << 21,
            max_packet: 1,
            collation: 45,
            user: b"ann",
            answer: &answer,
            database: None,
            plugin: Some(b"mysql_native_password"),
            attributes: b"",
        }.packet();
        if let Some(to) = response.get_mut(at) {
            *to = byte;
        }
        let mut stream = Vec::new();
        for (packet, number) in std::iter::once(&response).chain(&answers).zip([1_u8, 3, 5, 7, 9]) {
            stream.extend_from_slice(&[u8::try_from(packet.len()).unwrap_or(200), 0, 0, number]);
            stream.extend_from_slice(packet);
        }
        stream.extend_from_slice(&garbage);
        prop_assert!(runtime.block_on(meet(&stream)).is_err());
        prop_assert!(runtime.block_on(meet(&garbage)).is_err());
    }
}
