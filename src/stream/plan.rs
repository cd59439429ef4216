//! The plan of reading a stream: where to begin, how long to wait, and which headers each request sends.

use std::sync::Arc;

use super::position::Position;
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::error::{Error, ErrorCode, Result};
use crate::http::ClientOptions;
use crate::id;

/// Where a stream is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Its first record.
    #[default]
    Beginning,
    /// Records appended after connecting.
    Latest,
    /// The first record after this position, sent as `Last-Event-ID`.
    After(u64),
    /// The first value after this position, which was given out with an earlier value.
    At(Position),
}

/// How a stream is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Where to begin.
    pub start: Start,
    /// The seconds without a record after which the server ends the window, sent as `Timeout-Seconds`. `None` leaves the
    /// time to the server, which takes 60.
    pub timeout_s: Option<u16>,
    /// Open another window after an idle one, until the run is over.
    pub follow: bool,
}

impl Plan {
    /// Checks the time: the server refuses anything but 1 to 600 s.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTIONS`.
    pub fn check(&self) -> Result<()> {
        match self.timeout_s {
            None | Some(1..=600) => Ok(()),
            Some(_) => Err(Error::new(
                ErrorCode::InvalidOptions,
                "timeoutInSeconds must be a whole number of seconds from 1 to 600",
            )),
        }
    }
}

/// The headers of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `Last-Event-ID`.
    pub last_event_id: Option<Box<str>>,
    /// `X-Trigger-Stream-Start: latest`.
    pub latest: bool,
    /// `Timeout-Seconds`.
    pub timeout_s: Option<u16>,
}

/// A stream to read, and how to read it.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    pub(super) endpoint: Endpoint,
    pub(super) options: Arc<ClientOptions>,
    pub(super) url: String,
    pub(super) plan: Plan,
    pub(super) retry: RetryPolicy,
    /// Whether events and records are given out as they came, for the relay.
    pub(super) raw: bool,
}

impl StreamSpec {
    /// The stream `key` of the run `run_id`.
    ///
    /// # Errors
    /// `ERR_INVALID_ID` for a run id that cannot be one (defect 8) or a key that cannot be encoded as one path segment,
    /// `ERR_INVALID_OPTIONS` for a time the server would refuse.
    pub fn new(
        endpoint: Endpoint,
        options: Arc<ClientOptions>,
        (run_id, key): (&str, &str),
        plan: Plan,
        retry: RetryPolicy,
    ) -> Result<Self> {
        let url = format!("{}{}", endpoint.base_url(), Self::path((run_id, key), &plan)?);
        Ok(Self { endpoint, options, url, plan, retry, raw: false })
    }

    /// The stream at `path` from its beginning, window after window, as it came.
    pub(crate) fn raw(endpoint: Endpoint, options: Arc<ClientOptions>, path: &str, timeout_s: u16) -> Self {
        let url = format!("{}{path}", endpoint.base_url());
        let plan = Plan { start: Start::Beginning, timeout_s: Some(timeout_s), follow: true };
        Self { endpoint, options, url, plan, retry: RetryPolicy::default(), raw: true }
    }

    /// The path of the stream `key` of the run `run_id`.
    ///
    /// # Errors
    /// As [`StreamSpec::new`].
    pub fn path((run_id, key): (&str, &str), plan: &Plan) -> Result<String> {
        plan.check()?;
        let (run_id, key) = (id::path_segment("run id", run_id)?, id::text_segment("stream key", key)?);
        Ok(format!("/realtime/v1/streams/{run_id}/{key}"))
    }
}
