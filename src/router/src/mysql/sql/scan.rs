//! One pass over all tokens: everything about a statement that does not depend on its verb.

use super::digest::Shaper;
use super::functions::{self, Call};
use super::hint::{self, Hint};
use super::lex::{Charset, Dialect, Kind, Lexer, Token};
use super::verdict::Facts;
use super::word::{constant, is, key};

/// What the pass found.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// What the text touches.
    pub(super) facts: Facts,
    /// The first reason why a read of this text is right only on the primary.
    pub(super) primary: Option<&'static str>,
    /// The first reason why it is right only where the last statement ran.
    pub(super) last: Option<&'static str>,
    /// Key and text of the first word, parentheses before it left out.
    pub(super) verb: u64,
    /// Calls `CONNECTION_ID()`.
    pub(super) connection_id: bool,
    /// Tokens follow a semicolon.
    pub(super) several: bool,
    /// Servers may read the text differently.
    pub(super) unsure: bool,
    /// No token at all.
    pub(super) empty: bool,
    /// The first comment, if it is a hint.
    pub(super) hint: Option<Hint<'a>>,
    /// Hash of the shape.
    pub(super) shape: u64,
}

/// Scans the whole text.
#[inline]
pub(super) fn scan(text: &[u8], dialect: Dialect) -> Scan<'_> {
    let mut lexer = Lexer::new(text, dialect);
    let mut pass = Pass::new();
    for token in lexer.by_ref() {
        pass.push(token);
        if dialect.charset != Charset::Utf8 && token.kind != Kind::Text && !token.text.is_ascii() {
            pass.found.unsure = true;
        }
    }
    let mut found = pass.found;
    found.unsure |= lexer.unsure || (dialect.charset == Charset::MultiByte && !text.is_ascii());
    found.empty = pass.last1.kind == Kind::Semicolon && !found.several && found.verb == 0;
    found.hint = lexer.comment.and_then(hint::parse);
    found.shape = pass.shaper.finish();
    found
}

/// A token that has been seen, reduced to what the next ones ask about it.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    kind: Kind,
    key: u64,
    text: &'a [u8],
}

const NOTHING: Seen<'static> = Seen {
    kind: Kind::Semicolon,
    key: 0,
    text: &[],
};

#[derive(Debug)]
struct Pass<'a> {
    found: Scan<'a>,
    /// A semicolon came behind a statement.
    semicolon: bool,
    /// The select that follows the list of a `WITH` has begun.
    main: bool,
    depth: u32,
    /// The last token, the one before it, the one before that.
    last1: Seen<'a>,
    last2: Seen<'a>,
    last3: Seen<'a>,
    shaper: Shaper<()>,
}

const DUMPFILE: u64 = constant("DUMPFILE");
const OUTFILE: u64 = constant("OUTFILE");
const SELECT: u64 = constant("SELECT");
const CREATE: u64 = constant("CREATE");
const DROP: u64 = constant("DROP");
const FOR: u64 = constant("FOR");
const IN: u64 = constant("IN");
const INTO: u64 = constant("INTO");
const MODE: u64 = constant("MODE");
const NEXT: u64 = constant("NEXT");
const NEXTVAL: u64 = constant("NEXTVAL");
const CURRVAL: u64 = constant("CURRVAL");
const PREVIOUS: u64 = constant("PREVIOUS");
const PROCEDUR: u64 = constant("PROCEDUR");
const RECURSIV: u64 = constant("RECURSIV");
const REPLACE: u64 = constant("REPLACE");
const RETURNIN: u64 = constant("RETURNIN");
const SHARE: u64 = constant("SHARE");
const SQL_CALC: u64 = constant("SQL_CALC");
const TEMPORAR: u64 = constant("TEMPORAR");
const UPDATE: u64 = constant("UPDATE");
const VALUE: u64 = constant("VALUE");
const WITH: u64 = constant("WITH");

impl<'a> Pass<'a> {
    fn new() -> Self {
        Self {
            found: Scan::default(),
            semicolon: false,
            main: false,
            depth: 0,
            last1: NOTHING,
            last2: NOTHING,
            last3: NOTHING,
            shaper: Shaper::default(),
        }
    }

    #[inline]
    fn push(&mut self, token: Token<'a>) {
        let key = if matches!(token.kind, Kind::Word) {
            key(token.text)
        } else {
            0
        };
        self.shaper.push(&token, key);
        if self.semicolon && token.kind != Kind::Semicolon {
            self.found.several = true;
        }
        match token.kind {
            Kind::Word => self.word(&token, key),
            Kind::Open => {
                self.open();
                self.depth = self.depth.saturating_add(1);
            }
            Kind::Close => self.depth = self.depth.saturating_sub(1),
            Kind::UserVar => {
                let target = self.last1.kind == Kind::Word && self.last1.key == INTO;
                self.found.facts.add(if target {
                    Facts::SETS_USER_VARIABLES
                } else {
                    Facts::READS_USER_VARIABLES
                });
            }
            Kind::SysVar => self.call(functions::system_variable(token.text.get(2..).unwrap_or_default())),
            Kind::Assign if self.last1.kind == Kind::UserVar => {
                self.found.facts.add(Facts::SETS_USER_VARIABLES);
                self.primary("assigns a user variable");
            }
            Kind::Semicolon => self.semicolon = self.found.verb != 0,
            _ => {}
        }
        self.last3 = self.last2;
        self.last2 = self.last1;
        self.last1 = Seen {
            kind: token.kind,
            key,
            text: token.text,
        };
    }

    #[inline]
    fn word(&mut self, token: &Token<'a>, key: u64) {
        if self.found.verb == 0 {
            self.found.verb = key;
            return;
        }
        let after = self.last1.key;
        match key {
            SELECT if self.depth == 0 => self.main = true,
            OUTFILE | DUMPFILE if after == INTO => self.found.facts.add(Facts::MAY_WRITE),
            INTO => self.primary("SELECT … INTO"),
            UPDATE if after == FOR => self.primary("SELECT … FOR UPDATE"),
            SHARE if after == FOR => self.primary("SELECT … FOR SHARE"),
            MODE if after == SHARE => self.primary("SELECT … LOCK IN SHARE MODE"),
            FOR if after == VALUE && self.last2.key == NEXT => self.call(Call::Writes("takes a value of a sequence")),
            FOR if after == VALUE && self.last2.key == PREVIOUS => self.primary("the last value of a sequence"),
            NEXTVAL if self.last1.kind == Kind::Dot => self.call(Call::Writes("takes a value of a sequence")),
            CURRVAL if self.last1.kind == Kind::Dot => self.primary("the last value of a sequence"),
            PROCEDUR if is(token.text, "PROCEDURE") => self.primary("SELECT … PROCEDURE"),
            SQL_CALC if is(token.text, "SQL_CALC_FOUND_ROWS") => self.found.facts.add(Facts::CALCULATES_FOUND_ROWS),
            TEMPORAR if after == DROP => self.found.facts.add(Facts::DROPS_TEMPORARY),
            TEMPORAR if after == CREATE || after == REPLACE => self.found.facts.add(Facts::CREATES_TEMPORARY),
            RETURNIN if is(token.text, "RETURNING") => self.found.facts.add(Facts::RETURNING),
            _ => {}
        }
    }

    /// A parenthesis opens: is it a call?
    #[inline]
    fn open(&mut self) {
        match self.last1.kind {
            Kind::Word if self.last2.kind == Kind::Dot => {
                self.call(Call::Writes("calls a stored or unknown function"));
            }
            Kind::Word if !self.names_columns() && self.last1.key != IN => {
                self.call(functions::lookup(self.last1.text));
            }
            Kind::Quoted if !self.names_columns() => self.call(Call::Writes("calls a stored or unknown function")),
            _ => {}
        }
    }

    /// Whether the last name is one that a list of columns follows: `WITH name (a, b) AS`, `MATCH … AGAINST (`,
    /// `JSON_TABLE(…, 'path' COLUMNS (`.
    fn names_columns(&self) -> bool {
        let word = self.last1.text;
        match self.last2.kind {
            Kind::Word => matches!(self.last2.key, WITH | RECURSIV),
            Kind::Comma => self.found.verb == WITH && !self.main && self.depth == 0 && self.last3.kind == Kind::Close,
            Kind::Close => is(word, "AGAINST"),
            Kind::Text => is(word, "COLUMNS"),
            _ => false,
        }
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Plain => {}
            Call::Primary(why) => self.primary(why),
            Call::Writes(why) => {
                self.found.facts.add(Facts::MAY_WRITE);
                self.primary(why);
            }
            Call::Last(why) => self.found.last = self.found.last.or(Some(why)),
            Call::TakesLock => {
                self.found.facts.add(Facts::TAKES_USER_LOCK);
                self.primary("takes a user lock");
            }
            Call::ReleasesLock => {
                self.found.facts.add(Facts::RELEASES_USER_LOCK);
                self.primary("releases a user lock");
            }
            Call::ConnectionId => self.found.connection_id = true,
        }
    }

    fn primary(&mut self, why: &'static str) {
        self.found.primary = self.found.primary.or(Some(why));
    }
}
