//! What a seed decides about its run before it starts.

use super::clock::Micros;
use super::rng::Rng;

/// The shape of one run.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) nodes: usize,
    pub(crate) routers: usize,
    pub(crate) clients: usize,
    /// A link without a path for this long is dead.
    pub(crate) link_dies_after: Micros,
    /// How many of a thousand messages come again much later.
    pub(crate) ghosts: u64,
    /// How many of a thousand acknowledgements are lost with their connection.
    pub(crate) lost_acks: u64,
    /// How many of a thousand decisions are followed at once by a fault.
    pub(crate) ambush: u64,
    /// Time between two actions of a client.
    pub(crate) think: Micros,
    /// When faults begin, and for how long they may begin.
    pub(crate) calm: Micros,
    pub(crate) storm: Micros,
    pub(crate) faults: u64,
    /// Which kinds of faults this seed prefers.
    pub(crate) taste: u64,
    /// Shortest silence of a Raft leader after which another one is elected.
    pub(crate) election: Micros,
}

impl Config {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let wild = rng.chance(250);
        Self {
            nodes: match rng.below(10) {
                0 => 2,
                1 => 4,
                2 => 5,
                _ => 3,
            },
            routers: if rng.chance(500) { 2 } else { 1 },
            clients: usize::try_from(rng.range(2, 6)).unwrap_or(2),
            link_dies_after: rng.range(1_000_000, 3_500_000),
            ghosts: if rng.chance(500) { rng.below(20) } else { 0 },
            lost_acks: if rng.chance(400) { rng.below(60) } else { 0 },
            ambush: if rng.chance(500) { rng.below(400) } else { 0 },
            think: rng.range(5_000, 60_000),
            calm: rng.range(1_500_000, 2_500_000),
            storm: rng.range(2_000_000, if wild { 14_000_000 } else { 8_000_000 }),
            faults: if wild { rng.range(8, 24) } else { rng.range(1, 8) },
            taste: rng.next(),
            election: rng.range(250_000, 350_000),
        }
    }
}
