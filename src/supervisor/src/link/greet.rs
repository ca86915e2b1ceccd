//! Who may have a link.

use std::collections::BTreeSet;

use quorate_api::link::{Hello, PROTOCOL, Peer, RefusalCode, Welcome};
use quorate_api::tls::{PeerName, Role};
use quorate_model::{ClusterId, SupervisorId};

/// What a peer is checked against.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Who answers.
    pub(crate) me: SupervisorId,
    /// The deployment.
    pub(crate) cluster: ClusterId,
    /// Declared nodes.
    pub(crate) nodes: BTreeSet<String>,
    /// Configured supervisors.
    pub(crate) supervisors: BTreeSet<String>,
}

impl Rules {
    /// The answer to a hello from a peer whose certificate carries `name`.
    pub(super) fn answer(&self, hello: &Hello, name: &PeerName) -> Welcome {
        match self.check(hello, name) {
            Ok(()) => Welcome::Accepted {
                supervisor: self.me.clone(),
            },
            Err((code, why)) => Welcome::Refused { code, why },
        }
    }

    fn check(&self, hello: &Hello, name: &PeerName) -> Result<(), (RefusalCode, String)> {
        if hello.protocol != PROTOCOL {
            let why = format!(
                "this supervisor speaks protocol {PROTOCOL}, not {}; run the same version on both sides",
                hello.protocol
            );
            return Err((RefusalCode::Protocol, why));
        }
        if hello.cluster != self.cluster {
            let why = format!(
                "this is cluster `{}`, not `{}`; correct the cluster id or the addresses of the supervisors",
                self.cluster, hello.cluster
            );
            return Err((RefusalCode::ForeignCluster, why));
        }
        let claimed = claimed(&hello.peer);
        if claimed != *name {
            let why = format!("the certificate is for {name}, not for {claimed}; use the certificate of {claimed}");
            return Err((RefusalCode::WrongName, why));
        }
        let known = match name.role {
            Role::Agent => self.nodes.contains(&name.name),
            Role::Supervisor => self.supervisors.contains(&name.name) && name.name != self.me.as_str(),
            Role::Router => true,
        };
        if known {
            return Ok(());
        }
        let why = format!("{name} is not declared; add it to the supervisors' configuration");
        Err((RefusalCode::UnknownPeer, why))
    }
}

fn claimed(peer: &Peer) -> PeerName {
    let (role, name) = match peer {
        Peer::Agent { node } => (Role::Agent, node.as_str()),
        Peer::Router { router } => (Role::Router, router.as_str()),
        Peer::Supervisor { supervisor } => (Role::Supervisor, supervisor.as_str()),
    };
    PeerName {
        role,
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl FnOnce(&mut Hello, &mut PeerName)) -> Option<RefusalCode> {
        let rules = Rules {
            me: "s1".into(),
            cluster: "lab".into(),
            nodes: ["m1".to_owned()].into(),
            supervisors: ["s1".to_owned(), "s2".to_owned()].into(),
        };
        let mut hello = Hello {
            protocol: PROTOCOL,
            cluster: "lab".into(),
            peer: Peer::Agent { node: "m1".into() },
        };
        let mut name = PeerName {
            role: Role::Agent,
            name: "m1".into(),
        };
        change(&mut hello, &mut name);
        match rules.answer(&hello, &name) {
            Welcome::Accepted { .. } => None,
            Welcome::Refused { code, .. } => Some(code),
        }
    }

    #[test]
    fn only_declared_peers_under_their_own_name_are_let_in() {
        assert_eq!(answer(|_, _| {}), None);
        assert_eq!(answer(|hello, _| hello.protocol += 1), Some(RefusalCode::Protocol));
        assert_eq!(
            answer(|hello, _| hello.cluster = "prod".into()),
            Some(RefusalCode::ForeignCluster)
        );
        assert_eq!(answer(|_, name| name.name = "m2".into()), Some(RefusalCode::WrongName));
        assert_eq!(answer(|_, name| name.role = Role::Router), Some(RefusalCode::WrongName));
        let unknown = answer(|hello, name| {
            hello.peer = Peer::Agent { node: "m9".into() };
            name.name = "m9".into();
        });
        assert_eq!(unknown, Some(RefusalCode::UnknownPeer));
        let myself = answer(|hello, name| {
            hello.peer = Peer::Supervisor {
                supervisor: "s1".into(),
            };
            *name = PeerName {
                role: Role::Supervisor,
                name: "s1".into(),
            };
        });
        assert_eq!(myself, Some(RefusalCode::UnknownPeer));
    }
}
