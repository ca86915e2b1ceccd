//! Faults while others write: what was acknowledged is there, once, in the same order everywhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_raft::{Formation, Node, Profile, Role};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::lab::{Lab, note, reserve};
use crate::pki::SUPERVISOR;
use crate::proxy::Proxy;

/// Rounds of faults, each up to a second.
const ROUNDS: usize = 10;

/// Pause between two writes.
const PACE: Duration = Duration::from_millis(20);

/// Proposes keys one after another, each until it is acknowledged, through whichever node leads.
fn write_on(nodes: &Mutex<Vec<Option<Node>>>, acked: &Mutex<Vec<String>>, done: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut n = 0;
    while !done.load(Ordering::Relaxed) {
        let key = format!("k{n}");
        let running: Vec<Node> = nodes.lock().unwrap().iter().flatten().cloned().collect();
        let leads = |node: &&Node| node.leadership().borrow().role == Role::Leader;
        let Some(leader) = running.iter().find(leads) else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        // A crashed node never answers.
        let command = note(&key);
        let proposal = async { tokio::time::timeout(Duration::from_secs(1), leader.propose(&command)).await };
        if let Ok(Ok(_)) = runtime.block_on(proposal) {
            acked.lock().unwrap().push(key);
            n += 1;
            // The journal that the test reads at the end keeps the last thousand.
            std::thread::sleep(PACE);
        }
    }
}

#[test]
fn acknowledged_writes_survive_crashes_and_lost_disks() {
    let seed = std::env::var("QUORATE_SEED").map_or(11, |seed| seed.parse().unwrap());
    println!("repeat with QUORATE_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut lab = Lab::new();
    lab.snapshot_every = 50;
    for host in 0..3 {
        lab.start(host);
    }
    lab.leader();
    let nodes = Arc::new(Mutex::new((0..3).map(|host| Some(lab.node(host))).collect::<Vec<_>>()));
    let acked: Arc<Mutex<Vec<String>>> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (nodes, acked, done) = (Arc::clone(&nodes), Arc::clone(&acked), Arc::clone(&done));
        std::thread::spawn(move || write_on(&nodes, &acked, &done))
    };
    // One fault at a time: the next one comes when the last is healed.
    for round in 0..ROUNDS {
        std::thread::sleep(Duration::from_millis(rng.random_range(100..500)));
        let host = if rng.random_bool(0.6) {
            lab.leader()
        } else {
            rng.random_range(0..3)
        };
        nodes.lock().unwrap()[host] = None;
        lab.crash(host);
        if round % 4 == 3 {
            lab.wipe(host);
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..600)));
        lab.start(host);
        nodes.lock().unwrap()[host] = Some(lab.node(host));
        let index = lab.write(&format!("round {round}"));
        lab.until_applied(host, index);
        lab.until("it is a member", |lab| {
            *lab.node(host).formation().borrow() == Formation::Member
        });
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let last = lab.write("last");
    let acked = acked.lock().unwrap().clone();
    assert!(acked.len() > ROUNDS, "{}", acked.len());
    for host in 0..3 {
        lab.until_applied(host, last);
        let keys = lab.keys(host);
        let written: Vec<&String> = keys.iter().filter(|key| key.starts_with('k')).collect();
        // The last proposal may be committed without having been acknowledged.
        assert_eq!(
            written[..acked.len()],
            acked.iter().collect::<Vec<_>>()[..],
            "host {host}"
        );
        assert_eq!(keys, lab.keys(0));
    }
}

#[test]
fn a_follower_that_hears_nothing_disturbs_nobody() {
    let mut lab = Lab::new();
    // Peers reach s3 through a relay; s3 reaches them directly.
    let relay = reserve();
    let own = reserve();
    let target = own.local_addr().unwrap();
    drop(own);
    lab.peers[2].raft_addr = relay.local_addr().unwrap().to_string();
    let proxy = Proxy::start(relay, target);
    let tls = lab.authority.tls(SUPERVISOR);
    for host in 0..3 {
        let mut config = lab.config(host);
        // Quiet elections: the term must not move for any other reason, such as a busy machine.
        config.profile = Profile::Tolerant;
        if host == 2 {
            config.listen = target;
        }
        lab.start_with(host, &config, &tls).unwrap();
    }
    lab.write("one");
    lab.until("another one leads", |lab| {
        lab.leader() != 2 || lab.on(2, lab.node(2).step_down()).is_ok() && lab.leader() != 2
    });
    let leader = lab.leader();
    let before = *lab.node(leader).leadership().borrow();
    proxy.stall();
    lab.until("s3 hears no leader", |lab| {
        lab.node(2).leadership().borrow().leader.is_none()
    });
    // Many election timeouts: it asks for pre-votes, and the others, who hear their leader, say no.
    std::thread::sleep(Duration::from_secs(4));
    let written = lab.write("two");
    let after = *lab.node(leader).leadership().borrow();
    assert_eq!((before.role, before.term), (after.role, after.term));
    proxy.flow();
    lab.until_applied(2, written);
    assert_eq!(lab.node(leader).leadership().borrow().term, before.term);
}
