//! A part of a `SET` as an entry of the session's journal.

use super::{Effect, Target};

impl Effect<'_> {
    /// Whether reading the value depends on `sql_mode` or the character set, so that the journal has to keep their order.
    pub(crate) fn depends_on_dialect(&self) -> bool {
        self.value.iter().any(|byte| matches!(byte, b'\\' | b'"' | 0x80..))
    }

    /// One key for everything that a later effect of the same key makes obsolete.
    pub(crate) fn key(&self) -> String {
        let named = |prefix: &str, name: &[u8]| {
            let name = name.trim_ascii().to_ascii_lowercase();
            format!("{prefix}{}", String::from_utf8_lossy(&name).trim_matches('`'))
        };
        match self.target {
            Target::Variable(name) => named("var:", name),
            Target::Global(name) => named("global:", name),
            Target::User(name) => named("user:@", name),
            Target::Names => "names".to_owned(),
            Target::Charset => "charset".to_owned(),
            Target::Role => "role".to_owned(),
            Target::Transaction => "transaction".to_owned(),
            Target::NextTransaction => "next-transaction".to_owned(),
            Target::NextVariable(name) => named("next:", name),
            Target::GlobalTransaction => "global:transaction".to_owned(),
            Target::Account => "account".to_owned(),
            Target::CausalReads => "quorate:causal_reads".to_owned(),
            Target::Token => "quorate:token".to_owned(),
            Target::Unknown => "unknown".to_owned(),
        }
    }

    /// A statement that does this part alone.
    pub(crate) fn sql(&self) -> Vec<u8> {
        let parts: [&[u8]; 3] = match &self.target {
            Target::Variable(name) => [b"SET SESSION ", name, b"="],
            Target::Global(name) => [b"SET GLOBAL ", name, b"="],
            Target::User(name) => [b"SET @", name, b"="],
            Target::Names => [b"SET NAMES ", b"", b""],
            Target::Charset => [b"SET CHARACTER SET ", b"", b""],
            Target::Role => [b"SET ROLE ", b"", b""],
            Target::Transaction => [b"SET SESSION TRANSACTION ", b"", b""],
            Target::NextTransaction => [b"SET TRANSACTION ", b"", b""],
            Target::NextVariable(name) => [b"SET @@", name, b"="],
            Target::GlobalTransaction => [b"SET GLOBAL TRANSACTION ", b"", b""],
            Target::CausalReads => [b"SET @quorate_causal_reads=", b"", b""],
            Target::Token => [b"SET @quorate_token=", b"", b""],
            Target::Account | Target::Unknown => return Vec::new(),
        };
        [parts.as_slice(), &[self.value]].concat().concat()
    }
}
