//! The SQL that creates Quorate's accounts and tables, run once with the binlog off.

use crate::secrets::{Account, Secrets};
use crate::sql::literal;

/// What the agent's account may do: each privilege is needed by a verb of this crate, and the doctor checks them.
pub(crate) const AGENT_PRIVILEGES: [&str; 12] = [
    "RELOAD",                   // BACKUP STAGE
    "PROCESS",                  // wait states
    "SUPER",                    // the event scheduler
    "SHOW DATABASES",           // audits
    "EVENT",                    // audits
    "BINLOG MONITOR",           // binlog positions
    "REPLICA MONITOR",          // SHOW ALL SLAVES STATUS
    "BINLOG ADMIN",             // the local probe's sql_log_bin=0
    "REPLICATION MASTER ADMIN", // arming semi-sync
    "REPLICATION SLAVE ADMIN",  // attaching and stopping
    "CONNECTION ADMIN",         // a seat when max_connections is exhausted
    "READ ONLY ADMIN",          // read_only, and the epoch row before writes open
];

/// What the routers' account may do beyond reading `mysql.global_priv` and `quorate.*`; the doctor checks these.
pub(crate) const ROUTER_PRIVILEGES: [(&str, u64); 4] = [
    ("PROCESS", 1 << 8),            // whether a statement whose client was lost still runs
    ("REFERENCES", 1 << 11),        // columns of tables, not their rows: which one is AUTO_INCREMENT
    ("REPLICATION SLAVE", 1 << 19), // reading the binlog for the outcome of a lost commit
    ("BINLOG MONITOR", 1 << 20),    // binlog positions
];

/// The tables the agent works with.
const SCHEMA: &str = "
CREATE DATABASE quorate CHARACTER SET utf8mb4;
CREATE TABLE quorate.epoch (epoch BIGINT UNSIGNED NOT NULL PRIMARY KEY, operation VARCHAR(64) NOT NULL, node VARCHAR(64) NOT NULL, previous_gtid TEXT NOT NULL, attempts INT UNSIGNED NOT NULL DEFAULT 1) ENGINE=InnoDB;
CREATE TABLE quorate.heartbeat (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, epoch BIGINT UNSIGNED NOT NULL, beat BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
CREATE TABLE quorate.probe (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, beat BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
";

/// The whole script, for the standard input of `mariadbd --bootstrap`. Holds the passwords.
pub(super) fn script(secrets: &Secrets) -> String {
    let mut sql = String::from(
        // Nobody may log in by being somebody on the operating system: through the door, everybody would be the agent.
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\n\
         DELETE FROM mysql.db;\n\
         DELETE FROM mysql.proxies_priv;\n\
         FLUSH PRIVILEGES;\n",
    );
    let everywhere = [&secrets.agent, &secrets.replication, &secrets.admin, &secrets.app];
    for account in everywhere.into_iter().chain(&secrets.router) {
        sql.push_str(&format!(
            "CREATE USER {} IDENTIFIED BY {};\n",
            at_localhost(account),
            literal(account.password.reveal())
        ));
    }
    let agent = at_localhost(&secrets.agent);
    sql.push_str(&format!("GRANT {} ON *.* TO {agent};\n", AGENT_PRIVILEGES.join(", ")));
    sql.push_str(&format!("GRANT SELECT ON mysql.global_priv TO {agent};\n"));
    sql.push_str(SCHEMA.trim_start());
    sql.push_str(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON quorate.* TO {agent};\n"
    ));
    sql.push_str(&format!(
        "GRANT REPLICATION SLAVE ON *.* TO {};\n",
        at_localhost(&secrets.replication)
    ));
    let admin = at_localhost(&secrets.admin);
    sql.push_str(&format!("GRANT ALL PRIVILEGES ON *.* TO {admin} WITH GRANT OPTION;\n"));
    sql.push_str(&format!("REVOKE READ ONLY ADMIN ON *.* FROM {admin};\n"));
    sql.push_str(&format!(
        "GRANT ALL PRIVILEGES ON app.* TO {};\n",
        at_localhost(&secrets.app)
    ));
    if let Some(router) = &secrets.router {
        for grant in router_grants(&at_localhost(router)) {
            sql.push_str(&format!("{grant};\n"));
        }
    }
    sql
}

/// The statements that give the routers' account what it needs.
pub(crate) fn router_grants(account: &str) -> [String; 3] {
    let global: Vec<&str> = ROUTER_PRIVILEGES.iter().map(|(name, _)| *name).collect();
    [
        format!("GRANT {} ON *.* TO {account}", global.join(", ")),
        format!("GRANT SELECT ON mysql.global_priv TO {account}"),
        format!("GRANT SELECT ON quorate.* TO {account}"),
    ]
}

fn at_localhost(account: &Account) -> String {
    format!("{}@'localhost'", literal(&account.user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Password;

    #[test]
    fn one_statement_a_line_even_with_odd_passwords() {
        let odd = |text: &str| Password::new(text, "test").unwrap();
        let secrets = Secrets::with_passwords(
            odd("it's; 'odd'"),
            odd("back\\slash"),
            odd("plain-enough"),
            odd("x".repeat(20).as_str()),
        )
        .with_router(odd("routers' own"));
        let sql = script(&secrets);
        assert!(sql.contains(r"IDENTIFIED BY 'it\'s; \'odd\''"), "{sql}");
        assert!(sql.contains(r"IDENTIFIED BY 'back\\slash'"), "{sql}");
        assert!(sql.lines().all(|line| line.ends_with(';')), "{sql}");
    }
}
