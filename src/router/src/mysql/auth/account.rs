//! One account as the server keeps it in `mysql.global_priv`.

use std::cmp::Reverse;

use serde::Deserialize;

use super::ed25519::{self, PublicKey};
use super::native::{self, Stage2};
use super::pattern::{Origin, Pattern};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Empty for the anonymous user, who is everybody without an account of their own.
    pub(crate) user: String,
    /// As the server writes it.
    pub(crate) host: String,
    pattern: Pattern,
    /// Tried in this order.
    pub(crate) methods: Vec<Method>,
    /// REQUIRE SSL, X509, ISSUER, SUBJECT or CIPHER.
    pub(crate) needs_tls: bool,
    /// Whether it has the privilege PROCESS.
    pub(crate) sees_processes: bool,
}

/// PROCESS among the bits of `access`.
const PROCESS: u64 = 1 << 8;

/// How an account proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// `mysql_native_password` with an empty hash: no password.
    Nothing,
    /// `mysql_native_password`; without a hash nobody gets in.
    Native(Option<Stage2>),
    /// `ed25519`; without a key nobody gets in.
    Ed25519(Option<PublicKey>),
    /// A plugin that needs more than the router can have.
    Other(String),
}

/// The part of an account's JSON that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Priv {
    plugin: String,
    authentication_string: String,
    auth_or: Vec<Alternative>,
    is_role: bool,
    ssl_type: u8,
    access: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Alternative {
    plugin: Option<String>,
    authentication_string: String,
}

impl Account {
    /// Reads one row; `None` for roles and for entries that no server would use.
    pub(crate) fn parse(user: &str, host: &str, json: &[u8]) -> Option<Self> {
        let found: Priv = serde_json::from_slice(json).ok()?;
        if found.is_role {
            return None;
        }
        let own = || method(&found.plugin, &found.authentication_string);
        let methods = if found.auth_or.is_empty() {
            vec![own()]
        } else {
            // An empty alternative stands for the account's own plugin.
            let alternatives = found.auth_or.iter().map(|other| match &other.plugin {
                Some(plugin) => method(plugin, &other.authentication_string),
                None => own(),
            });
            alternatives.collect()
        };
        Some(Self {
            user: user.to_owned(),
            host: host.to_owned(),
            pattern: Pattern::parse(host),
            methods,
            needs_tls: found.ssl_type > 0,
            sees_processes: found.access & PROCESS != 0,
        })
    }

    /// Whether this account is for such a client.
    pub(crate) fn fits(&self, user: &str, origin: &Origin) -> bool {
        (self.user.is_empty() || self.user == user) && self.pattern.matches(origin)
    }

    /// In this order the server looks for the first that fits: by host, and named users before anonymous ones. Measured on
    /// 10.11.19; `the_most_specific_account_wins` has the cases.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        (
            Reverse((self.pattern.rank(), self.host.to_lowercase())),
            self.user.is_empty(),
        )
    }
}

fn method(plugin: &str, kept: &str) -> Method {
    match plugin {
        // Accounts of old have no plugin at all.
        "" | native::PLUGIN if kept.is_empty() => Method::Nothing,
        "" | native::PLUGIN => Method::Native(native::parse_stage2(kept)),
        "ed25519" => Method::Ed25519(ed25519::parse_public_key(kept)),
        other => Method::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(json: &str) -> Vec<Method> {
        Account::parse("u", "%", json.as_bytes()).unwrap().methods
    }

    #[test]
    fn every_form_of_the_server_is_read() {
        let hash = r#"{"access":0,"plugin":"mysql_native_password","authentication_string":"*14E65567ABDB5135D0CFD9A70B3032C179A49EE7","password_last_changed":1}"#;
        assert!(matches!(methods(hash)[..], [Method::Native(Some(_))]));
        assert_eq!(methods(r#"{"access":0}"#), [Method::Nothing]);
        let invalid = r#"{"plugin":"mysql_native_password","authentication_string":"invalid"}"#;
        assert_eq!(methods(invalid), [Method::Native(None)]);
        let both = r#"{"access":1,"plugin":"mysql_native_password","authentication_string":"","auth_or":[{},{"plugin":"unix_socket"}]}"#;
        assert_eq!(
            methods(both),
            [Method::Nothing, Method::Other("unix_socket".to_owned())]
        );
        assert_eq!(Account::parse("r", "", br#"{"access":0,"is_role":true}"#), None);
        let tls = Account::parse("u", "%", br#"{"access":0,"ssl_type":1}"#).unwrap();
        assert!(tls.needs_tls);
        assert_eq!(Account::parse("u", "%", b"not json"), None);
    }

    #[test]
    fn a_specific_host_comes_before_a_named_user() {
        let account = |user, host| Account::parse(user, host, b"{}").unwrap();
        let mut all = [
            account("app", "%"),
            account("", "localhost"),
            account("app", "localhost"),
            account("", "%"),
        ];
        all.sort_by_key(Account::order);
        let names: Vec<_> = all.iter().map(|it| (it.user.as_str(), it.host.as_str())).collect();
        assert_eq!(
            names,
            [("app", "localhost"), ("", "localhost"), ("app", "%"), ("", "%")]
        );
    }
}
