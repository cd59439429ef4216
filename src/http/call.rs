//! A single call: its attempts, the waits between them, and two deadlines (docs/server-protocol.md 6, defect 19).

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::client_slot::ClientSlot;
use super::clients;
use super::headers::{ClientOptions, call_headers};
use super::known_servers;
use super::redaction::Redaction;
use super::storage;
use crate::clock::unix_ms;
use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Kind, Result};
use crate::log::{log, path_of};
use crate::{random, retry};

/// The longest body of a response to a call, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Attempts in all at a call that is answered 404, unless `maxAttempts` is set. The server marks a 404 as
/// worth a retry because a replica may lag behind for a moment; a run that is unknown after 2.6 s stays
/// unknown (docs/server-protocol.md 6: cut short what cannot come).
const MAX_NOT_FOUND_ATTEMPTS: u32 = 3;

/// The attempts at an upload to a presigned URL, as the official SDK makes them.
const UPLOADS: retry::Policy = retry::Policy {
    max_attempts: 5,
    min_delay: Duration::from_millis(500),
    max_delay: Duration::from_secs(5),
    factor: 2.0,
    full_jitter: true,
};

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// One attempt, from sending to the last byte.
    pub attempt: Duration,
    /// All attempts and the waits between them.
    pub total: Duration,
}

impl Deadlines {
    /// 10 s an attempt and 30 s in all: for claims, which a page waits for.
    pub const CLAIMS: Self = Self { attempt: Duration::from_secs(10), total: Duration::from_secs(30) };
    /// 30 s an attempt and 60 s in all: for every other call.
    pub const CALL: Self = Self { attempt: Duration::from_secs(30), total: Duration::from_secs(60) };

    /// The deadlines of a call that may take `timeout` in all: each attempt may take half of it, and 30 s
    /// where that is more.
    #[must_use]
    pub fn within(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::CALL, |total| Self { attempt: Self::CALL.attempt.max(total / 2).min(total), total })
    }
}

/// A call to the API.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The path and query, encoded, beginning with `/`.
    pub path: &'a str,
    /// A JSON body.
    pub body: Option<Bytes>,
    /// How long the call may take.
    pub deadlines: Deadlines,
}

/// A whole response with a status below 400.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The decoded body.
    pub body: Bytes,
}

/// When another attempt is made.
#[derive(Clone, Copy, Debug)]
struct RetryBudget {
    policy: retry::Policy,
    /// Attempts in all while the server answers 404.
    not_found: u32,
}

impl RetryBudget {
    /// The wait after the failed attempt `attempt` (from 1), or `None` when it was the last.
    fn delay(&self, attempt: u32, error: &Error, jitter: f64) -> Option<Duration> {
        let max_attempts = if error.status() == Some(404) { self.not_found } else { self.policy.max_attempts };
        if attempt < max_attempts { self.policy.delay(attempt, jitter) } else { None }
    }
}

/// Why an attempt failed, and whether another one can succeed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// No other attempt can succeed.
    Permanent(Error),
    /// Another attempt may succeed, after the wait that the server asked for, if it did.
    Transient(Error, Option<Duration>),
}

impl AttemptError {
    /// Gives back a response below 400, and classifies any other.
    pub(super) fn check(response: Response) -> Result<Response, Self> {
        if response.status < 400 {
            return Ok(response);
        }
        let error = Error::api(response.status, &response.headers, &response.body);
        if !retry::is_retryable(response.status, &response.headers) {
            return Err(Self::Permanent(error));
        }
        // A rate limit that has been reset already asks for a wait of zero: the schedule's own wait holds
        // then, lest the attempts follow each other at once.
        let wait = retry::server_delay(response.status, &response.headers, unix_ms()).filter(|wait| !wait.is_zero());
        Err(Self::Transient(error, wait))
    }

    /// Classifies a failure without a response. A body that is not compressed as its headers say lost its end on the way.
    pub(super) fn from_error(error: Error) -> Self {
        let source = StdError::source(&error).and_then(|source| source.downcast_ref::<reqwest::Error>());
        let is_garbled = source.is_some_and(reqwest::Error::is_decode);
        if is_garbled || matches!(error.kind(), Kind::Connection | Kind::Timeout) {
            Self::Transient(error, None)
        } else {
            Self::Permanent(error)
        }
    }
}

impl Response {
    /// Reads the whole of `response`, without the key where it is an error.
    pub(super) async fn read(mut response: reqwest::Response, redaction: &Redaction) -> Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(Error::protocol("the server's answer is longer than 64 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let (headers, body) = redaction.redact(status, headers, body.freeze());
        Ok(Self { status, headers, body })
    }
}

impl Call<'_> {
    /// Makes the call, with retries, and gives the first response below 400.
    ///
    /// # Errors
    /// `Kind::Api` with the last response when the server refuses, `Kind::Connection` when none came,
    /// `Kind::Timeout` when a deadline passed first.
    pub async fn send(&self, endpoint: &Endpoint, options: &ClientOptions) -> Result<Response> {
        let headers = call_headers(endpoint, options, &random::uuid())?;
        let url = format!("{}{}", endpoint.base_url(), self.path);
        let policy = options.retry.policy();
        let not_found = match options.retry.max_attempts {
            Some(_) => policy.max_attempts,
            None => MAX_NOT_FOUND_ATTEMPTS.min(policy.max_attempts),
        };
        self.send_to(clients::calls(), &url, headers, RetryBudget { policy, not_found }).await
    }

    /// A `GET` of an absolute URL **without our credentials**, for presigned URLs that the server at `base_url` gave.
    ///
    /// # Errors
    /// As [`Call::send`]; `ERR_PROTOCOL` for a URL that leads to a loopback or link-local address, where the base URL
    /// does not.
    pub async fn get_presigned(url: &str, base_url: &str) -> Result<Response> {
        let call = Call { method: Method::GET, path: "", body: None, deadlines: Deadlines::CALL };
        let policy = retry::Policy::default();
        let budget = RetryBudget { policy, not_found: policy.max_attempts };
        call.send_to(storage::slot(url, base_url).await?, url, HeaderMap::new(), budget).await
    }

    /// A `PUT` of `body` to an absolute URL **without our credentials**, for presigned URLs that the server at
    /// `base_url` gave. Tried five times, as the official SDK does: 500 ms, doubled, at most 5 s, drawn at random.
    ///
    /// # Errors
    /// As [`Call::get_presigned`].
    pub async fn put_presigned(
        url: &str,
        kind: &str,
        body: Bytes,
        deadlines: Deadlines,
        base_url: &str,
    ) -> Result<Response> {
        let call = Call { method: Method::PUT, path: "", body: Some(body), deadlines };
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_str(kind).map_err(|error| {
            Error::new(ErrorCode::InvalidHeader, "not a content type").of_kind(Kind::Argument).with_source(error)
        })?;
        headers.insert(CONTENT_TYPE, kind);
        let budget = RetryBudget { policy: UPLOADS, not_found: UPLOADS.max_attempts };
        call.send_to(storage::slot(url, base_url).await?, url, headers, budget).await
    }

    async fn send_to(&self, slot: &ClientSlot, url: &str, headers: HeaderMap, budget: RetryBudget) -> Result<Response> {
        // A presigned URL has no base URL: the server gave it whole.
        let base_url = url.strip_suffix(self.path).filter(|_| !self.path.is_empty());
        let end = Instant::now() + self.deadlines.total;
        let mut attempt = 1;
        loop {
            let until = end.min(Instant::now() + self.deadlines.attempt);
            let outcome = match timeout_at(until, self.attempt(slot, url, headers.clone(), until)).await {
                Ok(Ok(response)) => {
                    base_url.inspect(|base_url| known_servers::record(base_url));
                    AttemptError::check(response)
                }
                Ok(Err(error)) => Err(AttemptError::from_error(error)),
                Err(_) => Err(AttemptError::Transient(self.late(base_url), None)),
            };
            let (error, server_wait) = match outcome {
                Ok(response) => return Ok(response),
                Err(AttemptError::Permanent(error)) => return Err(error),
                Err(AttemptError::Transient(error, wait)) => (error, wait),
            };
            let Some(backoff) = budget.delay(attempt, &error, random::unit()) else { return Err(error) };
            // The wait that the server asks for is capped by the schedule (defect 19).
            let wait = server_wait.map_or(backoff, |asked| asked.min(budget.policy.max_delay));
            if Instant::now() + wait >= end {
                return Err(error);
            }
            log!(
                Warn,
                "call retries",
                "method" => self.method.as_str(),
                // A presigned URL is a secret.
                "path" => Some(path_of(self.path)).filter(|path| !path.is_empty()),
                "attempt" => attempt,
                "code" => error.code().as_str(),
                "status" => error.status(),
                "delayMs" => u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            );
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, slot: &ClientSlot, url: &str, headers: HeaderMap, until: Instant) -> Result<Response> {
        let redaction = Redaction::of(&headers);
        // The attempt is dropped when its time is up, which retires the client.
        let attempt = slot.attempt(url)?.with_time_out(until.saturating_duration_since(Instant::now()));
        let mut request = attempt.client().request(self.method.clone(), url).headers(headers);
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let response = async { Response::read(request.send().await?, &redaction).await }.await;
        attempt.completed();
        response
    }

    fn late(&self, base_url: Option<&str>) -> Error {
        let ms = self.deadlines.attempt.min(self.deadlines.total).as_millis();
        let message = match base_url {
            Some(base_url) if known_servers::contains(base_url) => {
                format!("the server did not answer this time within {ms} ms: timeoutInMs sets another limit")
            }
            Some(_) => format!(
                "the server did not answer within {ms} ms: is the base URL right? timeoutInMs sets another limit"
            ),
            None => format!("the storage of payloads did not answer within {ms} ms: timeoutInMs sets another limit"),
        };
        Error::new(ErrorCode::Timeout, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::half_open::{self, HalfOpenServer, Version};

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> Response {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        Response { status, headers: headers.collect(), body: Bytes::new() }
    }

    #[test]
    fn a_longer_time_is_not_cut_by_the_default_of_one_attempt() {
        assert_eq!(Deadlines::within(None), Deadlines::CALL);
        for (total, attempt) in [(1, 1), (40, 30), (60, 30), (600, 300)] {
            let seconds = Duration::from_secs;
            let deadlines = Deadlines { attempt: seconds(attempt), total: seconds(total) };
            assert_eq!(Deadlines::within(Some(seconds(total))), deadlines);
        }
    }

    #[test]
    fn what_is_not_found_is_given_up_earlier_than_what_fails() {
        let budget = RetryBudget { policy: retry::Policy::default(), not_found: MAX_NOT_FOUND_ATTEMPTS };
        let error = |status| Error::api(status, &HeaderMap::new(), b"");
        assert_eq!(budget.delay(2, &error(404), 0.0), Some(Duration::from_millis(1600)));
        assert_eq!(budget.delay(3, &error(404), 0.0), None);
        assert!(budget.delay(4, &error(503), 0.0).is_some());
        assert_eq!(budget.delay(5, &error(503), 0.0), None);
    }

    #[test]
    fn a_limit_that_was_reset_already_leaves_the_wait_to_the_schedule() {
        let past = AttemptError::check(response(429, &[("x-ratelimit-reset", "1000")])).expect_err("refused");
        assert!(matches!(past, AttemptError::Transient(_, None)));
        let after = AttemptError::check(response(503, &[("retry-after", "2")])).expect_err("refused");
        assert!(matches!(after, AttemptError::Transient(_, Some(wait)) if wait == Duration::from_secs(2)));
        assert!(matches!(AttemptError::check(response(404, &[])), Err(AttemptError::Permanent(_))));
        assert!(AttemptError::check(response(202, &[])).is_ok());
    }

    /// A call to a server that reads `times` requests and closes each connection without a response; gives the heads of
    /// all the requests.
    async fn broken_off(times: usize, slot: &'static ClientSlot) -> (Result<Response>, Vec<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = async {
            let mut heads = Vec::new();
            for number in 0..=times {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                heads.push(half_open::head(&mut socket).await.expect("a request"));
                if number == times {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    tokio::io::AsyncWriteExt::write_all(&mut socket, answer).await.expect("written");
                }
            }
            heads
        };
        let call = async {
            let endpoint = Endpoint::new(&url, "tr_dev_test", None).expect("an endpoint");
            let headers = call_headers(&endpoint, &ClientOptions::default(), &random::uuid()).expect("headers");
            let call = Call { method: Method::POST, path: "/trigger", body: None, deadlines: Deadlines::CALL };
            call.send_to(slot, &format!("{url}/trigger"), headers, hasty()).await
        };
        tokio::join!(call, server)
    }

    fn hasty() -> RetryBudget {
        let policy = retry::Policy { min_delay: Duration::from_millis(1), ..retry::Policy::default() };
        RetryBudget { policy, not_found: 1 }
    }

    #[tokio::test]
    async fn a_trigger_that_goes_out_again_carries_the_same_idempotency_key() {
        let (answer, heads) = broken_off(2, clients::calls()).await;
        assert_eq!(answer.expect("an answer").status, 200);
        let key = |head: &String| {
            let line = head.lines().find(|line| line.starts_with("x-trigger-request-idempotency-key: "));
            line.expect("a key").to_owned()
        };
        let keys: Vec<_> = heads.iter().map(key).collect();
        assert_eq!(keys, vec![keys[0].clone(); 3]);
    }

    #[tokio::test]
    async fn a_call_whose_connection_is_dead_is_answered_on_another_one() {
        const LIMITS: clients::Limits = clients::Limits {
            idle: Duration::from_secs(60),
            ping_after: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(60),
        };
        static SLOT: ClientSlot =
            ClientSlot::new(|| clients::build(clients::builder(&[], LIMITS)?.http2_prior_knowledge()));
        let server = HalfOpenServer::start(Version::Http2).await;
        let deadlines = Deadlines { attempt: Duration::from_millis(300), total: Duration::from_secs(10) };
        for (number, connection) in ["0", "1", "1"].into_iter().enumerate() {
            if number == 1 {
                server.stop_reading();
            }
            let call = Call { method: Method::POST, path: "/trigger", body: None, deadlines };
            let answer = call.send_to(&SLOT, &format!("{}/trigger", server.url), HeaderMap::new(), hasty()).await;
            assert_eq!(answer.expect("an answer").body, connection);
        }
    }

    #[tokio::test]
    async fn a_base_url_that_has_answered_is_not_doubted_when_a_call_is_late() {
        let server = HalfOpenServer::start(Version::Http1).await;
        let deadlines = Deadlines { attempt: Duration::from_millis(200), total: Duration::from_millis(200) };
        let call = Call { method: Method::GET, path: "/a", body: None, deadlines };
        let send =
            async || call.send_to(clients::calls(), &format!("{}/a", server.url), HeaderMap::new(), hasty()).await;
        let doubts =
            |outcome: Result<Response>| outcome.expect_err("late").message().contains("is the base URL right?");
        send().await.expect("an answer");
        server.stop_reading();
        assert!(!doubts(send().await));
        let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/a", deaf.local_addr().expect("an address"));
        assert!(doubts(call.send_to(clients::calls(), &url, HeaderMap::new(), hasty()).await));
        let presigned = Call { path: "", ..call };
        assert!(!doubts(presigned.send_to(clients::calls(), &url, HeaderMap::new(), hasty()).await));
    }
}
