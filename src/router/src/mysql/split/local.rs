//! What the router answers itself: `EXPLAIN ROUTE`, `SHOW QUORATE …`, its own connection id.

use bytes::BytesMut;

use super::reader::choice;
use super::session::{End, Session};
use crate::mysql::fleet::choose::{Choice, findings};
use crate::mysql::fleet::show;
use crate::mysql::session::route::{Side, decide};
use crate::mysql::sql::classify::classify;
use crate::mysql::sql::verdict::{Class, ShowQuorate};
use crate::mysql::stats;
use crate::mysql::wire::write::TextResult;

/// A result set of text.
struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

fn shown(table: stats::table::Table) -> show::Shown {
    (table.columns.to_vec(), table.rows)
}

impl Session {
    /// Answers a statement that no server sees.
    pub(super) async fn local(&mut self, len: usize) -> Result<(), End> {
        let text = self.payload(len).to_vec();
        let table = match classify(&text, self.state.dialect).class {
            Class::ExplainRoute(statement) => self.explain(statement),
            Class::ShowQuorate(what) => {
                let only = (!self.sees_all().await).then_some(&*self.login.user);
                self.show(what, only)
            }
            Class::ConnectionId { column } => {
                let column = String::from_utf8_lossy(column).into_owned();
                return self.answer(&[&column], &[vec![self.card.id.to_string()]]).await;
            }
            _ => return Ok(()),
        };
        self.answer(&table.columns, &table.rows).await
    }

    async fn answer(&mut self, columns: &[&str], rows: &[Vec<String>]) -> Result<(), End> {
        let mut out = BytesMut::new();
        let mut result = TextResult::begin(&mut out, self.wire_dialect, 1, self.state.status, columns);
        for row in rows {
            let values: Vec<_> = row.iter().map(|value| Some(&**value)).collect();
            result.row(&values);
        }
        result.end();
        self.client.send(&out).await.map_err(|error| End::Client(Some(error)))
    }

    /// Whether the account has the privilege to see other users' sessions.
    async fn sees_all(&self) -> bool {
        let front = &self.split.front;
        let known = front.accounts.any(front.patience()).await.ok();
        known.is_some_and(|accounts| {
            let account = accounts.find(&self.login.user, &self.peer.origin);
            account.is_some_and(|account| account.sees_processes)
        })
    }

    fn show(&self, what: ShowQuorate, only: Option<&str>) -> Table {
        let split = &self.split;
        let now = split.clock.now();
        let (columns, rows) = match what {
            ShowQuorate::Status => {
                let router = split.visitor.router.as_str();
                show::status(
                    &split.fleet,
                    &split.registry,
                    &split.pool,
                    router,
                    &split.live().reads,
                    now,
                )
            }
            ShowQuorate::Routes => show::routes(&split.fleet, |node| split.pool.dials(node), &split.live().reads, now),
            ShowQuorate::Sessions => show::sessions(&split.registry, only, now),
            ShowQuorate::Digests => shown(split.digests.table(|number| split.numbered(number))),
            ShowQuorate::Slow => shown(split.slow.table()),
            ShowQuorate::Token => {
                let gtid = format!("0-1-{}", self.state.token);
                (
                    vec!["token", "causal_reads"],
                    vec![vec![gtid, self.state.causal.name().to_owned()]],
                )
            }
            ShowQuorate::Pins => {
                let row = |(pin, cause): (crate::mysql::session::pins::Pin, &str)| {
                    let held = if pin.holds_reads() {
                        "everything"
                    } else {
                        "its connection to the primary"
                    };
                    vec![pin.name().to_owned(), cause.to_owned(), held.to_owned()]
                };
                (
                    vec!["pin", "statement", "holds"],
                    self.state.pins.causes().map(row).collect(),
                )
            }
        };
        Table { columns, rows }
    }

    /// Where a statement would go now, and why each server is or is not fit for it.
    fn explain(&self, statement: &[u8]) -> Table {
        let verdict = classify(statement, self.state.dialect);
        let needs = self.needs(statement, &verdict);
        let decision = decide(&needs, &self.standing());
        let live = self.split.live();
        let view = self.split.fleet.view();
        let ask = self.question(&needs, &live, 0);
        let choice = match decision.side {
            Side::Primary => None,
            Side::Replica => Some(match self.stays_on_replica(&decision, &needs) {
                Some(backend) => Choice::Replica {
                    server: backend.server.clone(),
                    covers: true,
                },
                None => choice(&view, &ask, self.wanted(&decision, &needs)),
            }),
        };
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut row = |item: &str, value: String| rows.push(vec![item.to_owned(), value]);
        row("class", verdict.class.name().to_owned());
        row("reason", decision.why.to_owned());
        let facts: Vec<_> = verdict.facts.names().collect();
        if !facts.is_empty() {
            row("facts", facts.join(", "));
        }
        if let Some(refused) = verdict.hint.and_then(|hint| hint.refused) {
            row("hint", refused.to_owned());
        }
        let target = match &choice {
            Some(Choice::Replica { server, covers }) => {
                let wait = if *covers {
                    ""
                } else {
                    ", after a wait for the session's position"
                };
                format!("replica {}{wait}", server.node())
            }
            Some(Choice::Primary(because)) => format!("primary, since {}", because.text()),
            Some(Choice::Nobody) if self.only_replicas(&needs) => {
                "held until a replica is fit, since `reads.primary` is `never`".to_owned()
            }
            Some(Choice::Nobody) | None => "primary".to_owned(),
        };
        let primary = view.primary.as_ref().map_or_else(
            || "none is open: statements are held".to_owned(),
            |primary| primary.node().to_string(),
        );
        row("target", target);
        row("primary", primary);
        row("epoch", view.epoch.to_string());
        row(
            "causal reads",
            format!("{}, must see 0-1-{}", self.state.causal.name(), ask.token),
        );
        for finding in findings(&view, &ask) {
            row(&format!("replica {}", finding.node), finding.to_string());
        }
        Table {
            columns: vec!["item", "value"],
            rows,
        }
    }
}
