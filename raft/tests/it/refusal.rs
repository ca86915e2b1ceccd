//! Who is refused, and how.

use std::time::Duration;

use quorate_raft::{Formation, Role, StartError};

use crate::lab::{Lab, reserve};
use crate::pki::{Authority, SUPERVISOR};

/// Calls a node as a peer would, and returns status and body.
fn call(
    lab: &Lab,
    tls: &quorate_raft::Tls,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<(u16, String), String> {
    let addr = lab.peers[0].raft_addr.parse().unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((*tls.client).clone())
        .http2_prior_knowledge()
        .resolve(SUPERVISOR, addr)
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let mut request = client.post(format!("https://{SUPERVISOR}:{}{path}", addr.port()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    lab.on(0, async {
        let answer = request.body(body).send().await.map_err(|e| format!("{e:?}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.unwrap()))
    })
}

#[test]
fn misdirected_and_malformed_calls_get_documented_codes() {
    let lab = Lab::formed();
    let tls = lab.authority.tls(SUPERVISOR);
    let identity = lab.node(0).identity().unwrap();
    let (cluster, id) = (identity.cluster_id.as_str(), identity.node_id.to_string());
    let protocol = ("x-quorate-protocol", "1");
    let target = ("x-quorate-target", id.as_str());
    let mine = ("x-quorate-cluster", cluster);
    let vote = "/raft/v1/vote";
    type Case<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);
    let cases: [Case<'_>; 6] = [
        (&[mine, target], vec![], 426, "wrong_protocol"),
        (
            &[protocol, ("x-quorate-cluster", "foreign"), target],
            vec![],
            409,
            "wrong_cluster",
        ),
        (&[protocol, mine, ("x-quorate-target", "77")], vec![], 421, "wrong_node"),
        (&[protocol, mine, target], b"{".to_vec(), 400, "bad_request"),
        (&[protocol, mine, target], vec![b' '; 7 << 20], 413, ""),
        (&[protocol, mine], vec![], 421, "wrong_node"),
    ];
    for (headers, body, status, code) in cases {
        let (found, text) = call(&lab, &tls, vote, headers, body).unwrap();
        assert_eq!(found, status, "{text}");
        assert!(text.contains(code), "{text}");
    }
    let garbled = b"{\"format\":1}\nrest".to_vec();
    let headers = [protocol, mine, target];
    let (status, text) = call(&lab, &tls, "/raft/v1/snapshot", &headers, garbled).unwrap();
    assert_eq!(status, 400, "{text}");
    lab.write("all is well");
}

#[test]
fn certificates_of_others_are_refused() {
    let lab = Lab::formed();
    let headers = [("x-quorate-protocol", "1")];
    let foreign = Authority::new().tls(SUPERVISOR);
    assert!(call(&lab, &foreign, "/raft/v1/status", &headers, vec![]).is_err());
    // The same authority signs agents' certificates; they are no supervisors.
    let agent = lab.authority.tls("quorate-agent");
    assert!(call(&lab, &agent, "/raft/v1/status", &headers, vec![]).is_err());
    let good = lab.authority.tls(SUPERVISOR);
    let (status, _) = call(&lab, &good, "/raft/v1/status", &headers, vec![]).unwrap();
    assert_eq!(status, 200);
}

#[test]
fn a_supervisor_with_a_wrong_certificate_takes_no_part() {
    let mut lab = Lab::formed();
    let host = (lab.leader() + 1) % 3;
    lab.stop(host);
    let agent = lab.authority.tls("quorate-agent");
    let config = lab.config(host);
    lab.start_with(host, &config, &agent).unwrap();
    let written = lab.write("one");
    std::thread::sleep(Duration::from_millis(800));
    assert!(lab.node(host).watch_state().borrow().index < Some(written));
    assert_ne!(lab.node(host).leadership().borrow().role, Role::Leader);
    // The right certificate, without a restart.
    let right = lab.authority.tls(SUPERVISOR);
    lab.on(host, async { lab.node(host).reload_tls(&right) });
    lab.until_applied(host, written);
}

#[test]
fn a_disk_of_a_foreign_cluster_is_refused() {
    let mut lab = Lab::formed();
    let mut other = Lab::formed();
    lab.write("one");
    let foreign = other.node(2).identity().unwrap();
    other.stop(2);
    let host = 2;
    lab.stop(host);
    lab.wipe(host);
    std::fs::rename(&other.hosts[2].data_dir, &lab.hosts[host].data_dir).unwrap();
    lab.start(host);
    lab.until("it says whose disk it has", |lab| {
        matches!(&*lab.node(host).formation().borrow(),
            Formation::Refused { why } if why.contains(&foreign.cluster_id))
    });
    assert!(!lab.keys(host).contains(&"one".to_owned()));
    lab.write("two");
}

#[test]
fn a_taken_port_and_half_a_disk_are_refused_with_the_remedy() {
    let mut lab = Lab::formed();
    let taken = reserve();
    let mut config = lab.config(0);
    config.listen = taken.local_addr().unwrap();
    config.data_dir = lab.spare_folder("spare");
    let tls = lab.authority.tls(SUPERVISOR);
    let refused = lab.on(1, quorate_raft::Node::start(config, tls.clone()));
    assert!(matches!(refused, Err(StartError::Listen { .. })));

    lab.stop(0);
    let folder = lab.hosts[0].data_dir.clone();
    std::fs::rename(folder.join("log"), folder.join("gone")).unwrap();
    let config = lab.config(0);
    let error = lab.start_with(0, &config, &tls).unwrap_err();
    assert!(format!("{error:?}").contains("Missing"), "{error:?}");
    std::fs::rename(folder.join("gone"), folder.join("log")).unwrap();
    std::fs::rename(folder.join("identity.json"), folder.join("gone")).unwrap();
    let error = lab.start_with(0, &config, &tls).unwrap_err();
    assert!(error.to_string().contains("no identity"), "{error}");
}
