//! Streams from a primary to its replicas, through the tunnel between two agents, and the acknowledgements back.

use quorate_agent::machine::{Event, Target};
use quorate_model::IoThread;

use super::clock::Micros;
use super::event::What;
use super::sabotage::Sabotage;
use super::world::World;

/// The primary's sign of life on an idle stream.
const HEARTBEAT: Micros = 250_000;
/// A stream without a path for this long is given up (`slave_net_timeout`).
const NET_TIMEOUT: Micros = 1_500_000;
/// How many transactions one move carries.
const BATCH: usize = 16;

/// What a replica receives.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Which stream; grows.
    pub(crate) number: u64,
    pub(crate) source: Option<usize>,
    pub(crate) epoch: Option<u64>,
    /// True time of the last byte, while a stream stands.
    pub(crate) last_byte: Option<Micros>,
    stalled: Option<Micros>,
    /// No look at a stream that does not flow before then.
    next_look: Micros,
    /// An attempt to connect is under way.
    pub(crate) trying: bool,
}

impl World {
    /// The relay's target changed; what stands is cut.
    pub(crate) fn set_relay(&mut self, at: usize, target: Option<Target>) {
        if self.sabotage == Some(Sabotage::RevokeSkipped) && target.is_none() {
            return;
        }
        self.trace.say(self.now, || format!("m{}: relay {target:?}", at + 1));
        self.nodes[at].agent.relay = target;
        self.drop_stream(at, true);
        self.try_attach(at, 1_000);
    }

    /// The receiving thread tries to connect, if it runs.
    pub(crate) fn try_attach(&mut self, at: usize, wait: Micros) {
        let node = &mut self.nodes[at];
        let Some(server) = &node.server else { return };
        if server.io == IoThread::No || node.stream.trying || node.stream.source.is_some() {
            return;
        }
        node.stream.trying = true;
        let boot = server.boot;
        let wait = wait + self.rng.below(wait + 1);
        self.after(wait, What::Attach { node: at, boot });
    }

    pub(crate) fn connect_stream(&mut self, at: usize, boot: u64) {
        self.nodes[at].stream.trying = false;
        if self.nodes[at].server.as_ref().is_none_or(|server| server.boot != boot) {
            self.try_attach(at, 10_000);
            return;
        }
        let Some(source) = self.reachable_source(at) else {
            self.try_attach(at, 150_000);
            return;
        };
        let epoch = self.nodes[at].agent.relay.as_ref().map(|target| target.epoch.0);
        let from = self.nodes[at].server.as_ref().and_then(|server| server.io_pos);
        let from = from.unwrap_or(0).max(self.nodes[at].disk.end());
        let ours = self.nodes[at].disk.find(from).map(|txn| txn.gtid());
        let theirs = self.nodes[source].disk.find(from).map(|txn| txn.gtid());
        let known = from == 0 || (from <= self.nodes[source].disk.end() && ours == theirs);
        let Some(server) = self.nodes[at].server.as_mut() else {
            return;
        };
        if !known {
            server.io = IoThread::No;
            server.error = Some("Got fatal error 1236: the requested GTID is not in the master's binlog".to_owned());
            return;
        }
        server.io = IoThread::Yes;
        server.io_pos = Some(from);
        self.nodes[at].disk.bystander = false;
        let stream = self.unique();
        let now = self.now;
        let state = &mut self.nodes[at].stream;
        state.number = stream;
        state.source = Some(source);
        state.epoch = epoch;
        state.last_byte = Some(now);
        state.stalled = None;
        self.nodes[source].tunnels.insert(at, stream);
        self.trace.say(now, || {
            format!("m{}: stream {stream} from m{} after {from}", at + 1, source + 1)
        });
        self.stream_word(at);
        let wait = self.network.delay(&mut self.rng);
        self.after(wait, What::Stream { node: at, stream });
    }

    /// The primary behind the relay, if its door lets this node in now.
    fn reachable_source(&self, at: usize) -> Option<usize> {
        let node = &self.nodes[at];
        let target = node.agent.relay.as_ref()?;
        let source = self.node_of(&target.node)?;
        let primary = &self.nodes[source];
        let let_in = primary.door_epoch() == Some(target.epoch.0) || self.sabotage == Some(Sabotage::AckGateOff);
        let server = primary.server.as_ref().is_some_and(|server| server.answering);
        (self.agent_works(at)
            && self.agent_works(source)
            && self.network.both(at, source)
            && let_in
            && server
            && !primary.frozen
            && !node.frozen)
            .then_some(source)
    }

    /// New transactions in a binlog: tell the streams.
    pub(crate) fn wake_streams(&mut self, source: usize) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].stream.source == Some(source) {
                let stream = self.nodes[at].stream.number;
                let wait = self.network.delay(&mut self.rng);
                self.after(wait, What::Stream { node: at, stream });
            }
        }
    }

    /// Moves what the primary has and the replica lacks, and answers.
    pub(crate) fn move_stream(&mut self, at: usize, number: u64) {
        let stream = &self.nodes[at].stream;
        let Some(source) = stream.source.filter(|_| stream.number == number) else {
            return;
        };
        let alive = self.agent_works(source) && self.network.both(source, at);
        if alive && self.nodes[source].tunnels.get(&at) != Some(&number) && self.sabotage.is_none() {
            // The primary's agent was restarted: it knows nothing of this connection and resets it.
            self.drop_stream(at, true);
            self.try_attach(at, 100_000);
            return;
        }
        let flows = self.agent_works(at)
            && self.agent_works(source)
            && !self.nodes[at].frozen
            && !self.nodes[source].frozen
            && self.nodes[at].stalled_until <= self.now
            && self.network.open(source, at);
        let path = self.network.both(source, at) && self.agent_works(source) && self.agent_works(at);
        if !flows || !path {
            let now = self.now;
            let since = *self.nodes[at].stream.stalled.get_or_insert(now);
            if self.now - since > NET_TIMEOUT && !self.nodes[at].frozen && !self.paused[at] {
                self.drop_stream(at, true);
                self.try_attach(at, 100_000);
                return;
            }
            if !flows {
                if self.nodes[at].stream.next_look <= now {
                    self.nodes[at].stream.next_look = now + 20_000;
                    self.after(
                        20_000,
                        What::Stream {
                            node: at,
                            stream: number,
                        },
                    );
                }
                return;
            }
        } else {
            self.nodes[at].stream.stalled = None;
        }
        let now = self.now;
        let since = self.nodes[at].stream.last_byte.map_or(HEARTBEAT, |byte| now - byte);
        let moved = self.receive(at, source);
        if moved || since >= HEARTBEAT {
            self.nodes[at].stream.last_byte = Some(now);
        }
        if moved {
            self.acknowledge(at, source, number);
            let more = self.nodes[source].disk.end() > self.nodes[at].disk.received();
            if more {
                self.after(
                    500,
                    What::Stream {
                        node: at,
                        stream: number,
                    },
                );
            }
        }
        self.schedule_heartbeat(at, number);
    }

    fn schedule_heartbeat(&mut self, at: usize, number: u64) {
        // One pending move per quarter second is enough; earlier ones come with the data.
        let now = self.now;
        let stream = &mut self.nodes[at].stream;
        if stream.last_byte == Some(now) {
            self.after(
                HEARTBEAT,
                What::Stream {
                    node: at,
                    stream: number,
                },
            );
        }
    }

    /// Writes to the relay log; says whether there was anything.
    fn receive(&mut self, at: usize, source: usize) -> bool {
        let boot = match &self.nodes[at].server {
            Some(server) if server.io != IoThread::No => server.boot,
            _ => return false,
        };
        let from = self.nodes[at]
            .server
            .as_ref()
            .and_then(|server| server.io_pos)
            .unwrap_or(0);
        let binlog = &self.nodes[source].disk.binlog;
        let start = binlog.partition_point(|txn| txn.seq <= from);
        let news: Vec<_> = binlog.iter().skip(start).take(BATCH).copied().collect();
        let Some(last) = news.last().map(|txn| txn.seq) else {
            return false;
        };
        let id = self.nodes[at].id.clone();
        let member = self.raft.agreed().ack_set.contains_key(&id);
        let node = &mut self.nodes[at];
        node.disk.bystander |= !member;
        node.disk.relay.extend(news);
        if let Some(server) = &mut node.server {
            server.io_pos = Some(last);
            if server.applier {
                let wait = node.apply;
                self.after(wait, What::Apply { node: at, boot });
            }
        }
        true
    }

    fn acknowledge(&mut self, at: usize, source: usize, stream: u64) {
        let Some(boot) = self.nodes[source].server.as_ref().map(|server| server.boot) else {
            return;
        };
        let seq = self.nodes[at].disk.received();
        let wait = self.network.delay(&mut self.rng);
        self.after(
            wait,
            What::Ack {
                primary: source,
                boot,
                replica: at,
                stream,
                seq,
            },
        );
    }

    /// An acknowledgement reaches the primary's door.
    pub(crate) fn ack(&mut self, primary: usize, boot: u64, replica: usize, stream: u64, seq: u64) {
        let node = &self.nodes[primary];
        if node.server.as_ref().is_none_or(|server| server.boot != boot) {
            return;
        }
        let gate = self.sabotage != Some(Sabotage::AckGateOff);
        if node.tunnels.get(&replica) != Some(&stream) && gate {
            return;
        }
        if !self.network.open(replica, primary) || !self.agent_works(primary) || node.frozen {
            self.after(
                20_000,
                What::Ack {
                    primary,
                    boot,
                    replica,
                    stream,
                    seq,
                },
            );
            return;
        }
        let passes = node.agent.door.ackable.contains(&self.nodes[replica].id);
        if gate && !passes {
            return;
        }
        if self.healed.is_none() && self.rng.chance(self.config.lost_acks) {
            // The connection breaks with the acknowledgement in it; what was received is not sent again.
            self.cut_tunnel(primary, replica);
            return;
        }
        self.judge_ack(primary, replica, seq);
        self.acknowledged(primary, seq);
    }

    /// The replica's end of a stream is gone.
    pub(crate) fn drop_stream(&mut self, at: usize, tell: bool) {
        let Some(source) = self.nodes[at].stream.source.take() else {
            return;
        };
        let stream = self.nodes[at].stream.number;
        self.nodes[at].stream.last_byte = None;
        self.nodes[at].stream.epoch = None;
        self.nodes[at].stream.stalled = None;
        if let Some(server) = &mut self.nodes[at].server
            && server.io == IoThread::Yes
        {
            server.io = IoThread::Connecting;
        }
        self.trace
            .say(self.now, || format!("m{}: stream {stream} ends", at + 1));
        let wait = self.network.delay(&mut self.rng);
        self.after(
            wait,
            What::TunnelClosed {
                primary: source,
                replica: at,
                stream,
            },
        );
        if tell && self.nodes[at].agent.machine.is_some() {
            let life = self.nodes[at].agent.life;
            self.after(
                100,
                What::Agent {
                    node: at,
                    life,
                    event: Box::new(Event::Stream(None)),
                },
            );
        }
    }

    pub(crate) fn tunnel_closed(&mut self, primary: usize, replica: usize, stream: u64) {
        if self.nodes[primary].tunnels.get(&replica) == Some(&stream) {
            self.nodes[primary].tunnels.remove(&replica);
        }
    }

    /// The primary's door cuts a tunnel; the replica learns of it when the word gets there.
    pub(crate) fn cut_tunnel(&mut self, primary: usize, replica: usize) {
        let Some(stream) = self.nodes[primary].tunnels.remove(&replica) else {
            return;
        };
        let wait = self.network.delay(&mut self.rng);
        self.after(wait, What::StreamBroken { node: replica, stream });
    }

    pub(crate) fn stream_broken(&mut self, at: usize, stream: u64) {
        let state = &self.nodes[at].stream;
        let Some(source) = state.source.filter(|_| state.number == stream) else {
            return;
        };
        if self.network.open(source, at) {
            self.drop_stream(at, true);
            self.try_attach(at, 100_000);
        } else {
            self.after(40_000, What::StreamBroken { node: at, stream });
        }
    }

    /// A primary's process or host is gone: its tunnels end, with a word or without.
    pub(crate) fn cut_tunnels(&mut self, primary: usize, silently: bool) {
        let replicas: Vec<usize> = self.nodes[primary].tunnels.keys().copied().collect();
        for replica in replicas {
            if silently {
                self.nodes[primary].tunnels.remove(&replica);
            } else {
                self.cut_tunnel(primary, replica);
            }
        }
    }
}
