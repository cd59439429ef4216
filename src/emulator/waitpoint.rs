//! Wait tokens, in memory (docs/server-protocol.md 6; recorded: `calls-wait`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::ident;
use super::packet::Packet;
use crate::lock::lock;
use crate::random;
use crate::serve::clock::Clock;
use crate::serve::duration;
use crate::timestamp::format_timestamp;

/// The most tokens in memory. Beyond them the oldest are dropped.
const MAX_TOKENS: usize = 100_000;
/// The prefix of a token's public id.
const PREFIX: &str = "waitpoint_";

/// One wait token.
#[derive(Debug)]
pub(super) struct Token {
    /// Its database id, its position in lists.
    pub(super) id: String,
    /// The index of its environment.
    pub(super) environment: usize,
    /// Its tags.
    pub(super) tags: Vec<String>,
    /// Its idempotency key, and whether the caller chose it.
    pub(super) idempotency: (String, bool),
    /// Its creation, in Unix milliseconds.
    pub(super) created_ms: u64,
    /// Its timeout, in Unix milliseconds; `None` is never.
    pub(super) timeout_ms: Option<u64>,
    outcome: watch::Sender<Option<Outcome>>,
}

/// How a token ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The time, in Unix milliseconds.
    pub(super) at_ms: u64,
    /// The output it was completed with, or the error of the timeout.
    pub(super) output: Packet,
    /// Whether it timed out.
    pub(super) is_timeout: bool,
}

impl Token {
    /// Its public id.
    pub(super) fn friendly_id(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    /// Its outcome, as of `now_ms`. A timeout takes effect when the token is read.
    pub(super) fn outcome(&self, now_ms: u64) -> Option<Outcome> {
        if let Some(timeout_ms) = self.timeout_ms.filter(|timeout_ms| now_ms >= *timeout_ms) {
            let message = format!("Waitpoint timed out at {}Z", format_timestamp(timeout_ms));
            let error = json!({ "code": "TRIGGER_WAITPOINT_TIMEOUT", "message": message });
            let output = Packet { data: Some(error.to_string()), data_type: "application/json".into() };
            self.end(Outcome { at_ms: timeout_ms, output, is_timeout: true });
        }
        self.outcome.borrow().clone()
    }

    /// Completes the token. A token that has ended stays as it is.
    pub(super) fn complete(&self, now_ms: u64, data: Option<&Value>) {
        if self.outcome(now_ms).is_some() {
            return;
        }
        let output = match data {
            // A completion is plain JSON, stored as superjson without types (recorded).
            Some(data) => {
                Packet { data: Some(json!({ "json": data }).to_string()), data_type: "application/super+json".into() }
            }
            None => Packet { data: None, data_type: "application/json".into() },
        };
        self.end(Outcome { at_ms: now_ms, output, is_timeout: false });
    }

    /// Waits for the outcome.
    pub(super) async fn ended(&self, clock: &Clock) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        loop {
            let now = clock.now_ms();
            if let Some(outcome) = self.outcome(now) {
                return outcome;
            }
            // The channel stays open: `self` borrows its sender.
            let _ = match self.timeout_ms {
                Some(timeout_ms) => {
                    let left = Duration::from_millis(timeout_ms.saturating_sub(now).max(1));
                    clock.timeout(left, outcome.changed()).await.is_some()
                }
                None => outcome.changed().await.is_ok(),
            };
        }
    }

    fn end(&self, outcome: Outcome) {
        self.outcome.send_if_modified(|current| {
            let is_new = current.is_none();
            if is_new {
                *current = Some(outcome);
            }
            is_new
        });
    }
}

/// All wait tokens.
#[derive(Debug, Default)]
pub(super) struct Waitpoints {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tokens: HashMap<String, Arc<Token>>,
    /// Oldest first.
    order: Vec<Arc<Token>>,
    idempotent: HashMap<(usize, String), (String, u64)>,
}

/// The request for a new token.
#[derive(Debug, Default)]
pub(super) struct NewToken {
    /// The timeout, in Unix milliseconds.
    pub(super) timeout_ms: Option<u64>,
    /// The idempotency key, and its expiry in Unix milliseconds.
    pub(super) idempotency: Option<(String, u64)>,
    /// Its tags.
    pub(super) tags: Vec<String>,
}

impl Waitpoints {
    /// Makes a token, or finds the one with the same idempotency key (then true).
    pub(super) fn create(&self, environment: usize, new_token: NewToken, now_ms: u64) -> (Arc<Token>, bool) {
        let mut inner = lock(&self.inner);
        if let Some((key, _)) = &new_token.idempotency {
            let known = inner.idempotent.get(&(environment, key.clone())).filter(|(_, until)| *until > now_ms);
            if let Some(token) = known.and_then(|(id, _)| inner.tokens.get(id)) {
                return (token.clone(), true);
            }
        }
        let is_chosen = new_token.idempotency.is_some();
        let key = new_token.idempotency.as_ref().map_or_else(ident::nonce, |(key, _)| key.clone());
        let token = Arc::new(Token {
            id: ident::database_id(),
            environment,
            tags: new_token.tags,
            idempotency: (key, is_chosen),
            created_ms: now_ms,
            timeout_ms: new_token.timeout_ms,
            outcome: watch::Sender::new(None),
        });
        if let Some((key, until)) = new_token.idempotency {
            inner.idempotent.retain(|_, (_, until)| *until > now_ms);
            inner.idempotent.insert((environment, key), (token.friendly_id(), until));
        }
        inner.tokens.insert(token.friendly_id(), token.clone());
        inner.order.push(token.clone());
        if inner.order.len() > MAX_TOKENS {
            // A tenth at once, so that it is rare.
            let gone: Vec<_> = inner.order.drain(..MAX_TOKENS / 10).collect();
            for token in gone {
                inner.tokens.remove(&token.friendly_id());
            }
        }
        (token, false)
    }

    /// The token with that public id in that environment.
    pub(super) fn find(&self, environment: usize, friendly_id: &str) -> Option<Arc<Token>> {
        lock(&self.inner).tokens.get(friendly_id).filter(|token| token.environment == environment).cloned()
    }

    /// The token with that public id in any environment: the callback URL names none.
    pub(super) fn find_any(&self, friendly_id: &str) -> Option<Arc<Token>> {
        lock(&self.inner).tokens.get(friendly_id).cloned()
    }

    /// The tokens of an environment, newest first.
    pub(super) fn list(&self, environment: usize) -> Vec<Arc<Token>> {
        lock(&self.inner).order.iter().rev().filter(|token| token.environment == environment).cloned().collect()
    }
}

/// Parses a timeout: a date, or a duration such as `10m`. Without one, or with an unreadable one (recorded: "soon" is
/// accepted), a token never times out (docs/server-protocol.md 8).
pub(super) fn timeout_of(text: Option<&str>, now_ms: u64) -> Option<u64> {
    let text = text?;
    crate::timestamp::parse_utc(text).or_else(|| duration::parse_ms(text).map(|ms| now_ms.saturating_add(ms)))
}

/// A random part of an input record's id, `inp_<12 hex digits>`.
pub(super) fn input_id() -> String {
    let drawn: [u8; 6] = random::bytes();
    format!("inp_{}", ident::hex(&drawn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_token(timeout_ms: u64) -> NewToken {
        NewToken { timeout_ms: Some(timeout_ms), ..NewToken::default() }
    }

    #[test]
    fn a_token_completes_once() {
        let (token, _) = Waitpoints::default().create(0, new_token(9_000), 1_000);
        assert_eq!(token.outcome(2_000), None);
        token.complete(3_000, Some(&json!({ "by": "first" })));
        token.complete(4_000, Some(&json!({ "by": "second" })));
        let outcome = token.outcome(10_000).expect("an outcome");
        assert_eq!((outcome.at_ms, outcome.is_timeout), (3_000, false));
        assert_eq!(outcome.output.data.as_deref(), Some(r#"{"json":{"by":"first"}}"#));
    }

    #[test]
    fn a_token_that_timed_out_cannot_be_completed() {
        let (token, _) = Waitpoints::default().create(0, new_token(2_000), 1_000);
        token.complete(5_000, None);
        let outcome = token.outcome(6_000).expect("an outcome");
        assert_eq!((outcome.at_ms, outcome.is_timeout), (2_000, true));
        assert!(outcome.output.data.is_some_and(|data| data.contains("timed out at 1970-01-01T00:00:02.000Z")));
    }

    #[test]
    fn the_same_idempotency_key_is_the_same_token_while_it_counts() {
        let all = Waitpoints::default();
        let make = |environment, now| {
            let idempotency = Some(("k".to_owned(), 5_000));
            all.create(environment, NewToken { idempotency, ..new_token(9_000) }, now)
        };
        let (first, cached) = make(0, 1_000);
        assert!(!cached);
        assert!(make(0, 2_000).1 && Arc::ptr_eq(&make(0, 2_000).0, &first));
        assert!(!make(1, 2_000).1 && !make(0, 6_000).1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_by_the_end_and_by_the_time_out() {
        let begin = tokio::time::Instant::now();
        let clock = Clock::from_fn(move || u64::try_from(begin.elapsed().as_millis()).unwrap_or(0));
        let all = Waitpoints::default();
        let (token, _) = all.create(0, new_token(4_000), 0);
        assert!(token.ended(&clock).await.is_timeout);
        assert_eq!(begin.elapsed().as_secs(), 4);
        let (token, _) = all.create(0, new_token(60_000), 4_000);
        let other = token.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            other.complete(5_000, None);
        });
        assert!(!token.ended(&clock).await.is_timeout);
    }
}
