//! A single call: attempts, waits between them, and two deadlines (protocol.md 6, defect 19).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use tokio::time::{Instant, timeout_at};

use super::client::clients;
use super::headers::{ClientOptions, call_headers};
use crate::config::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::{random, retry};

/// The longest body a call takes, in bytes.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

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

impl Call<'_> {
    /// Makes the call, with retries, and gives the first answer below 400.
    ///
    /// # Errors
    /// `Kind::Api` with the last answer when the server refuses, `Kind::Connection` when there
    /// never was one, `Kind::Timeout` when a deadline passed first.
    pub async fn send(&self, endpoint: &Endpoint, options: &ClientOptions) -> Result<Answer> {
        let headers = call_headers(endpoint, options, &random::uuid())?;
        let url = format!("{}{}", endpoint.base_url(), self.path);
        self.send_to(&url, headers, options.retry.policy()).await
    }

    /// A `GET` of an absolute URL **without our credentials**, for presigned URLs.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn get_presigned(url: &str) -> Result<Answer> {
        let call = Call { method: Method::GET, path: "", body: None, deadlines: Deadlines::CALL };
        call.send_to(url, HeaderMap::new(), retry::Policy::default()).await
    }

    async fn send_to(&self, url: &str, headers: HeaderMap, policy: retry::Policy) -> Result<Answer> {
        let end = Instant::now() + self.deadlines.total;
        let mut attempt = 1;
        loop {
            let until = end.min(Instant::now() + self.deadlines.attempt);
            let outcome = timeout_at(until, self.attempt(url, headers.clone())).await;
            let (error, server_wait) = match outcome {
                Ok(Ok(answer)) if answer.status < 400 => return Ok(answer),
                Ok(Ok(answer)) => {
                    let error = Error::api(answer.status, &answer.headers, &answer.body);
                    if !retry::is_retryable(answer.status, &answer.headers) {
                        return Err(error);
                    }
                    let wait = retry::server_delay(answer.status, &answer.headers, unix_ms());
                    (error, wait)
                }
                Ok(Err(error)) if matches!(error.kind(), Kind::Connection | Kind::Timeout) => (error, None),
                Ok(Err(error)) => return Err(error),
                Err(_) => (self.late(), None),
            };
            let Some(backoff) = policy.delay(attempt, random::unit()) else { return Err(error) };
            // What the server asks for counts up to the longest wait of the schedule (defect 19).
            let wait = server_wait.map_or(backoff, |asked| asked.min(policy.max_delay));
            if Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, url: &str, headers: HeaderMap) -> Result<Answer> {
        let mut request = clients()?.calls.request(self.method.clone(), url).headers(headers);
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let mut response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(Error::protocol("the server's answer is longer than 64 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }

    fn late(&self) -> Error {
        Error::new(
            Kind::Timeout,
            "ERR_TIMEOUT",
            format!(
                "the server did not answer within {} ms: is the base URL right? timeoutInMs sets another limit",
                self.deadlines.attempt.min(self.deadlines.total).as_millis()
            ),
        )
    }
}

/// The time now, in Unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
