//! The REST API over real HTTPS.

use quorate_api::client::{Client, ClientError};
use quorate_api::rest::{ErrorBody, ErrorCode, PhaseView, ReasonRequest, SwitchoverRequest, TransferRequest};
use reqwest::{Method, StatusCode};
use tokio::time::timeout;

use crate::group::{Group, PATIENCE};
use crate::played::Agents;

struct Raw {
    http: reqwest::Client,
    base: String,
}

impl Raw {
    fn new(group: &Group) -> Self {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let _ = rustls::crypto::CryptoProvider::install_default((*provider).clone());
        let ca = std::fs::read(&group.configs["s1"].tls.ca).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        Self {
            http,
            base: group.configs["s1"].peers[0].api.clone(),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<(&str, String)>,
    ) -> (StatusCode, String) {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn bad_requests_get_a_documented_code_and_a_hint() {
    let mut group = Group::new(1);
    group.start();
    group.until("a leader", |_| true).await;
    let raw = Raw::new(&group);
    let operator = Some("Bearer operator");
    let post = |path: &'static str, body: &str| (Method::POST, path, Some((JSON, body.to_owned())));
    let get = |path: &'static str| (Method::GET, path, None);
    for ((method, path, body), token, status, code) in [
        (get("/v1/status"), None, 401, ErrorCode::Unauthenticated),
        (get("/v1/status"), Some("Bearer wrong"), 401, ErrorCode::Unauthenticated),
        (
            get("/v1/status"),
            Some("Basic b3BlcmF0b3I="),
            401,
            ErrorCode::Unauthenticated,
        ),
        (
            post("/v1/pause", r#"{"why":"x"}"#),
            None,
            401,
            ErrorCode::Unauthenticated,
        ),
        (
            post("/v1/pause", r#"{"why":"x"}"#),
            Some("Bearer viewer"),
            403,
            ErrorCode::Forbidden,
        ),
        (
            post("/v1/raft/transfer", r#"{"to":"s1","why":"x"}"#),
            operator,
            403,
            ErrorCode::Forbidden,
        ),
        (get("/v1/nothing"), operator, 404, ErrorCode::NotFound),
        (get("/v1/epochs/77"), operator, 404, ErrorCode::Unknown),
        (get("/v1/epochs/first"), operator, 400, ErrorCode::Malformed),
        (get("/v1/events?limit=0"), operator, 400, ErrorCode::Malformed),
        (get("/v1/events?since=3"), operator, 400, ErrorCode::Malformed),
        (get("/v1/pause"), operator, 405, ErrorCode::MethodNotAllowed),
        (post("/v1/status", "{}"), operator, 405, ErrorCode::MethodNotAllowed),
        (post("/v1/pause", "{"), operator, 400, ErrorCode::Malformed),
        (
            post("/v1/pause", r#"{"why":"x","whom":"y"}"#),
            operator,
            422,
            ErrorCode::Invalid,
        ),
        (post("/v1/pause", "{}"), operator, 422, ErrorCode::Invalid),
        (post("/v1/pause", r#"{"why":" "}"#), operator, 422, ErrorCode::Invalid),
        (
            post("/v1/pause", r#"{"why":"x","cluster":"other"}"#),
            operator,
            404,
            ErrorCode::Unknown,
        ),
        (
            (Method::POST, "/v1/pause", Some(("text/plain", "x".to_owned()))),
            operator,
            415,
            ErrorCode::UnsupportedMedia,
        ),
        (
            post("/v1/pause", &format!(r#"{{"why":"{}"}}"#, "x".repeat(70_000))),
            operator,
            413,
            ErrorCode::TooLarge,
        ),
        (
            post("/v1/pause", &format!(r#"{{"why":"{}"}}"#, "x".repeat(600))),
            operator,
            422,
            ErrorCode::Invalid,
        ),
        (
            post("/v1/switchover", r#"{"why":"x","epoch":7}"#),
            operator,
            409,
            ErrorCode::StaleEpoch,
        ),
        (
            post("/v1/switchover", r#"{"why":"x"}"#),
            operator,
            409,
            ErrorCode::WrongPhase,
        ),
        (
            post("/v1/switchover", r#"{"why":"x","to":"m9"}"#),
            operator,
            404,
            ErrorCode::Unknown,
        ),
    ] {
        let (found, text) = raw.send(method.clone(), path, token, body).await;
        let body: ErrorBody =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}"));
        assert_eq!((found.as_u16(), body.code), (status, code), "{method} {path}: {body:?}");
        assert!(!body.message.is_empty() && !body.hint.is_empty(), "{body:?}");
    }
    let status = group.client("viewer").status().await.unwrap();
    assert!(status.clusters[0].paused.is_none(), "nothing was half-done");
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_the_document_and_the_page_need_no_token() {
    let mut group = Group::new(1);
    group.start();
    group.until("a leader", |_| true).await;
    let raw = Raw::new(&group);
    for (path, words) in [
        ("/healthz", "ok"),
        ("/readyz", "ready"),
        ("/metrics", "quorate_leading 1"),
        ("/openapi.json", "/v1/switchover"),
        ("/", "<title>Quorate</title>"),
    ] {
        let found = timeout(PATIENCE, async {
            loop {
                let (status, text) = raw.send(Method::GET, path, None, None).await;
                // The gauges are set once a second.
                if status == StatusCode::OK && text.contains(words) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("{path} has no {words}"));
    }
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_audited_and_streamed() {
    let mut group = Group::new(1);
    group.start();
    let _agents = Agents::start(&group);
    group.until_open(1).await;
    let operator = group.client("operator");
    let mut stream = operator.watch_events(None).await.unwrap();

    let why = ReasonRequest {
        cluster: Some("test".to_owned()),
        why: "disk swap".to_owned(),
    };
    let paused = operator.pause(&why).await.unwrap();
    let entry = timeout(PATIENCE, async {
        loop {
            let event = stream.next().await.unwrap().unwrap();
            if event.kind == "paused" {
                return event;
            }
        }
    });
    let entry = entry.await.unwrap();
    assert_eq!(
        (entry.by.as_str(), Some(entry.index), entry.operation),
        ("operator", paused.index, paused.operation.unwrap())
    );
    let pause = operator.status().await.unwrap().clusters[0].paused.clone().unwrap();
    assert_eq!((pause.by.as_str(), pause.why.as_str()), ("operator", "disk swap"));
    let error = operator
        .resume(&ReasonRequest {
            cluster: None,
            why: "again".to_owned(),
        })
        .await;
    error.unwrap();
    let error = operator.resume(&why).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Refused), "{error}");

    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_points_to_the_leader_and_leadership_can_be_handed_over() {
    let mut group = Group::new(3);
    group.start();
    let _agents = Agents::start(&group);
    let status = group.until_open(1).await;
    let (operator, admin) = (group.client("operator"), group.client("admin"));
    // A client that knows one follower only is led to the leader.
    let follower = status.clusters[0]
        .supervisors
        .iter()
        .find(|it| it.id != status.answered_by)
        .unwrap();
    let ca = std::fs::read(&group.configs["s1"].tls.ca).unwrap();
    let client = Client::new(vec![follower.api.clone()], "operator", &ca).unwrap();
    let ask = SwitchoverRequest {
        why: "look".to_owned(),
        dry_run: true,
        ..SwitchoverRequest::default()
    };
    client.switchover(&ask).await.unwrap();
    assert!(client.explain().await.unwrap().may_act);
    assert_eq!(client.status().await.unwrap().clusters[0].phase, PhaseView::Open);
    assert!(client.doctor().await.unwrap().nodes.len() == 3);
    assert!(client.routes().await.unwrap().writable.is_some());

    let ask = TransferRequest {
        to: follower.id.clone(),
        why: "test".to_owned(),
    };
    assert_eq!(
        operator.transfer(&ask).await.unwrap_err().code(),
        Some(ErrorCode::Forbidden)
    );
    admin.transfer(&ask).await.unwrap();
    assert_eq!(
        group
            .until("the new leader", |status| status.answered_by == follower.id)
            .await
            .answered_by,
        follower.id
    );
    let unknown = TransferRequest {
        to: "s9".to_owned(),
        why: "test".to_owned(),
    };
    assert_eq!(
        admin.transfer(&unknown).await.unwrap_err().code(),
        Some(ErrorCode::Unknown)
    );
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_supervisor_the_client_says_whom_it_tried() {
    let group = Group::new(1);
    let error = group.client("viewer").status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(error.to_string().contains(&group.configs["s1"].peers[0].api), "{error}");
}
