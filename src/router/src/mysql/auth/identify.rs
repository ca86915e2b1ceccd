//! Whether a client is who it says it is.
//!
//! Unknown users, wrong passwords and unusable accounts take the same path: an answer is asked for, compared with
//! something, and compared again after the accounts were read anew. Only then is anybody sent away.

use rand::Rng as _;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::account::{Account, Method};
use super::accounts::Snapshot;
use super::ed25519::{self, ANSWER_LEN, SCRAMBLE_LEN};
use super::front::Front;
use super::greet::{GreetError, Patience};
use super::native::{self, Scramble, Stage2};
use super::packet::{PHASE_MAX, Packets};
use super::pattern::Origin;
use super::secret::Secret;
use super::server_error::ServerError;
use super::switch::Switch;

/// Compared with the answers of users who do not exist.
const NOBODY: Stage2 = [0x5a; 20];

/// What a client says of itself.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) user: &'a str,
    /// Which plugin its answer is of; the old ones say nothing and mean `mysql_native_password`.
    pub(super) plugin: Option<&'a [u8]>,
    pub(super) answer: &'a [u8],
    /// What it answered.
    pub(super) scramble: &'a Scramble,
    pub(super) origin: &'a Origin,
    pub(super) tls: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// This proves it to servers.
    Known(Secret),
    /// This is to be told.
    Refused(ServerError),
}

/// The answers given so far, each with what was asked.
#[derive(Debug, Default)]
struct Answers {
    native: Option<(Scramble, Zeroizing<Vec<u8>>)>,
    ed25519: Option<([u8; SCRAMBLE_LEN], Zeroizing<Vec<u8>>)>,
}

/// How one method judges.
enum Outcome {
    Right(Secret),
    Wrong,
    /// Right, but useless for a router; for the client to read.
    Useless(String),
    /// Nothing that a router can judge.
    Strange(String),
}

/// Finds out, asking the client for another answer where its account needs one.
pub(super) async fn identify<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut Packets<'_, S>,
    front: &Front,
    claim: &Claim<'_>,
    patience: &mut Patience,
) -> Result<Verdict, GreetError> {
    let mut answers = Answers::default();
    if claim.plugin.is_none_or(|plugin| plugin == native::PLUGIN.as_bytes()) {
        answers.native = Some((*claim.scramble, Zeroizing::new(claim.answer.to_vec())));
    }
    let known = front.accounts.any(front.patience()).await?;
    if let Judged::Known(secret) = judge(packets, front, claim, &known, &mut answers, patience).await? {
        return Ok(Verdict::Known(secret));
    }
    // The password or the account may be newer than what is known.
    let fresh = front.accounts.fresh(front.patience()).await?;
    let judged = judge(packets, front, claim, &fresh, &mut answers, patience).await?;
    let text = match judged {
        Judged::Known(secret) => return Ok(Verdict::Known(secret)),
        Judged::Unknown => denied(claim, &answers),
        Judged::Hindered(why) => format!("{}: {why}", denied(claim, &answers)),
    };
    Ok(Verdict::Refused(ServerError::new(1045, *b"28000", text)))
}

/// What a snapshot says.
enum Judged {
    Known(Secret),
    Unknown,
    Hindered(String),
}

async fn judge<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut Packets<'_, S>,
    front: &Front,
    claim: &Claim<'_>,
    snapshot: &Snapshot,
    answers: &mut Answers,
    patience: &mut Patience,
) -> Result<Judged, GreetError> {
    let nobody = [Method::Native(None)];
    let account = snapshot.find(claim.user, claim.origin);
    let methods = account.map_or(nobody.as_slice(), |account| &account.methods);
    let mut strange = None;
    let mut native = false;
    for method in methods {
        native |= matches!(method, Method::Nothing | Method::Native(_));
        match attempt(packets, front, claim, method, answers, patience).await? {
            Outcome::Right(secret) => return Ok(admit(account.map(AsRef::as_ref), claim, secret)),
            Outcome::Wrong => {}
            Outcome::Useless(why) => return Ok(Judged::Hindered(why)),
            Outcome::Strange(plugin) => strange = Some(plugin),
        }
    }
    Ok(match strange {
        Some(plugin) if !native => Judged::Hindered(format!(
            "the account uses the plugin `{plugin}`, which a router cannot carry; \
             ALTER USER … IDENTIFIED VIA mysql_native_password or ed25519"
        )),
        Some(_) | None => Judged::Unknown,
    })
}

async fn attempt<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut Packets<'_, S>,
    front: &Front,
    claim: &Claim<'_>,
    method: &Method,
    answers: &mut Answers,
    patience: &mut Patience,
) -> Result<Outcome, GreetError> {
    match method {
        Method::Nothing | Method::Native(_) => {
            let (scramble, answer) = match answers.native.take() {
                Some(given) => given,
                None => {
                    let scramble = scramble();
                    (
                        scramble,
                        ask(packets, native::PLUGIN, &closed(&scramble), patience).await?,
                    )
                }
            };
            let outcome = judge_native(method, &scramble, &answer);
            answers.native = Some((scramble, answer));
            Ok(outcome)
        }
        Method::Ed25519(public) => {
            let (scramble, answer) = match answers.ed25519.take() {
                Some(given) => given,
                None => {
                    let scramble: [u8; SCRAMBLE_LEN] = rand::rng().random();
                    (scramble, ask(packets, ed25519::PLUGIN, &scramble, patience).await?)
                }
            };
            let outcome = public.map_or(Outcome::Wrong, |public| {
                judge_ed25519(front, claim.user, &public, &scramble, &answer)
            });
            answers.ed25519 = Some((scramble, answer));
            Ok(outcome)
        }
        Method::Other(plugin) => Ok(Outcome::Strange(plugin.clone())),
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut Packets<'_, S>,
    plugin: &str,
    scramble: &[u8],
    patience: &mut Patience,
) -> Result<Zeroizing<Vec<u8>>, GreetError> {
    let switch = Switch { plugin, scramble };
    patience.spend(packets.write(&switch.packet())).await?;
    patience.spend(packets.read(PHASE_MAX)).await
}

fn judge_native(method: &Method, scramble: &Scramble, answer: &[u8]) -> Outcome {
    if matches!(method, Method::Nothing) {
        return if answer.is_empty() {
            Outcome::Right(Secret::Empty)
        } else {
            Outcome::Wrong
        };
    }
    let hash = match method {
        Method::Native(Some(hash)) => Some(hash),
        _ => None,
    };
    // An answer of another length cannot be right; it is compared all the same.
    let whole = <&[u8; 20]>::try_from(answer).ok();
    let found = native::verify(whole.unwrap_or(&NOBODY), scramble, hash.unwrap_or(&NOBODY));
    match found.filter(|_| whole.is_some() && hash.is_some()) {
        Some(stage1) => Outcome::Right(Secret::Native(stage1)),
        None => Outcome::Wrong,
    }
}

fn judge_ed25519(
    front: &Front,
    user: &str,
    public: &ed25519::PublicKey,
    scramble: &[u8; SCRAMBLE_LEN],
    answer: &[u8],
) -> Outcome {
    let right = <&[u8; ANSWER_LEN]>::try_from(answer).is_ok_and(|answer| ed25519::verify(answer, scramble, public));
    if !right {
        return Outcome::Wrong;
    }
    let Some(credentials) = &front.credentials else {
        return Outcome::Useless(remedy(user, "no `credentials_file` is configured"));
    };
    match credentials.find(user) {
        Ok(Some(Secret::Password(password))) if ed25519::public_key(&password) == *public => {
            Outcome::Right(Secret::Password(password))
        }
        Ok(Some(_)) => Outcome::Useless(remedy(user, "`credentials_file` has another password")),
        Ok(None) => Outcome::Useless(remedy(user, "`credentials_file` has no entry")),
        Err(error) => Outcome::Useless(error.to_string()),
    }
}

fn remedy(user: &str, problem: &str) -> String {
    format!(
        "the password is right, but {problem} for `{user}`, so the router cannot log in with `ed25519` for it; \
         add {{\"{user}\": \"…\"}} to that file, or use mysql_native_password"
    )
}

fn admit(account: Option<&Account>, claim: &Claim<'_>, secret: Secret) -> Judged {
    match account {
        Some(account) if account.needs_tls && claim.tls => Judged::Hindered(
            "the account requires TLS up to the server, which a router cannot provide; \
             ALTER USER … REQUIRE NONE and set the router's `client_tls.required`"
                .to_owned(),
        ),
        Some(account) if account.needs_tls => Judged::Unknown,
        Some(_) | None => Judged::Known(secret),
    }
}

/// The server's words.
fn denied(claim: &Claim<'_>, answers: &Answers) -> String {
    let given = answers.native.as_ref().is_some_and(|(_, answer)| !answer.is_empty()) || answers.ed25519.is_some();
    let using = if given { "YES" } else { "NO" };
    format!(
        "Access denied for user '{}'@'{}' (using password: {using})",
        claim.user, claim.origin.shown
    )
}

/// Twenty printable characters: some clients take a scramble for text.
pub(super) fn scramble() -> Scramble {
    let mut rng = rand::rng();
    std::array::from_fn(|_| rng.random_range(b'%'..=b'~'))
}

/// A scramble with its closing NUL.
fn closed(scramble: &Scramble) -> [u8; 21] {
    let mut closed = [0; 21];
    for (to, from) in closed.iter_mut().zip(scramble) {
        *to = *from;
    }
    closed
}
