//! What a `SET` statement does, part by part.

mod journal;
mod verdict;

pub(super) use verdict::classify;

use super::hint::Causal;
use super::lex::{Dialect, Kind, Lexer, Token};
use super::word::{is, is_any};

/// One part of a `SET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect<'a> {
    /// What is set.
    pub(crate) target: Target<'a>,
    /// The value as written; empty where the target says it all.
    pub(crate) value: &'a [u8],
    /// Whether the value means the same whenever and wherever it is evaluated, so that it can be replayed.
    pub(crate) literal: bool,
}

/// What one part of a `SET` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A session variable, by name.
    Variable(&'a [u8]),
    /// A global variable, by name.
    Global(&'a [u8]),
    /// A user variable, by name without the `@`.
    User(&'a [u8]),
    /// `SET NAMES value`.
    Names,
    /// `SET CHARACTER SET value`.
    Charset,
    /// `SET ROLE value`.
    Role,
    /// `SET SESSION TRANSACTION value`.
    Transaction,
    /// `SET TRANSACTION value`: the next one only.
    NextTransaction,
    /// `SET @@tx_isolation = value`: without a scope it says the same. By name.
    NextVariable(&'a [u8]),
    /// `SET GLOBAL TRANSACTION value`.
    GlobalTransaction,
    /// `SET PASSWORD`, `SET DEFAULT ROLE`: an account.
    Account,
    /// `SET @quorate_causal_reads = value`.
    CausalReads,
    /// `SET @quorate_token = value`.
    Token,
    /// Not understood.
    Unknown,
}

/// The parts of a `SET` statement, in order. Of anything that is no `SET`, nothing.
pub(crate) fn effects(text: &[u8], dialect: Dialect) -> Effects<'_> {
    let mut lexer = Lexer::new(text, dialect);
    let started = lexer.eat("SET");
    Effects {
        lexer,
        global: false,
        done: !started,
    }
}

/// See [`effects`].
#[derive(Debug, Clone)]
pub(crate) struct Effects<'a> {
    lexer: Lexer<'a>,
    /// The scope that the last `GLOBAL` or `SESSION` left for the parts that follow it.
    global: bool,
    done: bool,
}

impl<'a> Iterator for Effects<'a> {
    type Item = Effect<'a>;

    fn next(&mut self) -> Option<Effect<'a>> {
        if self.done || self.lexer.at_end() {
            return None;
        }
        let effect = self.part();
        self.done |=
            effect.target == Target::Unknown || self.lexer.next().is_none_or(|token| token.kind != Kind::Comma);
        Some(effect)
    }
}

impl<'a> Effects<'a> {
    fn part(&mut self) -> Effect<'a> {
        let global = self.lexer.eat("GLOBAL");
        let session = !global && (self.lexer.eat("SESSION") || self.lexer.eat("LOCAL"));
        if global || session {
            self.global = global;
        }
        if self.lexer.eat("TRANSACTION") {
            return self.everything(match (global, session) {
                (true, _) => Target::GlobalTransaction,
                (_, true) => Target::Transaction,
                (false, false) => Target::NextTransaction,
            });
        }
        if !global
            && !session
            && let Some(effect) = self.special()
        {
            return effect;
        }
        self.assignment().unwrap_or(Effect {
            target: Target::Unknown,
            value: &[],
            literal: false,
        })
    }

    /// The forms without `=`.
    fn special(&mut self) -> Option<Effect<'a>> {
        if self.lexer.eat("NAMES") {
            return Some(self.value(Target::Names));
        }
        if self.lexer.eat("CHARSET")
            || self.lexer.eat_all(&["CHARACTER", "SET"])
            || self.lexer.eat_all(&["CHAR", "SET"])
        {
            return Some(self.value(Target::Charset));
        }
        if self.lexer.eat("ROLE") {
            return Some(self.value(Target::Role));
        }
        (self.lexer.eat("PASSWORD") || self.lexer.eat_all(&["DEFAULT", "ROLE"])).then(|| self.value(Target::Account))
    }

    fn assignment(&mut self) -> Option<Effect<'a>> {
        let token = self.lexer.next()?;
        let target = match token.kind {
            Kind::UserVar => user(token.text.get(1..)?),
            Kind::SysVar => system(token.text.get(2..)?),
            Kind::Word | Kind::Quoted => {
                let mut name = token.name()?;
                if self.lexer.peek()?.kind == Kind::Dot {
                    self.lexer.next();
                    name = self.lexer.next()?.name()?;
                }
                if self.global {
                    Target::Global(name)
                } else {
                    Target::Variable(name)
                }
            }
            _ => return None,
        };
        let sign = self.lexer.next()?;
        (sign.kind == Kind::Assign || sign.is_op(b'=')).then(|| self.value(target))
    }

    /// The rest of the statement, commas included: nothing else may follow `TRANSACTION`.
    fn everything(&mut self, target: Target<'a>) -> Effect<'a> {
        let mut effect = self.value(target);
        while self.lexer.peek().is_some_and(|token| token.kind == Kind::Comma) {
            self.lexer.next();
            let more = self.value(target);
            effect.value = joined(effect.value, more.value, self.lexer.text());
            effect.literal &= more.literal;
        }
        effect
    }

    /// Up to the next comma that is in no parentheses.
    fn value(&mut self, target: Target<'a>) -> Effect<'a> {
        let mut value: &[u8] = &[];
        let mut shape = Shape::Nothing;
        let mut depth = 0_u32;
        while let Some(token) = self.lexer.peek() {
            match token.kind {
                Kind::Open => depth = depth.saturating_add(1),
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Comma if depth == 0 => break,
                Kind::Semicolon => break,
                _ => {}
            }
            self.lexer.next();
            shape = shape.then(&token);
            value = if value.is_empty() {
                token.text
            } else {
                joined(value, token.text, self.lexer.text())
            };
        }
        let literal = match target {
            Target::Names
            | Target::Charset
            | Target::Role
            | Target::Transaction
            | Target::NextTransaction
            | Target::GlobalTransaction => shape != Shape::Expression,
            Target::User(_) => shape == Shape::Constant || is_constant(value),
            _ => shape == Shape::Constant || (shape == Shape::Name && !is_clock(value)),
        };
        Effect { target, value, literal }
    }
}

/// What a value looks like so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nothing,
    /// A sign or a character set introducer, which a constant has to follow.
    Prefix,
    Constant,
    /// One bare word (`ON`, `utf8mb4`, `DEFAULT`).
    Name,
    /// Several words without anything to evaluate.
    Words,
    Expression,
}

impl Shape {
    fn then(self, token: &Token<'_>) -> Self {
        match (self, token.kind) {
            (Self::Nothing, Kind::Op) if matches!(token.text, b"-" | b"+") => Self::Prefix,
            (Self::Nothing, Kind::Word) if token.text.starts_with(b"_") => Self::Prefix,
            (Self::Nothing | Self::Prefix, Kind::Number | Kind::Text) | (Self::Constant, Kind::Text) => Self::Constant,
            (Self::Nothing, Kind::Word) => Self::Name,
            (Self::Nothing | Self::Constant | Self::Name | Self::Words, Kind::Word | Kind::Text | Kind::Quoted) => {
                Self::Words
            }
            _ => Self::Expression,
        }
    }
}

/// Variables of which a transaction has values of its own.
const OF_A_TRANSACTION: [&str; 4] = [
    "TX_ISOLATION",
    "TX_READ_ONLY",
    "TRANSACTION_ISOLATION",
    "TRANSACTION_READ_ONLY",
];

/// Words that are constants in an expression.
fn is_constant(value: &[u8]) -> bool {
    is(value, "NULL") || is(value, "TRUE") || is(value, "FALSE")
}

/// Words that are evaluated, although nothing about their form says so.
fn is_clock(value: &[u8]) -> bool {
    ["CURRENT_", "LOCALTIME", "UTC_", "SYSDATE"]
        .iter()
        .any(|prefix| value.get(..prefix.len()).is_some_and(|start| is(start, prefix)))
}

fn user(name: &[u8]) -> Target<'_> {
    if is(name, "QUORATE_CAUSAL_READS") {
        Target::CausalReads
    } else if is(name, "QUORATE_TOKEN") {
        Target::Token
    } else {
        Target::User(name)
    }
}

/// The inside of `@@…`. Without a scope of its own it is the session's, whatever came before, or the next transaction's.
fn system(name: &[u8]) -> Target<'_> {
    let Some(dot) = name.iter().position(|byte| *byte == b'.') else {
        return if is_any(name, &OF_A_TRANSACTION) {
            Target::NextVariable(name)
        } else {
            Target::Variable(name)
        };
    };
    let (scope, rest) = name.split_at_checked(dot).unwrap_or((name, &[]));
    let rest = rest.get(1..).unwrap_or_default();
    if is(scope, "SESSION") || is(scope, "LOCAL") {
        Target::Variable(rest)
    } else {
        Target::Global(if is(scope, "GLOBAL") { rest } else { name })
    }
}

/// From the start of `first` to the end of `last`, both parts of `text`.
fn joined<'a>(first: &'a [u8], last: &'a [u8], text: &'a [u8]) -> &'a [u8] {
    let offset = |part: &[u8]| part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    text.get(offset(first)..offset(last).saturating_add(last.len()))
        .unwrap_or_default()
}

/// The causal level that a value of `@quorate_causal_reads` means; `NULL` and `DEFAULT` mean the router's own (none).
pub(crate) fn causal_value(value: &[u8], dialect: Dialect) -> Option<Causal> {
    Causal::parse(&super::lex::unquote_or_same(value, dialect))
}

#[cfg(test)]
#[path = "set_test.rs"]
mod tests;
