//! Ids, kills and what people see.

use super::*;
use crate::mysql::fleet::card::CAUSE_CHARS;

const NOW: Moment = Moment::from_micros(1_000_000);

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5))
}

#[test]
fn ids_are_never_zero_and_never_taken_twice() {
    let registry = Registry::new(u32::MAX);
    let last = registry.enroll("rw", address(), NOW);
    let first = registry.enroll("rw", address(), NOW);
    assert_eq!((last.id, first.id), (u32::MAX, 1));
    registry.next.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(registry.enroll("rw", address(), NOW).id, 2);
    assert_eq!(registry.count(), 2);
    assert!(registry.find(2).is_none());
}

#[tokio::test]
async fn a_kill_reaches_its_session_once_and_the_end_of_a_session_stays() {
    let registry = Registry::new(7);
    let session = registry.enroll("rw", address(), NOW);
    assert_eq!(session.take_kill(), None);
    registry.find(7).unwrap().kill(Kill::Query);
    assert_eq!(session.killed().await, Kill::Query);
    assert_eq!(session.take_kill(), None);
    let card = registry.find(7).unwrap();
    card.kill(Kill::Connection);
    card.kill(Kill::Query);
    assert_eq!(session.killed().await, Kill::Connection);
    assert_eq!(session.take_kill(), Some(Kill::Connection));
}

#[tokio::test]
async fn what_a_kill_has_done_is_known_when_it_is_answered() {
    let registry = Registry::new(7);
    let session = registry.enroll("rw", address(), NOW);
    assert_eq!(session.killed_by_order().await, None);
    let order = registry.find(7).unwrap().order();
    let refused = async {
        tokio::task::yield_now().await;
        drop(order);
    };
    assert_eq!(tokio::join!(session.killed_by_order(), refused).0, None);
    let order = registry.find(7).unwrap().order();
    let carried_out = async {
        tokio::task::yield_now().await;
        registry.find(7).unwrap().kill(Kill::Query);
        drop(order);
    };
    assert_eq!(
        tokio::join!(session.killed_by_order(), carried_out).0,
        Some(Kill::Query)
    );
    // What comes after its command is not for the next one.
    session.kill(Kill::Query);
    session.begin(3, NOW);
    assert_eq!(session.take_kill(), None);
    session.kill(Kill::Connection);
    session.begin(3, NOW);
    assert_eq!(session.take_kill(), Some(Kill::Connection));
}

#[test]
fn a_card_tells_what_a_person_asks() {
    let registry = Registry::new(1);
    let session = registry.enroll("rw", address(), NOW);
    session.set_user("app");
    session.set_database("shop");
    session.begin(3, NOW);
    session.pin("user lock", &"SELECT GET_LOCK('a', 1) ".repeat(50), NOW);
    session.pin("user lock", "a later cause", NOW);
    let thread = Backend {
        node: "m1".into(),
        thread: 42,
    };
    session.set_backend(Side::Primary, Some(thread.clone()));
    let [seen] = <[_; 1]>::try_from(registry.snapshot()).unwrap();
    assert_eq!(
        (seen.user.as_str(), seen.database.as_str(), seen.doing),
        ("app", "shop", Some((3, NOW)))
    );
    assert_eq!(seen.backends, [Some(thread), None]);
    assert_eq!(seen.pins.len(), 1);
    assert!(seen.pins[0].cause.starts_with("SELECT GET_LOCK") && seen.pins[0].cause.len() == CAUSE_CHARS);
    session.end(Side::Replica);
    session.unpin("user lock");
    let seen = session.snapshot();
    assert_eq!(
        (seen.doing, seen.commands, seen.on_replica, seen.pins),
        (None, 1, 1, Vec::new())
    );
}
