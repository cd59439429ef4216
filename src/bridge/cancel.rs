//! Bounds of a call: cancellation by JavaScript, and a time limit.

use std::time::Duration;

use napi_derive::napi;
use tokio_util::sync::CancellationToken;

use super::error::failure;
use crate::error::{Error, ErrorCode};

/// Cancels the calls it was passed to. JavaScript makes one for an `AbortSignal`.
#[napi]
#[derive(Debug, Default)]
pub struct Cancel {
    token: CancellationToken,
}

#[napi]
impl Cancel {
    /// A `Cancel` that has cancelled nothing yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the calls. Idempotent.
    #[napi]
    pub fn cancel(&self) {
        self.token.cancel();
    }
}

/// The bounds of a call besides its own deadlines.
#[derive(Debug)]
pub(super) struct Bounds {
    token: Option<CancellationToken>,
    timeout: Option<Duration>,
}

impl Bounds {
    /// The bounds by `cancel` and by a time in milliseconds, each where given.
    pub(super) fn new(cancel: Option<&Cancel>, timeout_ms: Option<u32>) -> Self {
        Self {
            token: cancel.map(|cancel| cancel.token.clone()),
            timeout: timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        }
    }

    /// The output of `work`; a failure as soon as a bound is passed, which drops `work`.
    pub(super) async fn apply(self, work: impl Future<Output = String> + Send) -> String {
        let aborted = async {
            match &self.token {
                Some(token) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let late = async {
            match self.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = aborted => failure(&Error::new(ErrorCode::Aborted, "the call was aborted")),
            text = work => text,
            () = late => {
                let ms = self.timeout.unwrap_or_default().as_millis();
                failure(&Error::new(ErrorCode::Timeout, format!("the call took longer than timeoutInMs: {ms} ms")))
            }
        }
    }
}
