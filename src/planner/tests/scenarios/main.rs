//! What the planner does in situations that people can picture: one file per concern.

#[cfg(test)]
mod abort;
#[cfg(test)]
mod ackset;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod forming;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod power_loss;
#[cfg(test)]
mod rejoin;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod suspicion;
#[cfg(test)]
mod switchover;
