//! Three nodes over real sockets and real certificates.

use quorate_raft::{Formation, MemberError, ProposeError, Role};

use crate::lab::{Lab, note, reserve};

#[test]
fn writes_survive_the_leader_and_a_restart_of_all() {
    let mut lab = Lab::formed();
    let first = lab.write("one");
    for host in 0..3 {
        lab.until_applied(host, first);
        assert_eq!(lab.keys(host), ["one"]);
    }
    // On a busy machine the leadership may move at any time; every question is asked until it is answered.
    lab.until("a follower names the leader", |lab| {
        let follower = (lab.leader() + 1) % 3;
        let refused = lab.on(follower, lab.node(follower).propose(&note("elsewhere")));
        matches!(refused, Err(ProposeError::NotLeader { leader: Some((_, leader)) })
            if leader.name != lab.hosts[follower].name)
    });

    let old = lab.leader();
    lab.crash(old);
    let second = lab.write("two");
    assert!(second > first);
    lab.start(old);
    lab.until_applied(old, second);
    assert_eq!(lab.keys(old), ["one", "two"]);

    for host in 0..3 {
        lab.crash(host);
    }
    for host in 0..3 {
        lab.start(host);
    }
    let third = lab.write("three");
    for host in 0..3 {
        lab.until_applied(host, third);
        assert_eq!(lab.keys(host), ["one", "two", "three"]);
    }
}

#[test]
fn the_leader_proves_itself_and_hands_over() {
    let lab = Lab::formed();
    let index = lab.write("one");
    lab.until("only the leader proves itself", |lab| {
        let leader = lab.leader();
        let follower = (leader + 1) % 3;
        let read = lab.on(leader, lab.node(leader).read_index());
        let refused = lab.on(follower, lab.node(follower).read_index());
        let age = lab.node(follower).quorum_acked_age();
        read.is_ok_and(|read| read >= Some(index)) && refused.is_err() && age.is_none()
    });
    lab.until("leadership is handed to a named voter", |lab| {
        let leader = lab.leader();
        let follower = (leader + 1) % 3;
        let target = lab.node(follower).identity().unwrap().node_id;
        let handed = lab.on(leader, lab.node(leader).transfer_leadership(target));
        handed.is_ok() && lab.leader() == follower
    });
    lab.until("leadership is handed to whoever is best", |lab| {
        let leader = lab.leader();
        lab.on(leader, lab.node(leader).step_down()).is_ok() && lab.leader() != leader
    });
    lab.write("two");
}

#[test]
fn a_minority_commits_nothing_and_says_so() {
    let mut lab = Lab::formed();
    let leader = lab.leader();
    lab.crash((leader + 1) % 3);
    lab.crash((leader + 2) % 3);
    let outcome = lab.on(leader, lab.node(leader).propose(&note("lonely")));
    assert!(
        matches!(
            outcome,
            Err(ProposeError::Unknown { .. } | ProposeError::NotLeader { .. })
        ),
        "{outcome:?}"
    );
    assert!(lab.keys(leader).is_empty());
}

#[test]
fn one_supervisor_alone_is_a_group() {
    let mut lab = Lab::new();
    let mut config = lab.config(0);
    config.peers.truncate(1);
    let tls = lab.authority.tls(crate::pki::SUPERVISOR);
    lab.start_with(0, &config, &tls).unwrap();
    lab.write("one");
    lab.crash(0);
    lab.start_with(0, &config, &tls).unwrap();
    lab.write("two");
    assert_eq!(lab.keys(0), ["one", "two"]);
}

#[test]
fn no_group_is_formed_until_all_peers_agree() {
    let mut lab = Lab::new();
    lab.start(0);
    lab.start(1);
    lab.until("s1 says for whom it waits", |lab| {
        match &*lab.node(0).formation().borrow() {
            Formation::Waiting { waiting_for } => waiting_for.keys().eq(["s3"]),
            _ => false,
        }
    });
    assert_eq!(lab.node(0).identity(), None);

    let mut other = lab.config(2);
    other.peers[1].name = "other".to_owned();
    let tls = lab.authority.tls(crate::pki::SUPERVISOR);
    lab.start_with(2, &other, &tls).unwrap();
    lab.until("s1 says that the lists differ", |lab| {
        match &*lab.node(0).formation().borrow() {
            Formation::Waiting { waiting_for } => waiting_for.values().any(|why| why.contains("differs")),
            _ => false,
        }
    });
    lab.stop(2);
    lab.start(2);
    lab.write("one");
}

#[test]
fn a_lost_disk_rejoins_under_a_new_id_and_replaces_the_old_voter() {
    let mut lab = Lab::formed();
    lab.write("one");
    for host in [0, lab.leader()] {
        let old_id = lab.node(host).identity().unwrap().node_id;
        lab.crash(host);
        lab.wipe(host);
        lab.start(host);
        let written = lab.write("while it is away");
        lab.until("it is a member again", |lab| {
            *lab.node(host).formation().borrow() == Formation::Member
        });
        let new_id = lab.node(host).identity().unwrap().node_id;
        assert!(new_id > 9, "{new_id}");
        lab.until_applied(host, written);
        let members = lab.node(lab.leader()).members();
        assert_eq!(members.len(), 3, "{members:?}");
        assert!(members.iter().all(|(id, _, votes)| *id != old_id && *votes));
    }
    // The new voters carry the group: it survives the loss of another one.
    lab.crash(lab.leader());
    lab.write("two");
}

#[test]
fn a_removed_disk_that_returns_is_told_so() {
    let mut lab = Lab::formed();
    lab.write("one");
    let host = (lab.leader() + 1) % 3;
    let old_id = lab.node(host).identity().unwrap().node_id;
    lab.crash(host);
    let kept = lab.spare_folder("kept");
    std::fs::rename(&lab.hosts[host].data_dir, &kept).unwrap();
    lab.start(host);
    lab.until("it is a member again", |lab| {
        *lab.node(host).formation().borrow() == Formation::Member
    });
    lab.stop(host);
    lab.wipe(host);
    std::fs::rename(&kept, &lab.hosts[host].data_dir).unwrap();
    lab.start(host);
    lab.until("the old disk is told that it was removed", |lab| {
        *lab.node(host).formation().borrow() == Formation::Removed { id: old_id }
    });
    lab.write("two");
}

#[test]
fn an_operator_removes_a_voter_and_adds_it_under_another_id() {
    let mut lab = Lab::formed();
    lab.write("one");
    let host = (lab.leader() + 1) % 3;
    let old_id = lab.node(host).identity().unwrap().node_id;
    let remove = |lab: &Lab, id| {
        let leader = lab.leader();
        lab.on(leader, lab.node(leader).remove_member(id))
    };
    lab.until("an unknown id is refused", |lab| {
        remove(lab, 77) == Err(MemberError::UnknownId(77))
    });
    lab.until("it is removed", |lab| {
        matches!(remove(lab, old_id), Ok(()) | Err(MemberError::UnknownId(_)))
    });
    lab.until("it is told so", |lab| {
        *lab.node(host).formation().borrow() == Formation::Removed { id: old_id }
    });
    lab.until("two are left", |lab| lab.node(lab.leader()).members().len() == 2);
    lab.write("two");

    lab.stop(host);
    lab.wipe(host);
    lab.start(host);
    let written = lab.write("three");
    lab.until_applied(host, written);
    lab.until("three vote", |lab| {
        let members = lab.node(lab.leader()).members();
        members.len() == 3 && members.iter().all(|(_, _, votes)| *votes)
    });
}

#[test]
fn a_supervisor_moves_with_its_disk() {
    let mut lab = Lab::formed();
    lab.write("one");
    let old_id = lab.node(2).identity().unwrap().node_id;
    lab.stop(2);
    let new_port = reserve();
    lab.peers[2].raft_addr = new_port.local_addr().unwrap().to_string();
    drop(new_port);
    for host in [2, 0, 1] {
        lab.stop(host);
        lab.start(host);
    }
    let written = lab.write("two");
    lab.until_applied(2, written);
    assert_eq!(lab.node(2).identity().unwrap().node_id, old_id);
    lab.crash(0);
    lab.write("three");
}

#[test]
fn a_lagging_node_is_sent_a_snapshot() {
    let mut lab = Lab::new();
    lab.snapshot_every = 20;
    for host in 0..3 {
        lab.start(host);
    }
    lab.write("first");
    let away = (lab.leader() + 1) % 3;
    lab.stop(away);
    for n in 0..80 {
        lab.write(&format!("n{n}"));
    }
    let leader = lab.leader();
    lab.until("the log was purged", |lab| {
        lab.node(leader).metrics().unwrap().purged >= Some(40)
    });
    lab.start(away);
    let last = lab.write("last");
    lab.until_applied(away, last);
    assert_eq!(lab.keys(away), lab.keys(leader));
    assert!(lab.node(away).metrics().unwrap().snapshot.is_some());

    // It starts again from its snapshot and the rest of its log.
    lab.crash(away);
    lab.start(away);
    lab.until_applied(away, last);
    assert_eq!(lab.keys(away).len(), 82);
    lab.until("it follows", |lab| {
        lab.node(away).leadership().borrow().role == Role::Follower
    });
}
