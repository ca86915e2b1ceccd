//! The suite by `mysql_async`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use futures_util::FutureExt as _;
use futures_util::stream;
use mysql_async::prelude::{Protocol, Queryable as _};
use mysql_async::{ChangeUserOpts, Conn, Error, Opts, OptsBuilder, Params, QueryResult, SslOpts, Value};
use quorate_chaos::wire::Login;

use crate::world::{DATABASE, PASSWORD, USER};

/// Runs it; what came of every step. With TLS if there is an `authority`, which must have signed the certificate.
pub(super) fn run(login: &Login, authority: Option<&Path>, suite: &Path, data: &Path) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = std::fs::read_to_string(suite)?;
    let mut client = Client {
        options: options(login, authority, data.to_owned())?,
        data: data.display().to_string(),
        open: BTreeMap::new(),
        said: String::new(),
    };
    runtime.block_on(async {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, rest)) = line.split_once(' ') else {
                continue;
            };
            let (name, mark) = name.split_at(name.len() - 1);
            writeln!(client.said, "{line}")?;
            if let Err(error) = client.step(name, mark, rest).await? {
                writeln!(client.said, "  error {error}")?;
            }
        }
        Ok(client.said)
    })
}

fn options(login: &Login, authority: Option<&Path>, data: PathBuf) -> Result<Opts> {
    let (host, port) = login.address.rsplit_once(':').context("address without port")?;
    let files = move |_: &[u8]| {
        let content = std::fs::read(&data).map(Into::into);
        let stream: mysql_async::InfileData = Box::pin(stream::iter([content]));
        async move { Ok(stream) }.boxed()
    };
    let verified = authority.map(|authority| {
        SslOpts::default()
            .with_root_certs(vec![authority.to_owned().into()])
            .with_disable_built_in_roots(true)
    });
    Ok(OptsBuilder::default()
        .ssl_opts(verified)
        .ip_or_hostname(host)
        .tcp_port(port.parse()?)
        .user(Some(USER))
        .pass(Some(PASSWORD))
        .db_name(Some(DATABASE))
        .prefer_socket(false)
        .local_infile_handler(Some(files))
        .init(vec!["SET @quorate_causal_reads = 'global'"])
        .into())
}

struct Client {
    options: Opts,
    data: String,
    open: BTreeMap<String, Conn>,
    said: String,
}

impl Client {
    async fn step(&mut self, name: &str, mark: &str, rest: &str) -> Result<Result<(), Error>> {
        if !self.open.contains_key(name) {
            self.open
                .insert(name.to_owned(), Conn::new(self.options.clone()).await?);
        }
        let conn = self.open.get_mut(name).context("just opened")?;
        let said = &mut self.said;
        let (verb, what) = rest.split_once(' ').unwrap_or((rest, ""));
        Ok(match (mark, verb) {
            (":", _) => text(conn, rest, said).await,
            ("?", _) => {
                let end = rest.find("] ").context("no arguments")? + 1;
                let args: Vec<serde_json::Value> = serde_json::from_str(&rest[..end])?;
                binary(conn, &rest[end + 1..], args, said).await
            }
            (_, "infile") => text(conn, &what.replace("FILE INTO", &format!("'{}' INTO", self.data)), said).await,
            (_, "use") => text(conn, &format!("USE {what}"), said).await,
            (_, "reset") => conn.reset().await.map(drop),
            (_, "change") => {
                let account = ChangeUserOpts::default()
                    .with_user(Some(what.to_owned()))
                    .with_pass(Some(PASSWORD.to_owned()))
                    .with_db_name(Some(DATABASE.to_owned()));
                conn.change_user(account).await
            }
            _ => {
                let conn = self.open.remove(name).context("just opened")?;
                conn.disconnect().await
            }
        })
    }
}

async fn text(conn: &mut Conn, sql: &str, said: &mut String) -> Result<(), Error> {
    report(conn.query_iter(sql).await?, said).await
}

async fn binary(conn: &mut Conn, sql: &str, args: Vec<serde_json::Value>, said: &mut String) -> Result<(), Error> {
    let args: Vec<Value> = args
        .into_iter()
        .map(|arg| match arg {
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Number(number) if number.is_i64() => number.as_i64().into(),
            serde_json::Value::Number(number) => number.as_f64().into(),
            _ => Value::NULL,
        })
        .collect();
    let params = if args.is_empty() {
        Params::Empty
    } else {
        Params::Positional(args)
    };
    report(conn.exec_iter(sql, params).await?, said).await
}

async fn report<P: Protocol>(mut result: QueryResult<'_, '_, P>, said: &mut String) -> Result<(), Error> {
    loop {
        let columns = result.columns();
        for column in columns.iter().flat_map(|columns| columns.iter()) {
            let _ = writeln!(said, "  {column:?}");
        }
        let rows: Vec<mysql_async::Row> = result.collect().await?;
        for row in rows {
            let _ = writeln!(said, "  {:?}", row.unwrap_raw());
        }
        let _ = writeln!(
            said,
            "  end {} {:?} {} {}",
            result.affected_rows(),
            result.last_insert_id(),
            result.warnings(),
            result.info()
        );
        if result.is_empty() {
            return Ok(());
        }
    }
}
