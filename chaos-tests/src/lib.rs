//! Simulation, invariants, and real-server chaos.
