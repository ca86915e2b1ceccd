//! Reads a YAML file into a typed configuration. Unknown keys are refused by the types (`deny_unknown_fields`).

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::output::Problem;

/// Largest file that is read: a configuration is a few kilobytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The text of `path`.
pub(super) fn load(path: &Path) -> Result<String, Problem> {
    let shown = path.display();
    let size = fs::metadata(path)
        .map_err(|error| {
            Problem::usage(
                format!("cannot read the configuration `{shown}`"),
                "check the path given to --config and its permissions",
            )
            .because(error)
        })?
        .len();
    if size > FILE_MAX_BYTES {
        return Err(Problem::usage(
            format!("`{shown}` has {size} bytes; a configuration may have {FILE_MAX_BYTES}"),
            "check the path given to --config",
        ));
    }
    fs::read_to_string(path).map_err(|error| {
        Problem::usage(
            format!("cannot read the configuration `{shown}`"),
            "it must be a UTF-8 text file that this user may read",
        )
        .because(error)
    })
}

/// A mistake in `path`, with what to do.
pub(super) fn parse_failed(path: &Path, mistake: &str) -> Problem {
    Problem::usage(
        format!("{}:{mistake}", path.display()),
        "correct that and try again with --check-config; the schemas are docs/reference/config-*.schema.json",
    )
}

/// Parses a configuration; the error is `LINE:COLUMN: field: what is wrong`.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut field = None;
    let parsed = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            field = Some(error.path().to_string());
            error.into_inner()
        })
    });
    parsed.map_err(|error| {
        let place = error
            .location()
            .map_or_else(String::new, |at| format!("{}:{}: ", at.line(), at.column()));
        let field = match field.as_deref() {
            None => String::new(),
            Some(".") => "at the top level: ".to_owned(),
            Some(path) => format!("field `{path}`: "),
        };
        let what = error.without_snippet().to_string();
        format!("{place}{field}{}", first_line(&what))
    })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its presence is tested")]
        name: String,
        #[expect(dead_code, reason = "only its type is tested")]
        nodes: BTreeMap<String, Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its type is tested")]
        port: u16,
    }

    fn mistake(text: &str) -> String {
        parse::<Outer>(text).unwrap_err()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = mistake("name: a\nnodes:\n  m1:\n    prot: 1\n");
        assert!(text.starts_with("4:5: "), "{text}");
        assert!(text.contains("nodes.m1") && text.contains("prot"), "{text}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_line() {
        let text = mistake("name: a\nnodes:\n  m1:\n    port: many\n");
        assert!(text.starts_with("4:11: "), "{text}");
        assert!(text.contains("nodes.m1.port"), "{text}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let text = mistake("nodes: {}\n");
        assert!(text.contains("name"), "{text}");
    }

    #[test]
    fn broken_yaml_is_located() {
        let text = mistake("name: a\nnodes: [\n");
        assert!(text.starts_with(|c: char| c.is_ascii_digit()), "{text}");
    }
}
