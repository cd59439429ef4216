//! The environment that the relay's own key belongs to. Usually the relay asks the server, once in the life of the
//! process. A restricted key may read feeds, but may not ask for its claims. Then the relay learns the environment from
//! a run or batch that both its key and a viewer's token may read, because a run belongs to one environment (A20).

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::probe::Indeterminate;
use crate::config::{Endpoint, KeyKind};
use crate::error::{Error, Kind, Result as CrateResult};
use crate::http::{Call, ClientOptions, Deadlines};
use crate::lock::lock;
use crate::relay::options::Options;
use crate::relay::warnings::{UpstreamError, Warnings};
use crate::serve::Response;
use crate::token::{CLAIMS_PATH, ClaimsStore};

/// How long the relay waits before it asks again with a restricted key.
const RESTRICTED_TTL: Duration = Duration::from_secs(60);
/// How long an error is remembered, so that viewers with forged tokens do not cause request after request.
const ERROR_TTL: Duration = Duration::from_secs(1);

/// The relay's own environment.
#[derive(Debug)]
pub(super) struct Environment {
    endpoint: Endpoint,
    client: Arc<ClientOptions>,
    warnings: Warnings,
    /// The environment's id, proven by a run or batch that a viewer's token and the relay's key may both read.
    proven: OnceLock<String>,
    /// The time until which the relay does not ask the server, and the error until then; no error for a restricted key.
    pause: Mutex<Option<(Instant, Option<UpstreamError>)>>,
}

impl Environment {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            endpoint: options.endpoint.clone(),
            client: options.client.clone(),
            warnings: options.warnings.clone(),
            proven: OnceLock::new(),
            pause: Mutex::default(),
        }
    }

    /// Records that a viewer's token of environment `sub` and the relay's key may read the same run or batch.
    pub(super) fn prove(&self, sub: &str) {
        // The first proof stays: a key belongs to one environment.
        let _ = self.proven.set(sub.to_owned());
    }

    /// The environment's id, where it is known.
    pub(super) fn known(&self) -> Option<String> {
        let known = ClaimsStore::global().known(&self.endpoint);
        known.map(|minter| minter.subject().to_owned()).or_else(|| self.proven.get().cloned())
    }

    /// Asks the server for the environment's id; `None` for a restricted key.
    ///
    /// # Errors
    /// The answer that says what to set, or when to come back.
    pub(super) async fn learn(&self) -> Result<Option<String>, Response> {
        if let Some(paused) = self.paused() {
            return paused.map(|()| None).map_err(answer);
        }
        let error = match subject(&self.endpoint, &self.client).await {
            Ok(sub) => return Ok(Some(sub)),
            Err(error) => error,
        };
        let Some(cause) = upstream_error(&error) else { return Err(Indeterminate::Busy(1).answer()) };
        let is_restricted = self.endpoint.kind() == KeyKind::Additional && cause != UpstreamError::Unreachable;
        if is_restricted {
            self.pause(RESTRICTED_TTL, None);
            return Ok(None);
        }
        self.pause(ERROR_TTL, Some(cause));
        self.warnings.warn(cause.text());
        Err(answer(cause))
    }

    /// `Some` while the relay does not ask the server: `Ok` for a restricted key, else the last error.
    fn paused(&self) -> Option<Result<(), UpstreamError>> {
        let pause = *lock(&self.pause);
        pause.filter(|(until, _)| Instant::now() < *until).map(|(_, cause)| cause.map_or(Ok(()), Err))
    }

    fn pause(&self, span: Duration, cause: Option<UpstreamError>) {
        *lock(&self.pause) = Some((Instant::now() + span, cause));
    }
}

/// The environment's id, asked for with the relay's own key.
///
/// # Errors
/// Those of the call. Nothing is remembered then.
async fn subject(endpoint: &Endpoint, options: &Arc<ClientOptions>) -> CrateResult<String> {
    let (asked, options) = (endpoint.clone(), options.clone());
    let ask = || async move {
        let call = Call { method: Method::POST, path: CLAIMS_PATH, body: None, deadlines: Deadlines::CLAIMS };
        Ok(call.send(&asked, &options).await?.body)
    };
    Ok(ClaimsStore::global().get(endpoint, ask).await?.subject().to_owned())
}

fn answer(cause: UpstreamError) -> Response {
    let status = match cause {
        UpstreamError::Unauthorized | UpstreamError::Forbidden => StatusCode::INTERNAL_SERVER_ERROR,
        UpstreamError::Unreachable => StatusCode::BAD_GATEWAY,
    };
    Response::api_error(status, cause.text()).with("retry-after", "1")
}

fn upstream_error(error: &Error) -> Option<UpstreamError> {
    match error.status() {
        Some(status) => UpstreamError::of(status),
        None => matches!(error.kind(), Kind::Connection | Kind::Timeout).then_some(UpstreamError::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Version};

    use super::*;
    use crate::http::RetryOptions;
    use crate::relay::upstream::tests::Server;

    const RESTRICTED: &str = "tr_dev_sk_0123456789abcdefABCDEFGH";

    fn environment(url: &str, key: &str) -> Environment {
        let once = RetryOptions { max_attempts: Some(1), ..RetryOptions::default() };
        let client = Arc::new(ClientOptions { retry: once, ..ClientOptions::default() });
        Environment::new(&Options { client, ..Options::new(Endpoint::new(url, key, None).expect("an endpoint")) })
    }

    fn status(answer: Response) -> (StatusCode, bool) {
        let answer = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
        (answer.status(), answer.headers()["retry-after"] == "1")
    }

    /// Asserts that the relay does not ask again for `span` from a moment between `began` and now.
    fn assert_paused(environment: &Environment, began: Instant, span: Duration) {
        let (until, _) = lock(&environment.pause).expect("a pause");
        assert!(until >= began + span && until <= Instant::now() + span);
    }

    #[tokio::test]
    async fn a_key_that_the_server_refuses_is_asked_with_once_a_second() {
        let mut server = Server::start(401).await;
        let environment = environment(&server.url, "tr_dev_1234567890");
        let began = Instant::now();
        let answer = environment.learn().await.expect_err("the key is refused");
        assert_eq!(status(answer), (StatusCode::INTERNAL_SERVER_ERROR, true));
        assert_eq!(server.next().await.path, CLAIMS_PATH);
        assert_paused(&environment, began, ERROR_TTL);
        // As if no time passed, and then as if it was over.
        environment.pause(Duration::from_secs(3_600), Some(UpstreamError::Unauthorized));
        for _ in 0..2 {
            let answer = environment.learn().await.expect_err("the key was refused");
            assert_eq!(status(answer), (StatusCode::INTERNAL_SERVER_ERROR, true));
        }
        assert_eq!(server.more(), 0, "viewers with forged tokens cause no request after request");
        environment.pause(Duration::ZERO, Some(UpstreamError::Unauthorized));
        environment.learn().await.expect_err("the key is refused still");
        assert_eq!(server.more(), 1, "a key that was rotated is found");
    }

    #[tokio::test]
    async fn a_restricted_key_is_not_asked_with_again_for_a_minute() {
        let mut server = Server::start(403).await;
        let environment = environment(&server.url, RESTRICTED);
        let began = Instant::now();
        assert_eq!(environment.learn().await.expect("no error"), None);
        assert_eq!(server.next().await.path, CLAIMS_PATH);
        assert_paused(&environment, began, RESTRICTED_TTL);
        environment.pause(Duration::from_secs(3_600), None);
        assert_eq!(environment.learn().await.expect("no error"), None);
        assert_eq!(server.more(), 0);
    }

    #[tokio::test]
    async fn a_server_that_is_away_says_nothing_about_a_restricted_key() {
        let environment = environment("http://127.0.0.1:1", RESTRICTED);
        for _ in 0..2 {
            let answer = environment.learn().await.expect_err("nobody listens");
            assert_eq!(status(answer), (StatusCode::BAD_GATEWAY, true));
        }
    }

    #[test]
    fn the_first_proof_of_an_environment_stays() {
        let environment = environment("http://127.0.0.1:1", "tr_dev_of_this_test");
        assert_eq!(environment.known(), None);
        environment.prove("env_1");
        environment.prove("env_2");
        assert_eq!(environment.known().as_deref(), Some("env_1"));
    }
}
