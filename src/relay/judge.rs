//! What cannot be decided here is asked of the server once, with the viewer's own token, and its answer kept
//! (docs/relay.md): tokens of other keys of the environment, and `read:batch` for a single run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::Semaphore;

use super::limits::Digest;
use super::pass::{self, Passed, Times};
use crate::config::Endpoint;
use crate::error::Result as CrateResult;
use crate::http::{Call, ClientOptions, Deadlines, feed_headers};
use crate::lock::lock;
use crate::random;
use crate::secret::Secret;
use crate::serve::Response;
use crate::serve::clock::Clock;
use crate::token::{CLAIMS_PATH, ClaimsStore};

/// The most answers kept; the one that was longest not needed goes first.
pub(super) const MOST: usize = 10_000;
/// How long a yes is kept at most: what a key was taken away from must end.
const YES_MS: u64 = 300_000;
/// How long a no is kept.
const NO_MS: u64 = 30_000;
/// The most of a refusal's body that is read, in bytes.
const LONGEST_REFUSAL: usize = 4 * 1024;
/// The most questions under way. Anyone can sign a token with a key of their own and fill in this environment's id, so
/// a flood of them must not become a flood of requests (A7).
pub(super) const UNDER_WAY: usize = 32;
/// How long the server may take for an answer, so that one that hangs gives the places back.
pub(super) const QUESTION_TIMES: Times = Times { head: Duration::from_secs(15), idle: Duration::from_secs(15) };
/// When to ask again where the server did not say, in seconds.
const RETRY_S: u64 = 1;

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It shows the viewer the feed.
    Yes,
    /// 401, 403 or 404, and what it said.
    No(StatusCode, Bytes),
}

impl Ruling {
    /// The refusal as the viewer gets it, `None` for a yes.
    pub(crate) fn answer(&self) -> Option<Response> {
        match self {
            Self::Yes => None,
            Self::No(StatusCode::NOT_FOUND, body) => {
                Some(Response::api(StatusCode::NOT_FOUND, body.clone()).with("x-should-retry", "false"))
            }
            Self::No(status, body) => Some(Response::api(*status, body.clone())),
        }
    }
}

/// The server did not say: nothing is kept, and the next viewer asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsure {
    /// It was not reached: 502.
    Unreachable,
    /// It is busy (429, 5xx), or as many questions as may be are under way: 503, and to be asked again after so many
    /// seconds.
    Busy(u64),
}

impl Unsure {
    /// What the viewer is told.
    pub(crate) fn answer(self) -> Response {
        let (status, text, seconds) = match self {
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The server could not be reached", RETRY_S),
            Self::Busy(seconds) => (StatusCode::SERVICE_UNAVAILABLE, "The server is busy", seconds),
        };
        Response::api_error(status, text).with("retry-after", &seconds.to_string())
    }
}

type Outcome = Result<Ruling, Unsure>;
type Asked = Shared<BoxFuture<'static, Outcome>>;

/// Asks, and keeps the answers. Cheap to clone; clones are the same judge.
#[derive(Clone)]
pub(crate) struct Judge(Arc<Inner>);

struct Inner {
    /// Drawn for this process: what is kept tells nobody a token.
    key: hmac::Key,
    clock: Clock,
    /// A permit for each question under way.
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<Digest, Kept>,
    /// By when they were last needed, the longest ago first.
    order: BTreeMap<u64, Digest>,
    /// Weak: viewers own their question, and it ends with the last of them.
    asked: HashMap<Digest, (u64, WeakShared<BoxFuture<'static, Outcome>>)>,
    next: u64,
}

/// What a question is about.
#[derive(Clone, Copy)]
struct About {
    token: Digest,
    /// Of the token and the path.
    path: Digest,
    exp: Option<f64>,
}

struct Kept {
    ruling: Ruling,
    until_ms: u64,
    used: u64,
}

impl Judge {
    /// A judge that knows nothing yet.
    pub(crate) fn new(clock: Clock) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>());
        Self(Arc::new(Inner { key, clock, places: Arc::new(Semaphore::new(UNDER_WAY)), state: Mutex::default() }))
    }

    /// A token, told from others without being kept.
    pub(crate) fn digest(&self, token: &str) -> Digest {
        self.mac(&[token])
    }

    /// A viewer as the app names it (`authorize`), told from others and from every token.
    pub(crate) fn digest_of_viewer(&self, id: &str) -> Digest {
        self.mac(&["viewer", id])
    }

    /// Whether the server shows `path` (of a feed, with its query and without an offset) to the holder of `token`,
    /// which expires at `exp` (Unix seconds). Those who ask at once share one request. A 401 is about the token, whatever
    /// it asks for next.
    ///
    /// # Errors
    /// The server did not say.
    pub(crate) async fn ask(&self, endpoint: &Endpoint, token: &Secret, path: &str, exp: Option<f64>) -> Outcome {
        let question = question(endpoint, token, path);
        self.ask_with(token, path, exp, || question).await
    }

    async fn ask_with<F, Fut>(&self, token: &Secret, path: &str, exp: Option<f64>, question: F) -> Outcome
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let about = About { token: self.digest(token.expose()), path: self.mac(&[token.expose(), path]), exp };
        let asked = {
            let mut state = self.state();
            let now = self.0.clock.now_ms();
            if let Some(ruling) = state.known(&about.token, now).or_else(|| state.known(&about.path, now)) {
                return Ok(ruling);
            }
            match state.asked.get(&about.path).and_then(|(_, asked)| asked.upgrade()) {
                Some(asked) => asked,
                None => self.begin(&mut state, about, question)?,
            }
        };
        asked.await
    }

    fn begin<F, Fut>(&self, state: &mut State, about: About, question: F) -> Result<Asked, Unsure>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let place = self.0.places.clone().try_acquire_owned().map_err(|_| Unsure::Busy(RETRY_S))?;
        // What was dropped by its last viewer leaves a dead entry behind.
        state.asked.retain(|_, (_, asked)| asked.upgrade().is_some());
        let number = state.tick();
        let (judge, question) = (self.clone(), question());
        let asked = async move {
            let outcome = question.await;
            drop(place);
            judge.settle(about, number, &outcome);
            outcome
        }
        .boxed()
        .shared();
        if let Some(weak) = asked.downgrade() {
            state.asked.insert(about.path, (number, weak));
        }
        Ok(asked)
    }

    fn settle(&self, about: About, number: u64, outcome: &Outcome) {
        let now = self.0.clock.now_ms();
        let mut state = self.state();
        if state.asked.get(&about.path).is_some_and(|(current, _)| *current == number) {
            state.asked.remove(&about.path);
        }
        let Ok(ruling) = outcome else { return };
        let (longest, digest) = match ruling {
            Ruling::Yes => (YES_MS, about.path),
            Ruling::No(StatusCode::UNAUTHORIZED, _) => (NO_MS, about.token),
            Ruling::No(..) => (NO_MS, about.path),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates; a negative time is long past"
        )]
        let expires = about.exp.map_or(u64::MAX, |exp| (exp * 1000.0) as u64);
        state.keep(digest, ruling.clone(), now.saturating_add(longest).min(expires));
    }

    fn mac(&self, parts: &[&str]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0.key);
        for part in parts {
            // With its length before it, no part can be taken for two.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn known(&mut self, digest: &Digest, now_ms: u64) -> Option<Ruling> {
        let used = self.tick();
        let kept = self.kept.get_mut(digest)?;
        self.order.remove(&kept.used);
        if kept.until_ms <= now_ms {
            self.kept.remove(digest);
            return None;
        }
        kept.used = used;
        self.order.insert(used, *digest);
        Some(kept.ruling.clone())
    }

    fn keep(&mut self, digest: Digest, ruling: Ruling, until_ms: u64) {
        let used = self.tick();
        if let Some(old) = self.kept.insert(digest, Kept { ruling, until_ms, used }) {
            self.order.remove(&old.used);
        }
        self.order.insert(used, digest);
        while self.kept.len() > MOST {
            match self.order.pop_first() {
                Some((_, oldest)) => self.kept.remove(&oldest),
                None => break,
            };
        }
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("kept", &self.state().kept.len()).finish_non_exhaustive()
    }
}

/// The request: the feed's first snapshot, as the viewer's own client would ask for it.
fn question(endpoint: &Endpoint, token: &Secret, path: &str) -> impl Future<Output = Outcome> + Send + 'static + use<> {
    let join = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}{path}{join}offset=-1", endpoint.base_url());
    let headers = own_headers(endpoint, token);
    async move {
        let headers = headers?;
        let request = Passed { method: Method::GET, url, headers, times: QUESTION_TIMES };
        let response = pass::get(request).await.map_err(|_| Unsure::Unreachable)?;
        let status = response.status();
        match status.as_u16() {
            // The rows themselves are not read: the connection's other requests go on.
            200..=299 => Ok(Ruling::Yes),
            401 | 403 | 404 => {
                let body = Limited::new(response.into_body(), LONGEST_REFUSAL).collect().await;
                body.map(|body| Ruling::No(status, body.to_bytes())).map_err(|_| Unsure::Unreachable)
            }
            _ => {
                let seconds = response.headers().get("retry-after").and_then(|text| text.to_str().ok()?.parse().ok());
                Err(Unsure::Busy(seconds.unwrap_or(RETRY_S)))
            }
        }
    }
}

/// A feed's headers with the viewer's token in the place of the key: the key never leaves with a viewer's question.
fn own_headers(endpoint: &Endpoint, token: &Secret) -> Result<HeaderMap, Unsure> {
    let mut headers = feed_headers(endpoint).map_err(|_| Unsure::Unreachable)?;
    let bearer = pass::bearer(token).ok_or(Unsure::Unreachable)?;
    headers.insert(http::header::AUTHORIZATION, bearer);
    Ok(headers)
}

/// The id of the relay's own environment: asked for once in the life of the process, with its own key.
///
/// # Errors
/// Those of the call. Nothing is kept then.
pub(crate) async fn subject(endpoint: &Endpoint, options: &Arc<ClientOptions>) -> CrateResult<String> {
    let (asked, options) = (endpoint.clone(), options.clone());
    let ask = || async move {
        let call = Call { method: Method::POST, path: CLAIMS_PATH, body: None, deadlines: Deadlines::CLAIMS };
        Ok(call.send(&asked, &options).await?.body)
    };
    Ok(ClaimsStore::global().get(endpoint, ask).await?.subject().to_owned())
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
