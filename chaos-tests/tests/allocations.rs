//! What the router allocates on the way of a command and its reply: counted over the whole router, which runs inside this
//! process, with a real tier behind it.
//!
//! The router does something beside now and then (it reads positions, it reports), so the least of many short counts is
//! taken. The client here allocates nothing while it counts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::alloc::System;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use quorate_chaos::lab::{Lab, binary};
use quorate_chaos::nemesis;
use quorate_chaos::wire::{Login, Session, caps, command};
use quorate_router::{Config, Router};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Between two looks at a process that ends.
const LOOK: Duration = Duration::from_millis(10);
/// Looks before it is given up: a minute.
const LOOKS_MAX: u32 = 6000;
/// Counts of which the least is taken.
const COUNTS: u32 = 25;
/// Commands of one count: it takes less time than lies between two readings of positions.
const COMMANDS: u32 = 100;
/// Rows of one long result.
const ROWS: u32 = 100_000;
/// For each command rustls makes one record, which it allocates.
const RECORD: f64 = 1.0;
/// What is forgiven: buffers grow, and so does the log of a transaction.
const NOISE: f64 = 0.1;

/// A client that allocates nothing between its login and its end.
struct Client {
    stream: TcpStream,
    buffer: Box<[u8]>,
    held: std::ops::Range<usize>,
}

impl Client {
    fn login(lab: &Lab, address: SocketAddr) -> Self {
        let info = lab.info().unwrap();
        let account = info.accounts.get("admin").unwrap();
        let session = Session::open(&Login {
            address: address.to_string(),
            user: account.user.clone(),
            password: account.password.clone(),
            database: None,
            collation: None,
            caps: caps::DEPRECATE_EOF,
        })
        .unwrap();
        Self {
            stream: session.socket().try_clone().unwrap(),
            buffer: vec![0; 256 * 1024].into_boxed_slice(),
            held: 0..0,
        }
    }

    /// Sends one command and reads its reply to the end; how many packets it had.
    fn ask(&mut self, packet: &[u8]) -> u32 {
        self.stream.write_all(packet).unwrap();
        let mut packets = 0;
        loop {
            let (len, first) = self.packet();
            packets += 1;
            match first {
                0xff => panic!("the server refuses"),
                0x00 if packets == 1 => return packets,
                0xfe if len < 100 => return packets,
                _ => {}
            }
        }
    }

    /// Length and first byte of the next packet, which is dropped.
    fn packet(&mut self) -> (usize, u8) {
        let head = self.hold(5);
        let (len, first) = (
            usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16,
            head[4],
        );
        self.hold(4 + len);
        self.held.start += 4 + len;
        (len, first)
    }

    /// At least `len` bytes.
    fn hold(&mut self, len: usize) -> &[u8] {
        while self.held.len() < len {
            if self.held.start > 0 {
                self.buffer.copy_within(self.held.clone(), 0);
                self.held = 0..self.held.len();
            }
            let read = self.stream.read(&mut self.buffer[self.held.end..]).unwrap();
            assert!(read > 0, "the router closed the connection");
            self.held.end += read;
        }
        &self.buffer[self.held.clone()]
    }

    /// Allocations for each of `times` times the same command: the least of some counts.
    fn count(&mut self, sql: &str, times: u32) -> f64 {
        let mut packet = u32::try_from(sql.len() + 1).unwrap().to_le_bytes().to_vec();
        packet.push(command::QUERY);
        packet.extend_from_slice(sql.as_bytes());
        // The first counts hold what is allocated once: connections, buffers, the statement's place in the statistics.
        let counts = (0..COUNTS).map(|_| {
            let region = Region::new(ALLOCATOR);
            for _ in 0..times {
                self.ask(&packet);
            }
            let change = region.change();
            change.allocations + change.reallocations
        });
        let least = counts.min().unwrap();
        f64::from(u32::try_from(least).unwrap()) / f64::from(times)
    }
}

/// A lab whose second router is gone for good, so that its id is free.
fn lab() -> Lab {
    let lab = Lab::up_with(&binary().unwrap(), &["--routers", "2", "--restart-delay", "never"]).unwrap();
    nemesis::stop_router(&lab, "r2").unwrap();
    for _ in 0..LOOKS_MAX {
        if lab.info().unwrap().router("r2").unwrap().pid.is_none() {
            return lab;
        }
        std::thread::sleep(LOOK);
    }
    panic!("the second router does not end");
}

/// The lab's second router on ports that are free, inside this process.
fn config(lab: &Lab) -> Config {
    let text = std::fs::read_to_string(lab.dir().join("conf/r2.yaml")).unwrap();
    let mut config: Config = serde_saphyr::from_str(&text).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    config.listen.rw = any;
    config.listen.ro = any;
    config.listen.tunnel = Some(any);
    config.reads.monitor_ms = 1000;
    config.reads.max_lag_ms = 10_000;
    config.state_file = lab.dir().join("counted.routes");
    config
}

#[test]
fn replies_pass_without_an_allocation_and_commands_with_that_of_their_record() {
    let lab = lab();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let router = runtime.block_on(Router::bind(config(&lab))).unwrap();
    let (rw, _) = router.addresses().unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let running = std::thread::spawn(move || runtime.block_on(router.run(stopped)));

    let mut session = Client::login(&lab, rw);
    let read = session.count("SELECT 1", COMMANDS);
    let rows = session.count(&format!("SELECT seq FROM mysql.seq_1_to_{ROWS}"), 1) / f64::from(ROWS);
    session.ask(b"\x06\0\0\0\x03BEGIN");
    let within = session.count("SELECT 2", COMMANDS);
    println!("allocations: {read:.3} for a read, {within:.3} for one in a transaction, {rows:.5} for a row");
    stop.cancel();
    running.join().unwrap();

    assert!((RECORD..RECORD + NOISE).contains(&read), "{read}");
    // A copy of the command is kept for a replay.
    assert!(
        (RECORD + 1.0 - NOISE..RECORD + 1.0 + NOISE).contains(&within),
        "{within}"
    );
    assert!(rows < 0.001, "{rows}");
}
