//! openraft's view of the peers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use openraft::{OptionalSend, RPCTypes};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{CallError, Peers, Purpose, Target};
use super::snapshot;
use super::wire::path;
use crate::identity::Identity;
use crate::machine::{SnapshotBody, SnapshotHeader};
use crate::types::{Member, RaftId, TypeConfig, Vote};

/// Makes the clients of one node.
#[derive(Debug, Clone)]
pub(crate) struct NetworkFactory {
    pub(crate) me: RaftId,
    /// Read at each call: until the group is initialised, another formation may still name the cluster anew.
    pub(crate) identity: Arc<ArcSwapOption<Identity>>,
    pub(crate) peers: Arc<Peers>,
    /// Where the configured supervisors are, by name.
    pub(crate) addrs: Arc<BTreeMap<String, String>>,
    /// Bound of one small call; below the election timeout.
    pub(crate) rpc_timeout: Duration,
}

/// One peer for one purpose.
#[derive(Debug)]
pub(crate) struct Network {
    factory: NetworkFactory,
    target: RaftId,
    addr: String,
    purpose: Purpose,
}

impl NetworkFactory {
    fn client(&self, target: RaftId, member: &Member, purpose: Purpose) -> Network {
        Network {
            factory: self.clone(),
            target,
            addr: self.addrs.get(&member.name).unwrap_or(&member.raft_addr).clone(),
            purpose,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: RaftId, node: &Member) -> Network {
        self.client(target, node, Purpose::Log)
    }

    async fn new_heartbeat_client(&mut self, target: RaftId, node: &Member) -> Network {
        self.client(target, node, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: RaftId, node: &Member) -> Network {
        self.client(target, node, Purpose::Snapshot)
    }
}

impl Network {
    fn target(&self) -> Target {
        let identity = self.factory.identity.load();
        Target {
            cluster_id: identity
                .as_ref()
                .map(|identity| identity.cluster_id.clone())
                .unwrap_or_default(),
            node_id: self.target,
        }
    }

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        action: RPCTypes,
        request: &Q,
        timeout: Duration,
    ) -> Result<A, RPCError<TypeConfig>> {
        let timeout = timeout.min(self.factory.rpc_timeout);
        let called = async {
            let peer = self.factory.peers.get(&self.addr, self.purpose)?;
            peer.call(path, Some(&self.target()), request, timeout).await
        };
        called.await.map_err(|error| self.error(&error, action))
    }

    fn error(&self, error: &CallError, action: RPCTypes) -> RPCError<TypeConfig> {
        match error {
            CallError::Timeout { timeout, .. } => RPCError::Timeout(Timeout {
                action,
                id: self.factory.me,
                target: self.target,
                timeout: *timeout,
            }),
            CallError::Unreachable { .. } | CallError::Refused { .. } => {
                tracing::debug!(peer = %self.addr, %error, "call failed");
                RPCError::Unreachable(Unreachable::new(error))
            }
            CallError::Garbled { .. } => RPCError::Network(NetworkError::new(error)),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotBody;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        // openraft's limit is one heartbeat. That is right for a heartbeat; an append ends in the follower's fsync, and
        // giving up on a slow disk only makes it do the same work again.
        let timeout = if rpc.entries.is_empty() {
            option.soft_ttl()
        } else {
            self.factory.rpc_timeout
        };
        self.call(path::APPEND, RPCTypes::AppendEntries, &rpc, timeout).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(path::VOTE, RPCTypes::Vote, &rpc, option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(path::PRE_VOTE, RPCTypes::Vote, &rpc, option.soft_ttl()).await
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(path::TRANSFER, RPCTypes::TransferLeader, &rpc, option.soft_ttl())
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotBody>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let header = SnapshotHeader::new(snapshot.meta, &snapshot.snapshot, Some(vote));
        let body = snapshot::stream_out(&header, &snapshot.snapshot)
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        let called = async {
            let peer = self.factory.peers.get(&self.addr, self.purpose)?;
            peer.send(path::SNAPSHOT, Some(&self.target()), body, option.soft_ttl())
                .await
        };
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = called => {
                answer.map_err(|error| self.error(&error, RPCTypes::InstallSnapshot).into())
            }
        }
    }
}
