//! Bearer tokens: names, roles and hashes. The tokens themselves are never stored here.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use utoipa::ToSchema;

/// What a token allows; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessRole {
    /// Read.
    Viewer,
    /// Switch over, pause and resume.
    Operator,
    /// Change the supervisors themselves.
    Admin,
}

/// One line of the tokens file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// Whose token; stands in the audit trail.
    pub name: String,
    /// What it allows.
    pub role: AccessRole,
    /// [`token_hash`] of the token.
    pub sha256: String,
}

/// Why the tokens file is unusable.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Not readable.
    #[error("cannot read the tokens file `{}`; it is a JSON list of {{name, role, sha256}}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not understood.
    #[error("the tokens file `{}` is not a JSON list of {{name, role, sha256}}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A record is wrong.
    #[error("the tokens file `{}` has a wrong record `{name}`: {why}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// Which record.
        name: String,
        /// Why.
        why: &'static str,
    },
}

/// Lower-case hexadecimal SHA-256 of a token. A plain hash is enough because tokens are random, not chosen by people.
#[must_use]
pub fn token_hash(token: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(token.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The known tokens.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<TokenRecord>);

impl Tokens {
    /// Reads a tokens file.
    ///
    /// # Errors
    /// If it cannot be read or a record is wrong.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let text = fs::read(path).map_err(|source| TokenError::Read {
            path: path.to_owned(),
            source,
        })?;
        let records: Vec<TokenRecord> = serde_json::from_slice(&text).map_err(|source| TokenError::Parse {
            path: path.to_owned(),
            source,
        })?;
        for record in &records {
            let hex = record
                .sha256
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let why = if record.name.is_empty() {
                "its name is empty"
            } else if record.sha256.len() != 64 || !hex {
                "sha256 is not 64 lower-case hexadecimal digits"
            } else {
                continue;
            };
            return Err(TokenError::Record {
                path: path.to_owned(),
                name: record.name.clone(),
                why,
            });
        }
        Ok(Self(records))
    }

    /// Whose token it is. Every record is compared in constant time, so the time taken says nothing about the hashes.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&TokenRecord> {
        let hash = token_hash(token);
        let mut found = None;
        for record in &self.0 {
            if bool::from(record.sha256.as_bytes().ct_eq(hash.as_bytes())) {
                found = Some(record);
            }
        }
        found
    }
}

impl From<Vec<TokenRecord>> for Tokens {
    fn from(records: Vec<TokenRecord>) -> Self {
        Self(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash_only() {
        let record = TokenRecord {
            name: "ada".into(),
            role: AccessRole::Operator,
            sha256: token_hash("s3cret"),
        };
        let tokens = Tokens::from(vec![record.clone()]);
        assert_eq!(tokens.find("s3cret"), Some(&record));
        assert!(tokens.find("s3creT").is_none() && tokens.find(&record.sha256).is_none());
    }

    #[test]
    fn a_wrong_file_names_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.json");
        for (text, word) in [
            ("{}", "JSON list"),
            (r#"[{"name":"ada","role":"viewer","sha256":"AB"}]"#, "`ada`"),
            (r#"[{"name":"ada","role":"viewer","sha256":"","x":1}]"#, "JSON list"),
        ] {
            fs::write(&path, text).unwrap();
            assert!(Tokens::load(&path).unwrap_err().to_string().contains(word), "{text}");
        }
        assert!(
            Tokens::load(&dir.path().join("none"))
                .unwrap_err()
                .to_string()
                .contains("none")
        );
    }
}
