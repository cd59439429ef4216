//! A single call: attempts, waits between them, and two deadlines (docs/server-protocol.md 6, defect 19).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::answered;
use super::client;
use super::echo::Echo;
use super::headers::{ClientOptions, call_headers};
use super::pool::Pool;
use crate::clock::unix_ms;
use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Kind, Result};
use crate::{random, retry};

/// The longest body a call takes, in bytes.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// How often a 404 is asked for in all when nobody set `maxAttempts`. The server marks a 404 as
/// worth a retry because a replica may lag behind for a moment; what is unknown after 2.6 s stays
/// unknown (docs/server-protocol.md 6: cut short what cannot come).
const NOT_FOUND_ATTEMPTS: u32 = 3;

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

    /// The deadlines of a call whose caller allows it `timeout` in all: each attempt may take half
    /// of it, and 30 s where that is more.
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
    /// How long it may take.
    pub deadlines: Deadlines,
}

/// A whole answer with a status below 400.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The decoded body.
    pub body: Bytes,
}

/// When to try again.
#[derive(Clone, Copy, Debug)]
struct Patience {
    policy: retry::Policy,
    /// Attempts in all while the answer is 404.
    not_found: u32,
}

impl Patience {
    /// The wait after the failed attempt `attempt` (from 1), or `None` when it was the last.
    fn delay(&self, attempt: u32, error: &Error, jitter: f64) -> Option<Duration> {
        let most = if error.status() == Some(404) { self.not_found } else { self.policy.max_attempts };
        if attempt < most { self.policy.delay(attempt, jitter) } else { None }
    }
}

/// A failed attempt: what went wrong and, where another one can mend it, how long the server asks
/// to wait.
#[derive(Debug)]
pub(super) enum Failed {
    /// No other attempt will do better.
    Final(Error),
    /// Another attempt may. The wait the server asked for, if any.
    Passing(Error, Option<Duration>),
}

impl Failed {
    /// What an answer means, or gives the answer back when it is none of failure.
    pub(super) fn read(answer: Answer) -> Result<Answer, Self> {
        if answer.status < 400 {
            return Ok(answer);
        }
        let error = Error::api(answer.status, &answer.headers, &answer.body);
        if !retry::is_retryable(answer.status, &answer.headers) {
            return Err(Self::Final(error));
        }
        // A limit that has been reset already asks for no wait: the schedule's own holds, lest the
        // attempts follow each other at once.
        let wait = retry::server_delay(answer.status, &answer.headers, unix_ms()).filter(|wait| !wait.is_zero());
        Err(Self::Passing(error, wait))
    }

    /// What a failure without an answer means.
    pub(super) fn from_error(error: Error) -> Self {
        if matches!(error.kind(), Kind::Connection | Kind::Timeout) {
            Self::Passing(error, None)
        } else {
            Self::Final(error)
        }
    }
}

impl Answer {
    /// The whole of `response`, without the key where it is an error.
    pub(super) async fn read(mut response: reqwest::Response, echo: &Echo) -> Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(Error::protocol("the server's answer is longer than 64 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let (headers, body) = echo.hide(status, headers, body.freeze());
        Ok(Self { status, headers, body })
    }
}

impl Call<'_> {
    /// Makes the call, with retries, and gives the first answer below 400.
    ///
    /// # Errors
    /// `Kind::Api` with the last answer when the server refuses, `Kind::Connection` when there
    /// never was one, `Kind::Timeout` when a deadline passed first.
    pub async fn send(&self, endpoint: &Endpoint, options: &ClientOptions) -> Result<Answer> {
        let headers = call_headers(endpoint, options, &random::uuid())?;
        let url = format!("{}{}", endpoint.base_url(), self.path);
        let policy = options.retry.policy();
        let not_found = match options.retry.max_attempts {
            Some(_) => policy.max_attempts,
            None => NOT_FOUND_ATTEMPTS.min(policy.max_attempts),
        };
        self.send_to(client::calls(), &url, headers, Patience { policy, not_found }).await
    }

    /// A `GET` of an absolute URL **without our credentials**, for presigned URLs.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn get_presigned(url: &str) -> Result<Answer> {
        let call = Call { method: Method::GET, path: "", body: None, deadlines: Deadlines::CALL };
        let policy = retry::Policy::default();
        let patience = Patience { policy, not_found: policy.max_attempts };
        call.send_to(client::calls(), url, HeaderMap::new(), patience).await
    }

    /// A `PUT` of `body` to an absolute URL **without our credentials**, for presigned URLs. Tried
    /// five times, as the official SDK does: 500 ms, doubled, at most 5 s, drawn at random.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn put_presigned(url: &str, kind: &str, body: Bytes, deadlines: Deadlines) -> Result<Answer> {
        let call = Call { method: Method::PUT, path: "", body: Some(body), deadlines };
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_str(kind).map_err(|error| {
            Error::new(ErrorCode::InvalidHeader, "not a content type").of_kind(Kind::Argument).with_source(error)
        })?;
        headers.insert(CONTENT_TYPE, kind);
        let policy = retry::Policy {
            min_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(5),
            factor: 2.0,
            full_jitter: true,
            ..retry::Policy::default()
        };
        let patience = Patience { policy, not_found: policy.max_attempts };
        call.send_to(client::calls(), url, headers, patience).await
    }

    async fn send_to(&self, pool: &Pool, url: &str, headers: HeaderMap, patience: Patience) -> Result<Answer> {
        // Of a presigned URL nothing is known but that the server gave it.
        let base_url = url.strip_suffix(self.path).filter(|_| !self.path.is_empty());
        let end = Instant::now() + self.deadlines.total;
        let mut attempt = 1;
        loop {
            let until = end.min(Instant::now() + self.deadlines.attempt);
            let outcome = match timeout_at(until, self.attempt(pool, url, headers.clone(), until)).await {
                Ok(Ok(answer)) => {
                    base_url.inspect(|base_url| answered::note(base_url));
                    Failed::read(answer)
                }
                Ok(Err(error)) => Err(Failed::from_error(error)),
                Err(_) => Err(Failed::Passing(self.late(base_url), None)),
            };
            let (error, server_wait) = match outcome {
                Ok(answer) => return Ok(answer),
                Err(Failed::Final(error)) => return Err(error),
                Err(Failed::Passing(error, wait)) => (error, wait),
            };
            let Some(backoff) = patience.delay(attempt, &error, random::unit()) else { return Err(error) };
            // What the server asks for counts up to the longest wait of the schedule (defect 19).
            let wait = server_wait.map_or(backoff, |asked| asked.min(patience.policy.max_delay));
            if Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, pool: &Pool, url: &str, headers: HeaderMap, until: Instant) -> Result<Answer> {
        let echo = Echo::of(&headers);
        // Dropped when its time is up: what it was sent on is not used again then.
        let attempt = pool.attempt(url)?.within(until.saturating_duration_since(Instant::now()));
        let mut request = attempt.client().request(self.method.clone(), url).headers(headers);
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let answer = async { Answer::read(request.send().await?, &echo).await }.await;
        attempt.heard();
        answer
    }

    fn late(&self, base_url: Option<&str>) -> Error {
        let ms = self.deadlines.attempt.min(self.deadlines.total).as_millis();
        let message = match base_url {
            Some(base_url) if answered::has(base_url) => {
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
    use crate::http::half_open::{self, HalfOpen, Version};

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        Answer { status, headers: headers.collect(), body: Bytes::new() }
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
        let patience = Patience { policy: retry::Policy::default(), not_found: NOT_FOUND_ATTEMPTS };
        let error = |status| Error::api(status, &HeaderMap::new(), b"");
        assert_eq!(patience.delay(2, &error(404), 0.0), Some(Duration::from_millis(1600)));
        assert_eq!(patience.delay(3, &error(404), 0.0), None);
        assert!(patience.delay(4, &error(503), 0.0).is_some());
        assert_eq!(patience.delay(5, &error(503), 0.0), None);
    }

    #[test]
    fn a_limit_that_was_reset_already_leaves_the_wait_to_the_schedule() {
        let past = Failed::read(answer(429, &[("x-ratelimit-reset", "1000")])).expect_err("refused");
        assert!(matches!(past, Failed::Passing(_, None)));
        let after = Failed::read(answer(503, &[("retry-after", "2")])).expect_err("refused");
        assert!(matches!(after, Failed::Passing(_, Some(wait)) if wait == Duration::from_secs(2)));
        assert!(matches!(Failed::read(answer(404, &[])), Err(Failed::Final(_))));
        assert!(Failed::read(answer(202, &[])).is_ok());
    }

    /// A call to a server that reads it and closes without a word, as often as it is asked to, and what it read.
    async fn broken_off(times: usize, pool: &'static Pool) -> (Result<Answer>, Vec<String>) {
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
            call.send_to(pool, &format!("{url}/trigger"), headers, hasty()).await
        };
        tokio::join!(call, server)
    }

    fn hasty() -> Patience {
        let policy = retry::Policy { min_delay: Duration::from_millis(1), ..retry::Policy::default() };
        Patience { policy, not_found: 1 }
    }

    #[tokio::test]
    async fn a_trigger_that_goes_out_again_carries_the_same_idempotency_key() {
        let (answer, heads) = broken_off(2, client::calls()).await;
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
        const LIMITS: client::Limits = client::Limits {
            idle: Duration::from_secs(60),
            ping_after: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(60),
        };
        static POOL: Pool = Pool::new(|| client::build(client::builder(&[], LIMITS)?.http2_prior_knowledge()));
        let server = HalfOpen::start(Version::Http2).await;
        let deadlines = Deadlines { attempt: Duration::from_millis(300), total: Duration::from_secs(10) };
        for (number, connection) in ["0", "1", "1"].into_iter().enumerate() {
            if number == 1 {
                server.forget();
            }
            let call = Call { method: Method::POST, path: "/trigger", body: None, deadlines };
            let answer = call.send_to(&POOL, &format!("{}/trigger", server.url), HeaderMap::new(), hasty()).await;
            assert_eq!(answer.expect("an answer").body, connection);
        }
    }

    #[tokio::test]
    async fn a_base_url_that_has_answered_is_not_doubted_when_a_call_is_late() {
        let server = HalfOpen::start(Version::Http1).await;
        let deadlines = Deadlines { attempt: Duration::from_millis(200), total: Duration::from_millis(200) };
        let call = Call { method: Method::GET, path: "/a", body: None, deadlines };
        let send =
            async || call.send_to(client::calls(), &format!("{}/a", server.url), HeaderMap::new(), hasty()).await;
        let doubts = |outcome: Result<Answer>| outcome.expect_err("late").message().contains("is the base URL right?");
        send().await.expect("an answer");
        server.forget();
        assert!(!doubts(send().await));
        let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/a", deaf.local_addr().expect("an address"));
        assert!(doubts(call.send_to(client::calls(), &url, HeaderMap::new(), hasty()).await));
        let presigned = Call { path: "", ..call };
        assert!(!doubts(presigned.send_to(client::calls(), &url, HeaderMap::new(), hasty()).await));
    }
}
