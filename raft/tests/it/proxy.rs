//! A relay in front of a node that can stop forwarding, as a frozen process or a silent network does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon a stalled stream notices that it may go on.
const POLL: Duration = Duration::from_millis(5);

/// The relay. Its threads end with the test's process.
pub(crate) struct Proxy {
    stalled: Arc<AtomicBool>,
}

impl Proxy {
    /// Relays what arrives at `listener` to `target`.
    pub(crate) fn start(listener: TcpListener, target: SocketAddr) -> Self {
        let stalled = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&stalled);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = Arc::clone(&gate);
                std::thread::spawn(move || {
                    wait(&gate);
                    if let Ok(server) = TcpStream::connect(target) {
                        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                        let back = Arc::clone(&gate);
                        std::thread::spawn(move || relay(from, to, &gate));
                        relay(server, client, &back);
                    }
                });
            }
        });
        Self { stalled }
    }

    /// Connections are accepted, nothing passes.
    pub(crate) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// Everything passes again.
    pub(crate) fn flow(&self) {
        self.stalled.store(false, Ordering::Relaxed);
    }
}

fn wait(gate: &AtomicBool) {
    while gate.load(Ordering::Relaxed) {
        std::thread::sleep(POLL);
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, gate: &AtomicBool) {
    let _ = to.set_nodelay(true);
    let mut chunk = [0_u8; 16 * 1024];
    while let Ok(length) = from.read(&mut chunk) {
        wait(gate);
        if length == 0 || to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
