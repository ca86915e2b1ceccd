//! Where outcomes are resolved: the binlog of the primary that is open now.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::Epoch;

use crate::core::route::Access;
use crate::mysql::auth::service::{Service, ServiceLogin};
use crate::mysql::door::{DoorStream, Visitor};
use crate::mysql::fleet::positions::Fleet;
use crate::mysql::recover::resolve::Primary;

/// For one login.
const LOGIN_MAX: Duration = Duration::from_secs(2);

/// The open primary, as the router's own account sees it.
pub(crate) struct OpenPrimary {
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) account: ServiceLogin,
}

impl Primary for OpenPrimary {
    type Stream = DoorStream;

    async fn open(&self) -> Epoch {
        let (_, epoch) = self.fleet.open().await;
        epoch
    }

    async fn dial(&self) -> io::Result<DoorStream> {
        let (primary, epoch) = {
            let view = self.fleet.view();
            (view.primary.clone(), view.epoch)
        };
        let primary = primary.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "no primary is open"))?;
        let endpoint = &primary.endpoint;
        Service::connect(&self.visitor, endpoint, epoch, Access::Write, &self.account, LOGIN_MAX)
            .await
            .map(Service::into_stream)
            .map_err(io::Error::other)
    }

    fn replicated(&self) -> u64 {
        let view = self.fleet.view();
        view.replicas
            .iter()
            .map(|server| server.applied())
            .max()
            .unwrap_or_default()
    }
}
