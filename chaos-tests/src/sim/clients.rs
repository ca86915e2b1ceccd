//! Clients behind routers: writers of unique values and readers, one connection each, one question at a time.

use quorate_model::DoorState;

use super::clock::Micros;
use super::event::{Answer, What};
use super::mariadb::Waiter;
use super::world::World;

/// A client gives up waiting after this; what it asked for may have happened.
const PATIENCE: Micros = 2_500_000;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) router: usize,
    reader: bool,
    session: Option<Session>,
    /// Tells a present timer from an old one.
    turn: u64,
    asked: Option<Asked>,
    /// Successful answers so far, for the progress check.
    pub(crate) answers: u64,
}

/// A connection through the router and a door.
#[derive(Debug, Clone, Copy)]
struct Session {
    number: u64,
    node: usize,
    epoch: u64,
    boot: u64,
}

/// A question under way.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Micros,
    write: Option<u64>,
}

impl Client {
    pub(crate) const fn new(router: usize, reader: bool) -> Self {
        Self {
            router,
            reader,
            session: None,
            turn: 0,
            asked: None,
            answers: 0,
        }
    }
}

impl World {
    /// The client acts: connects if it must, asks if it can.
    pub(crate) fn client(&mut self, at: usize, turn: u64) {
        if self.clients[at].turn != turn || self.done {
            return;
        }
        let router = self.clients[at].router;
        let host = self.router_host(router);
        if self.routers[router].machine.is_none() || self.paused[host] {
            self.next_turn(at, 50_000);
            return;
        }
        if self.clients[at].session.is_none() {
            self.begin_session(at);
            return;
        }
        let write = if self.clients[at].reader {
            None
        } else {
            Some(self.unique())
        };
        let turn = self.clients[at].turn + 1;
        self.clients[at].turn = turn;
        self.clients[at].asked = Some(Asked { at: self.now, write });
        let Some(session) = self.clients[at].session else {
            return;
        };
        let wait = self.network.delay(&mut self.rng);
        self.after(
            wait,
            What::ClientArrives {
                client: at,
                session: session.number,
                write,
                tries: 0,
            },
        );
        self.after(PATIENCE, What::ClientTimeout { client: at, turn });
    }

    fn next_turn(&mut self, at: usize, wait: Micros) {
        let client = &mut self.clients[at];
        client.turn += 1;
        client.asked = None;
        let turn = client.turn;
        let wait = wait / 2 + self.rng.below(wait + 1);
        self.after(wait, What::Client { client: at, turn });
    }

    fn begin_session(&mut self, at: usize) {
        let router = &self.routers[self.clients[at].router];
        let table = router.table.as_ref();
        let target = table.and_then(|table| Some((table.writable.as_ref()?.node.clone(), table.epoch.0)));
        let Some((node, epoch)) = target.filter(|(_, epoch)| *epoch >= router.floor) else {
            self.next_turn(at, 30_000);
            return;
        };
        let Some(node) = self.node_of(&node) else { return };
        self.clients[at].turn += 1;
        let turn = self.clients[at].turn;
        let wait = 2 * self.network.delay(&mut self.rng);
        self.after(
            wait,
            What::ClientConnect {
                client: at,
                turn,
                node,
                epoch,
            },
        );
    }

    /// The door answers.
    pub(crate) fn client_connects(&mut self, at: usize, turn: u64, node: usize, epoch: u64) {
        if self.clients[at].turn != turn {
            return;
        }
        let router = self.clients[at].router;
        let host = self.router_host(router);
        let admitted = self.nodes[node].agent.door.admitted.contains(&self.routers[router].id);
        let server = self.nodes[node].server.as_ref().filter(|server| server.answering);
        let boot = server.map(|server| server.boot);
        let runs = self.routers[router].machine.is_some() && !self.paused[host];
        let works = self.agent_works(node) && self.network.both(host, node) && !self.nodes[node].frozen;
        let current = epoch >= self.routers[router].floor;
        let opens = works && admitted && current && runs && self.door_serves(node, epoch);
        match boot.filter(|_| opens) {
            Some(boot) => {
                let number = self.unique();
                self.clients[at].session = Some(Session {
                    number,
                    node,
                    epoch,
                    boot,
                });
                self.next_turn(at, 1_000);
            }
            None => self.next_turn(at, 60_000),
        }
    }

    fn session(&self, at: usize, number: u64) -> Option<Session> {
        self.clients[at].session.filter(|session| session.number == number)
    }

    /// The question reaches the door, or waits for a path to it.
    pub(crate) fn client_arrives(&mut self, at: usize, number: u64, write: Option<u64>, tries: u8) {
        let Some(session) = self.session(at, number) else {
            return;
        };
        let router = self.clients[at].router;
        let host = self.router_host(router);
        let node = session.node;
        let flows = self.network.open(host, node) && self.agent_works(node) && !self.paused[host];
        if !flows || self.nodes[node].frozen || self.nodes[node].stalled_until > self.now {
            if tries < 100 {
                self.after(
                    30_000,
                    What::ClientArrives {
                        client: at,
                        session: number,
                        write,
                        tries: tries + 1,
                    },
                );
            }
            return;
        }
        if !self.door_serves(node, session.epoch) {
            self.close(at);
            return;
        }
        let server = self.nodes[node]
            .server
            .as_ref()
            .filter(|server| server.boot == session.boot);
        let Some(read_only) = server.map(|server| server.read_only) else {
            self.close(at);
            return;
        };
        self.judge_service(node, session.epoch);
        match write {
            None => {
                let seq = self.nodes[node].disk.seen();
                self.answer_client(node, at, number, None, Answer::Rows { seq });
            }
            Some(_) if read_only => self.answer_client(node, at, number, write, Answer::Refused),
            Some(write) => self.commit_on(
                node,
                Waiter::Client {
                    client: at,
                    session: number,
                    write,
                },
            ),
        }
    }

    /// The server's answer reaches the door, and passes it if clients are served.
    pub(crate) fn answer_client(&mut self, _node: usize, at: usize, session: u64, write: Option<u64>, answer: Answer) {
        let wait = self.network.delay(&mut self.rng);
        self.after(
            wait,
            What::ClientAnswered {
                client: at,
                session,
                write,
                answer,
                tries: 0,
            },
        );
    }

    pub(crate) fn client_answered(&mut self, at: usize, number: u64, write: Option<u64>, answer: Answer, tries: u8) {
        let Some(session) = self.session(at, number) else {
            return;
        };
        let Some(asked) = self.clients[at].asked.filter(|asked| asked.write == write) else {
            return;
        };
        let host = self.router_host(self.clients[at].router);
        let node = session.node;
        if !self.network.open(node, host) || !self.agent_works(node) || self.paused[host] {
            if tries < 100 {
                self.after(
                    30_000,
                    What::ClientAnswered {
                        client: at,
                        session: number,
                        write,
                        answer,
                        tries: tries + 1,
                    },
                );
            }
            return;
        }
        let same = self.nodes[node]
            .server
            .as_ref()
            .is_some_and(|server| server.boot == session.boot);
        if !same || !self.door_serves(node, session.epoch) {
            self.close(at);
            return;
        }
        match answer {
            Answer::Ok { seq, uid } => self.judge_promise(node, session.epoch, seq, uid),
            Answer::Rows { seq } => {
                self.judge_read(node, session.epoch, asked.at, seq);
                let router = self.clients[at].router;
                self.record_read(router, session.epoch, asked.at);
            }
            Answer::Refused => {}
        }
        if answer != Answer::Refused {
            self.clients[at].answers += 1;
        }
        let think = self.config.think;
        self.next_turn(at, think);
    }

    /// The outcome of what was asked is unknown from here on.
    pub(crate) fn client_timeout(&mut self, at: usize, turn: u64) {
        if self.clients[at].turn == turn {
            self.close(at);
        }
    }

    fn close(&mut self, at: usize) {
        self.clients[at].session = None;
        self.next_turn(at, 20_000);
    }

    pub(crate) fn has_sessions_below(&self, router: usize, epoch: u64) -> bool {
        self.clients
            .iter()
            .any(|client| client.router == router && client.session.is_some_and(|session| session.epoch < epoch))
    }

    /// A router ends its connections below an epoch.
    pub(crate) fn cut_clients_of(&mut self, router: usize, below: u64) {
        for at in 0..self.clients.len() {
            let old = self.clients[at].session.is_some_and(|session| session.epoch < below);
            if old && self.clients[at].router == router {
                self.close(at);
            }
        }
    }

    /// A server, its agent or its host is gone.
    pub(crate) fn cut_clients_at(&mut self, node: usize, silently: bool) {
        for at in 0..self.clients.len() {
            if self.clients[at].session.is_some_and(|session| session.node == node) && !silently {
                self.close(at);
            }
        }
    }

    /// The door changed: connections that it does not admit any more are cut.
    pub(crate) fn recheck_clients_at(&mut self, node: usize) {
        let door = &self.nodes[node].agent.door;
        let open = match door.state {
            DoorState::Open { epoch } => Some(epoch.0),
            DoorState::Closed | DoorState::Replicas { .. } | DoorState::ReadOnly { .. } => None,
        };
        let admitted = door.admitted.clone();
        for at in 0..self.clients.len() {
            let router = self.routers[self.clients[at].router].id.clone();
            let cut = self.clients[at].session.is_some_and(|session| {
                session.node == node && (open != Some(session.epoch) || !admitted.contains(&router))
            });
            if cut {
                self.close(at);
            }
        }
    }
}
