//! What a session holds of a server's [`Shelf`]: a place with or without a connection, or the right to dial. Whatever becomes of
//! a session, dropping them tells the shelf.

use std::sync::Arc;

use quorate_model::Moment;

use super::credits::End;
use super::pool::{Key, Pooled};
use super::shelf::Shelf;

/// The right to one connection to a server; free for others when dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Key, B: Pooled> {
    /// None once it went back with its connection.
    shelf: Option<Arc<Shelf<K, B>>>,
}

/// What a session that needs a connection gets.
#[derive(Debug)]
pub(crate) enum Grant<K: Key, B: Pooled> {
    /// A connection that fits.
    Idle(Place<K, B>, B),
    /// The right to open one.
    Dial(Dial<K, B>),
}

/// The right to open a connection now. Dropped, it changes nothing, and its place is free for others.
#[derive(Debug)]
pub(crate) struct Dial<K: Key, B: Pooled> {
    /// None once it was told how the dial ended.
    shelf: Option<Arc<Shelf<K, B>>>,
    waits: bool,
}

impl<K: Key, B: Pooled> Place<K, B> {
    pub(super) const fn on(shelf: Arc<Shelf<K, B>>) -> Self {
        Self { shelf: Some(shelf) }
    }

    /// Whether somebody waits for a connection to this server: give it back after the statement.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shelf.as_ref().is_some_and(|shelf| shelf.waiting() > 0)
    }

    pub(super) fn put(mut self, key: K, connection: B, now: Moment) {
        if let Some(shelf) = self.shelf.take() {
            shelf.put(key, connection, now);
        }
    }
}

impl<K: Key, B: Pooled> Dial<K, B> {
    pub(super) const fn on(shelf: Arc<Shelf<K, B>>) -> Self {
        Self {
            shelf: Some(shelf),
            waits: false,
        }
    }

    /// The handshake is done, and only the door's leave is missing: others may begin theirs.
    pub(crate) fn waits(&mut self) {
        if let Some(shelf) = self.shelf.as_ref().filter(|_| !self.waits) {
            self.waits = true;
            shelf.dial_waits();
        }
    }

    /// There is a connection, for this place.
    pub(crate) fn succeeded(mut self) -> Place<K, B> {
        let shelf = self.shelf.take();
        if let Some(shelf) = &shelf {
            shelf.dialled(End::Succeeded, self.waits, false);
        }
        Place { shelf }
    }

    /// It failed, for a reason that more dials at once could make worse.
    pub(crate) fn failed(mut self) {
        if let Some(shelf) = self.shelf.take() {
            shelf.dialled(End::Failed, self.waits, false);
        }
    }

    /// The server refused it because it has too many connections, of other routers perhaps: for a moment there are no more
    /// places than connections.
    pub(crate) fn crowded(mut self) {
        if let Some(shelf) = self.shelf.take() {
            shelf.dialled(End::Failed, self.waits, true);
        }
    }
}

impl<K: Key, B: Pooled> Drop for Dial<K, B> {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.take() {
            shelf.dialled(End::Abandoned, self.waits, false);
        }
    }
}

impl<K: Key, B: Pooled> Drop for Place<K, B> {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.take() {
            shelf.free();
        }
    }
}
