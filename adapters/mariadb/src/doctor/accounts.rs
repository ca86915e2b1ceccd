//! Accounts that undermine the promise: writers that ignore `read_only`, logins that the door would hand to anybody, and a
//! missing account of the routers.

use quorate_model::{Finding, Severity};
use serde::Deserialize;

use crate::error::SqlError;
use crate::install::{ROUTER_PRIVILEGES, router_grants};
use crate::secrets::{ROUTER_USER, Secrets};
use crate::session::{Deadline, Session, cell};

/// The privilege bit of READ ONLY ADMIN in `mysql.global_priv` (`READ_ONLY_ADMIN_ACL`).
const READ_ONLY_ADMIN: u64 = 1 << 33;

/// The part of an account's JSON that matters here.
#[derive(Debug, Default, Deserialize)]
struct Privileges {
    #[serde(default)]
    access: u64,
    #[serde(default)]
    plugin: String,
    #[serde(default)]
    account_locked: bool,
    #[serde(default)]
    is_role: bool,
    #[serde(default)]
    auth_or: Vec<AuthMethod>,
}

#[derive(Debug, Default, Deserialize)]
struct AuthMethod {
    #[serde(default)]
    plugin: String,
}

pub(super) async fn check(
    session: &mut Session,
    secrets: &Secrets,
    deadline: Deadline,
) -> Result<Vec<Finding>, SqlError> {
    let sql = "SELECT User, Host, CAST(Priv AS CHAR) FROM mysql.global_priv";
    let rows = session.rows("read the accounts", sql, deadline.left()).await?;
    let (mut findings, mut router) = (Vec::new(), None);
    for row in &rows {
        let text = |i| cell::<String>(row, i).unwrap_or_default();
        let (user, host) = (text(0), text(1));
        match serde_json::from_str::<Privileges>(&text(2)) {
            Ok(privileges) => {
                findings.extend(judge(&user, &host, &privileges, &secrets.agent.user));
                if (user.as_str(), host.as_str()) == (ROUTER_USER, "localhost") {
                    router = Some(privileges);
                }
            }
            Err(_) => findings.push(unreadable(&user, &host)),
        }
    }
    findings.extend(judge_router(router.as_ref()));
    Ok(findings)
}

/// What the routers' account lacks. Its remedy runs on the primary and replicates.
fn judge_router(found: Option<&Privileges>) -> Option<Finding> {
    let account = format!("'{ROUTER_USER}'@'localhost'");
    let (code, problem, mut remedy) = match found {
        None => (
            "account.router_missing",
            format!("{ROUTER_USER}@localhost does not exist"),
            vec![format!(
                "CREATE USER {account} IDENTIFIED BY the password in the file `router`, made beside `agent` if it is missing"
            )],
        ),
        Some(found) => {
            let lacking = ROUTER_PRIVILEGES.iter().filter(|(_, bit)| found.access & bit == 0);
            let names: Vec<&str> = lacking.map(|(name, _)| *name).collect();
            if names.is_empty() {
                return None;
            }
            let problem = format!("{ROUTER_USER}@localhost lacks {}", names.join(", "));
            ("account.router_privileges", problem, Vec::new())
        }
    };
    remedy.extend(router_grants(&account));
    Some(Finding {
        code: code.to_owned(),
        severity: Severity::Warning,
        problem,
        lost_guarantee:
            "routers cannot check their clients' passwords or find out what became of a lost statement, so \
                         they serve connections through `tunnel` only"
                .to_owned(),
        remedy: format!("on the primary: {}", remedy.join("; ")),
    })
}

fn judge(user: &str, host: &str, privileges: &Privileges, agent: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if privileges.access & READ_ONLY_ADMIN != 0 && user != agent {
        findings.push(Finding {
            code: "account.read_only_admin".to_owned(),
            severity: Severity::Warning,
            problem: format!("{user}@{host} holds READ ONLY ADMIN"),
            lost_guarantee: "it can write to a replica, which then must be rebuilt before it can ever be primary"
                .to_owned(),
            remedy: format!("REVOKE READ ONLY ADMIN ON *.* FROM '{user}'@'{host}'"),
        });
    }
    let by_socket =
        privileges.plugin == "unix_socket" || privileges.auth_or.iter().any(|method| method.plugin == "unix_socket");
    if by_socket && !privileges.account_locked && !privileges.is_role {
        findings.push(Finding {
            code: "account.unix_socket".to_owned(),
            severity: Severity::Critical,
            problem: format!("{user}@{host} may log in by its operating system user"),
            lost_guarantee: "everybody who passes the door arrives as the agent's user and needs no password for it"
                .to_owned(),
            remedy: format!("ALTER USER '{user}'@'{host}' IDENTIFIED BY a password, or DROP USER"),
        });
    }
    findings
}

fn unreadable(user: &str, host: &str) -> Finding {
    Finding {
        code: "account.unreadable".to_owned(),
        severity: Severity::Warning,
        problem: format!("the entry of {user}@{host} in mysql.global_priv is not what the server writes"),
        lost_guarantee: "whether it can write to a replica is unknown".to_owned(),
        remedy: format!("DROP USER '{user}'@'{host}' and create it anew with CREATE USER and GRANT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(user: &str, json: &str) -> Vec<String> {
        judge(user, "localhost", &serde_json::from_str(json).unwrap(), "quorate_agent")
            .into_iter()
            .map(|f| f.code)
            .collect()
    }

    #[test]
    fn read_only_admin_is_the_agents_alone() {
        let json = format!(
            "{{\"access\":{},\"plugin\":\"mysql_native_password\"}}",
            READ_ONLY_ADMIN | 1
        );
        assert_eq!(codes("app", &json), ["account.read_only_admin"]);
        assert!(codes("quorate_agent", &json).is_empty());
    }

    #[test]
    fn the_routers_account_is_missed_with_the_statements_that_make_it() {
        let judge = |json: &str| judge_router(Some(&serde_json::from_str(json).unwrap()));
        assert_eq!(judge(r#"{"access":1575168}"#), None);
        assert_eq!(
            judge(r#"{"access":1574912}"#).unwrap().problem,
            "quorate_router@localhost lacks PROCESS"
        );
        let missing = judge_router(None).unwrap();
        assert_eq!(missing.code, "account.router_missing");
        for part in [
            "CREATE USER",
            "GRANT PROCESS, REFERENCES, REPLICATION SLAVE, BINLOG MONITOR ON *.*",
            "`router`",
        ] {
            assert!(missing.remedy.contains(part), "{}", missing.remedy);
        }
    }

    #[test]
    fn socket_logins_are_found_in_every_form() {
        assert_eq!(
            codes("root", r#"{"access":0,"plugin":"unix_socket"}"#),
            ["account.unix_socket"]
        );
        let alternatives = r#"{"access":0,"plugin":"mysql_native_password","auth_or":[{},{"plugin":"unix_socket"}]}"#;
        assert_eq!(codes("root", alternatives), ["account.unix_socket"]);
        assert!(
            codes(
                "mariadb.sys",
                r#"{"access":0,"plugin":"unix_socket","account_locked":true}"#
            )
            .is_empty()
        );
    }
}
