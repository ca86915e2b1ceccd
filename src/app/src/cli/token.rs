//! `token new`: a bearer token and the record that lets it in.

use quorate_api::rest::{AccessRole, TokenRecord, token_hash};
use serde::Serialize;

use crate::lab;
use crate::output::{Console, Exit, Problem};

#[derive(Debug, Clone, clap::Args)]
pub(super) struct TokenOptions {
    #[command(subcommand)]
    verb: TokenVerb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum TokenVerb {
    /// Make a token: keep the token secret, put the record into the supervisors' tokens file
    New {
        /// Whose token; stands in the audit trail
        #[arg(long)]
        name: String,
        /// What it allows
        #[arg(long, value_enum)]
        role: RoleChoice,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RoleChoice {
    /// Read
    Viewer,
    /// Switch over, pause and resume
    Operator,
    /// Change the supervisors themselves
    Admin,
}

#[derive(Debug, Serialize)]
struct NewToken {
    token: String,
    record: TokenRecord,
}

pub(super) fn run(console: Console, options: &TokenOptions) -> anyhow::Result<Exit> {
    let TokenVerb::New { name, role } = &options.verb;
    if name.is_empty() {
        return Err(Problem::usage("the name is empty", "say whose token it is: --name ada").into());
    }
    let token = lab::random_secret();
    let record = TokenRecord {
        name: name.clone(),
        role: match role {
            RoleChoice::Viewer => AccessRole::Viewer,
            RoleChoice::Operator => AccessRole::Operator,
            RoleChoice::Admin => AccessRole::Admin,
        },
        sha256: token_hash(&token),
    };
    if console.json {
        console.document(&NewToken { token, record })?;
    } else {
        console.line(format_args!("token:  {token}"));
        console.line(format_args!("record: {}", serde_json::to_string(&record)?));
        console.remark("the token is shown once; write it to a file of mode 0600 for --token-file");
    }
    Ok(Exit::Ok)
}
