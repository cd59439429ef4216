//! The `retry` option of feeds and streams, as JavaScript writes it.

use serde::Deserialize;

use crate::connection::RetryPolicy;

/// The public `retry` option. All times in milliseconds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_field_names, reason = "the names of the public options")]
pub(super) struct RetryOptions {
    max_elapsed_ms: Option<u64>,
    min_delay_ms: Option<u64>,
    max_delay_ms: Option<u64>,
}

impl RetryOptions {
    /// The policy of these options and the public `silenceTimeoutMs`, over the defaults.
    pub(super) fn policy(&self, silence_timeout_ms: Option<u64>) -> RetryPolicy {
        let default = RetryPolicy::default();
        RetryPolicy {
            retry_for_ms: self.max_elapsed_ms.unwrap_or(default.retry_for_ms),
            min_delay_ms: self.min_delay_ms.unwrap_or(default.min_delay_ms),
            max_delay_ms: self.max_delay_ms.unwrap_or(default.max_delay_ms),
            silence_ms: silence_timeout_ms.unwrap_or(default.silence_ms),
        }
    }
}
