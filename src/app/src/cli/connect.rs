//! From global options to a client of the supervisors.

use std::fs;
use std::path::{Path, PathBuf};

use quorate_api::client::{Client, ClientError};
use quorate_api::rest::ErrorCode;

use super::Global;
use crate::lab::{Inventory, LabDir};
use crate::output::{Exit, Problem};

/// A client for the supervisors that the options, or the lab that they name, point to.
pub(super) fn client(global: &Global) -> anyhow::Result<Client> {
    let lab = match &global.lab {
        Some(dir) => Some(Inventory::require(&LabDir::at(dir)?)?),
        None => None,
    };
    let apis = if global.api.is_empty() {
        lab.as_ref().map(Inventory::apis).unwrap_or_default()
    } else {
        global.api.clone()
    };
    let file = |given: &Option<PathBuf>, of_lab: fn(&Inventory) -> &PathBuf, flag: &str| {
        given.clone().or_else(|| lab.as_ref().map(|lab| of_lab(lab).clone())).ok_or_else(|| {
            Problem::usage(
                format!("{flag} is missing"),
                "give --api, --token-file and --ca (or QUORATE_API, QUORATE_TOKEN_FILE, QUORATE_CA), or point to a lab with --lab DIR (or QUORATE_LAB)",
            )
        })
    };
    let token = read(&file(&global.token_file, |lab| &lab.token_file, "--token-file")?)?;
    let ca = read(&file(&global.ca, |lab| &lab.ca, "--ca")?)?;
    Client::new(apis, token.trim(), ca.as_bytes()).map_err(problem)
}

fn read(path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|error| {
        Problem::usage(
            format!("cannot read `{}`", path.display()),
            "check the path and its permissions",
        )
        .because(error)
    })
}

/// A failed call, with what to do next and the right exit code.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(crate) fn problem(error: ClientError) -> anyhow::Error {
    let problem = match &error {
        ClientError::NoSupervisor => Problem::usage(
            "no supervisor is named",
            "give --api URL (or QUORATE_API), or point to a lab with --lab DIR (or QUORATE_LAB)",
        ),
        ClientError::Unreachable { .. } => Problem::new(
            error.to_string(),
            "check that the supervisors run and that --api names them; writes go on without them meanwhile",
        )
        .exiting(Exit::Unreachable),
        ClientError::Refused(body) => Problem::new(body.message.clone(), body.hint.clone()).exiting(exit(body.code)),
        ClientError::Uncertain { .. } => Problem::new(error.to_string(), "see `quorate events`"),
        ClientError::Roots(_) => Problem::usage(
            error.to_string(),
            "--ca takes the PEM file of the root that signed the supervisors' certificates",
        ),
        ClientError::Setup(_) | ClientError::Answer { .. } | ClientError::Stream(_) => {
            Problem::new(error.to_string(), "compare `quorate --version` on both sides")
        }
    };
    problem.into()
}

const fn exit(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::NoQuorum | ErrorCode::Timeout => Exit::Unreachable,
        ErrorCode::Malformed | ErrorCode::Invalid | ErrorCode::Unauthenticated => Exit::Usage,
        ErrorCode::Internal | ErrorCode::Uncertain => Exit::Failure,
        _ => Exit::Refused,
    }
}
