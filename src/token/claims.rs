//! A cache of the server's claims: one request per (base URL, key, branch) in the life of a process (defect 14,
//! docs/server-protocol.md 3). Claims never expire.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use indexmap::IndexMap;
use once_cell::sync::Lazy;
use serde_json::{Map, Value};

use super::Minter;
use crate::config::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::lock::lock;
use crate::secret::Secret;

/// The route of the claims: `POST`, without a body.
pub const CLAIMS_PATH: &str = "/api/v1/auth/jwt/claims";

/// The number of endpoints in the cache. Beyond it, the oldest is dropped.
const MAX_ENDPOINTS: usize = 1_024;

/// Known claims, and the requests in flight for others.
///
/// Callers share one request and its outcome, success or failure. (With a cell of `once_cell` or tokio, each waiter
/// would ask again after a failure, one after another.) The request runs while one of its callers is left, and is
/// dropped with the last. Clones are cheap, and are the same store.
#[derive(Clone, Default)]
pub struct ClaimsStore(Arc<Mutex<State>>);

type Outcome = std::result::Result<Arc<Minter>, Arc<Error>>;
type Request = Shared<BoxFuture<'static, Outcome>>;

#[derive(Default)]
struct State {
    known: IndexMap<Endpoint, Arc<Minter>>,
    /// The requests in flight, each with its number. Weak, because the callers own them.
    in_flight: HashMap<Endpoint, (u64, WeakShared<BoxFuture<'static, Outcome>>)>,
    next: u64,
}

impl ClaimsStore {
    /// The store of the process.
    pub fn global() -> &'static Self {
        static STORE: Lazy<ClaimsStore> = Lazy::new(ClaimsStore::default);
        &STORE
    }

    /// The minter of `endpoint`, if its claims are known.
    pub fn known(&self, endpoint: &Endpoint) -> Option<Arc<Minter>> {
        self.state().known.get(endpoint).map(Arc::clone)
    }

    /// The minter of `endpoint`. Where its claims are not known, `fetch` asks the server for them ([`CLAIMS_PATH`]) and
    /// returns the body of a successful response. A call during such a request awaits its outcome instead. `fetch`
    /// serves other callers too, so nothing of this caller alone, such as an abort signal, may end it.
    ///
    /// # Errors
    /// The error of the request, for every caller that waits. It is not cached, so the next call asks again.
    /// `ERR_PROTOCOL` for a response that is not an object with a string `sub`.
    ///
    /// The call itself joins a request, not the first poll of the returned future.
    pub fn get<F, Fut>(
        &self,
        endpoint: &Endpoint,
        fetch: F,
    ) -> impl Future<Output = Result<Arc<Minter>>> + Send + 'static + use<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Bytes>> + Send + 'static,
    {
        let mut state = self.state();
        let known = state.known.get(endpoint).map(Arc::clone);
        let request =
            known.ok_or_else(|| match state.in_flight.get(endpoint).and_then(|(_, request)| request.upgrade()) {
                Some(request) => request,
                None => self.ask(&mut state, endpoint, fetch()),
            });
        async move {
            match request {
                Ok(minter) => Ok(minter),
                Err(request) => request.await.map_err(|error| again(&error)),
            }
        }
    }

    fn ask<Fut>(&self, state: &mut State, endpoint: &Endpoint, answer: Fut) -> Request
    where
        Fut: Future<Output = Result<Bytes>> + Send + 'static,
    {
        // A request that its last caller dropped leaves a dead entry.
        state.in_flight.retain(|_, (_, request)| request.upgrade().is_some());
        let number = state.next;
        state.next += 1;
        let (store, endpoint_of_request) = (self.clone(), endpoint.clone());
        let request = async move {
            let minter = answer.await.and_then(|body| read(endpoint_of_request.key(), &body));
            store.settle(endpoint_of_request, number, minter.map(Arc::new).map_err(Arc::new))
        }
        .boxed()
        .shared();
        if let Some(weak) = request.downgrade() {
            state.in_flight.insert(endpoint.clone(), (number, weak));
        }
        request
    }

    /// Caches a success and removes the request, so that a call after a failure asks again.
    fn settle(&self, endpoint: Endpoint, number: u64, outcome: Outcome) -> Outcome {
        let mut state = self.state();
        if state.in_flight.get(&endpoint).is_some_and(|(current, _)| *current == number) {
            state.in_flight.remove(&endpoint);
        }
        if let Ok(minter) = &outcome {
            while state.known.len() >= MAX_ENDPOINTS {
                state.known.shift_remove_index(0);
            }
            state.known.insert(endpoint, Arc::clone(minter));
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl fmt::Debug for ClaimsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ClaimsStore")
            .field("known", &state.known.len())
            .field("in_flight", &state.in_flight.len())
            .finish()
    }
}

fn read(key: &Secret, body: &[u8]) -> Result<Minter> {
    match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(claims) if claims.get("sub").is_some_and(Value::is_string) => Ok(Minter::new(key, &claims)),
        Ok(_) | Err(_) => Err(Error::protocol(
            "the server's claims are not an object with a string \"sub\": check that the base URL is a Trigger.dev server",
        )),
    }
}

/// A copy of the error for one more caller.
fn again(error: &Arc<Error>) -> Error {
    match (error.kind(), error.answer()) {
        (Kind::Api, Some(answer)) => {
            let headers = answer
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
                .collect::<Vec<(http::HeaderName, http::HeaderValue)>>();
            let mut map = http::HeaderMap::new();
            for (name, value) in headers {
                map.append(name, value);
            }
            Error::api(answer.status, &map, answer.body.as_bytes())
        }
        (kind, _) => Error::new(error.code(), error.message()).of_kind(kind).with_source(Arc::clone(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn endpoint(key: &str) -> Endpoint {
        Endpoint::new("http://127.0.0.1:1", key, None).expect("valid")
    }

    /// A server that answers after a second, and counts its requests.
    #[derive(Clone, Default)]
    struct Server(Arc<AtomicUsize>);

    impl Server {
        fn answers(&self, body: Result<&'static str>) -> impl Future<Output = Result<Bytes>> + Send + 'static + use<> {
            self.0.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                body.map(|body| Bytes::from_static(body.as_bytes()))
            }
        }

        fn requests(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    const CLAIMS: &str = r#"{"sub":"env_1","pub":true}"#;

    fn unavailable() -> Result<&'static str> {
        let mut headers = http::HeaderMap::new();
        headers.insert("retry-after", http::HeaderValue::from_static("1"));
        Err(Error::api(503, &headers, b"{\"error\":\"busy\"}"))
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_first_callers_share_one_request_and_later_ones_need_none() {
        let (store, server, endpoint) = (ClaimsStore::default(), Server::default(), endpoint("k"));
        assert!(store.known(&endpoint).is_none());
        let all = (0..50).map(|_| store.get(&endpoint, || server.answers(Ok(CLAIMS))));
        let minters = futures_util::future::join_all(all).await;
        assert!(minters.into_iter().all(|minter| minter.is_ok()));
        store.get(&endpoint, || server.answers(unavailable())).await.expect("known");
        assert!(store.known(&endpoint).is_some());
        assert_eq!(server.requests(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_reaches_all_who_waited_and_is_not_kept() {
        let (store, server, endpoint) = (ClaimsStore::default(), Server::default(), endpoint("k"));
        let all = (0..10).map(|_| store.get(&endpoint, || server.answers(unavailable())));
        for outcome in futures_util::future::join_all(all).await {
            let error = outcome.expect_err("the server is busy");
            let answer = error.answer().expect("the answer is kept");
            assert_eq!(
                (error.code(), answer.status, answer.body.as_str()),
                (ErrorCode::Server, 503, "{\"error\":\"busy\"}")
            );
            assert_eq!(answer.headers, [("retry-after".to_owned(), "1".to_owned())]);
        }
        assert_eq!(server.requests(), 1);
        store.get(&endpoint, || server.answers(Ok(CLAIMS))).await.expect("asked again");
        assert_eq!(server.requests(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_caller_may_go_away_without_harm_to_the_others() {
        let (store, server, endpoint) = (ClaimsStore::default(), Server::default(), endpoint("k"));
        let mut first = Box::pin(store.get(&endpoint, || server.answers(Ok(CLAIMS))));
        assert!((&mut first).now_or_never().is_none());
        let second = store.get(&endpoint, || server.answers(unavailable()));
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        second.await.expect("the shared request went on");
        assert_eq!(server.requests(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_went_away_the_next_caller_asks_anew() {
        let (store, server, endpoint) = (ClaimsStore::default(), Server::default(), endpoint("k"));
        let mut first = Box::pin(store.get(&endpoint, || server.answers(unavailable())));
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        store.get(&endpoint, || server.answers(Ok(CLAIMS))).await.expect("a request of its own");
        assert_eq!(server.requests(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_branches_are_kept_apart() {
        let (store, server) = (ClaimsStore::default(), Server::default());
        let on_branch = Endpoint::new("http://127.0.0.1:1", "k", Some("b")).expect("valid");
        for endpoint in [endpoint("k"), endpoint("other"), on_branch, endpoint("k")] {
            store.get(&endpoint, || server.answers(Ok(CLAIMS))).await.expect("valid");
        }
        assert_eq!(server.requests(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_no_claims_is_a_protocol_error() {
        let (store, server, endpoint) = (ClaimsStore::default(), Server::default(), endpoint("k"));
        for body in ["", "<html>", "[]", "null", "{}", r#"{"sub":7}"#] {
            let error = store.get(&endpoint, || server.answers(Ok(body))).await.expect_err(body);
            assert_eq!((error.kind(), error.code()), (Kind::Protocol, ErrorCode::Protocol));
        }
        assert!(store.known(&endpoint).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_is_bounded_and_drops_the_oldest() {
        let (store, server) = (ClaimsStore::default(), Server::default());
        for at in 0..=MAX_ENDPOINTS {
            store.get(&endpoint(&format!("k{at}")), || server.answers(Ok(CLAIMS))).await.expect("valid");
        }
        assert!(store.known(&endpoint("k0")).is_none());
        assert!(store.known(&endpoint("k1")).is_some());
        assert!(store.known(&endpoint(&format!("k{MAX_ENDPOINTS}"))).is_some());
    }
}
