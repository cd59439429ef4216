//! Run feeds, held by JavaScript.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Either, External, Object};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::error::{error_value, refusal};
use super::promise::promise;
use crate::error::{Error, Result};
use crate::hub::{Batch, End, FeedSpec, Hub, Notice, Patience, Reader, ReaderOptions};
use crate::{id, run, runtime};

/// The options of a feed, as `js/runs.js` sends them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeedOptions {
    skip_columns: Vec<String>,
    stop_on_completion: bool,
    notices: bool,
    #[serde(default)]
    retry: RetryOptions,
    silence_timeout_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_field_names, reason = "the names of the public options")]
struct RetryOptions {
    max_elapsed_ms: Option<u64>,
    min_delay_ms: Option<u64>,
    max_delay_ms: Option<u64>,
}

impl FeedOptions {
    fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::argument("ERR_INVALID_OPTION", "the options cannot be read").with_source(error))
    }

    fn patience(&self) -> Patience {
        let default = Patience::default();
        Patience {
            retry_for_ms: self.retry.max_elapsed_ms.unwrap_or(default.retry_for_ms),
            min_delay_ms: self.retry.min_delay_ms.unwrap_or(default.min_delay_ms),
            max_delay_ms: self.retry.max_delay_ms.unwrap_or(default.max_delay_ms),
            silence_ms: self.silence_timeout_ms.unwrap_or(default.silence_ms),
        }
    }

    fn query(&self) -> Arc<[(&'static str, String)]> {
        if self.skip_columns.is_empty() { [].into() } else { [("skipColumns", self.skip_columns.join(","))].into() }
    }
}

/// A reader of a feed. Closed by `close()`, at its end, or when it is collected.
#[napi]
#[derive(Debug)]
pub struct FeedReader {
    reader: Arc<Reader>,
}

/// Why a feed of this run cannot be opened, as text; `null` when it can.
#[napi(catch_unwind)]
pub fn check_run_feed(run_id: String, options: String) -> Option<String> {
    id::path_segment("run id", &run_id)
        .and(FeedOptions::read(&options).map(|_| String::new()))
        .err()
        .map(|error| refusal(&error))
}

/// Opens the feed of one run, or says why not.
#[napi(catch_unwind)]
pub fn open_run_feed(client: &External<Client>, run_id: String, options: String) -> Either<FeedReader, String> {
    match open(client, &run_id, &options) {
        Ok(reader) => Either::A(FeedReader { reader: Arc::new(reader) }),
        Err(error) => Either::B(refusal(&error)),
    }
}

fn open(client: &Client, run_id: &str, options: &str) -> Result<Reader> {
    let options = FeedOptions::read(options)?;
    let spec = FeedSpec {
        endpoint: client.endpoint.clone(),
        path: format!("/realtime/v1/runs/{}", id::path_segment("run id", run_id)?).into(),
        query: options.query(),
        patience: options.patience(),
    };
    let _within = runtime::get(None)?.enter();
    let reader =
        ReaderOptions { until_finished: options.stop_on_completion, until_gone: true, notices: options.notices };
    Ok(Hub::global().open(&spec, reader))
}

#[napi]
impl FeedReader {
    /// A promise of the next batch: `{"rows": […], "notices": […], "end": null | {} | {"error"}}`.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let reader = self.reader.clone();
        promise(env, async move { batch_text(&reader.next().await) })
    }

    /// Leaves the feed. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.reader.close();
    }

    /// How the feed is doing, as text.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let status = self.reader.status();
        json!({
            "state": status.phase.as_str(),
            "requests": status.stats.requests,
            "retries": status.stats.retries,
            "rows": status.stats.rows,
            "bytes": status.stats.bytes,
            "coalesced": self.reader.coalesced(),
        })
        .to_string()
    }
}

fn batch_text(batch: &Batch) -> String {
    let mut text = String::from("{\"rows\":[");
    let mut error = None;
    let mut first = true;
    for item in &batch.rows {
        let before = text.len();
        if !first {
            text.push(',');
        }
        match run::render(&item.row, &item.schema, &mut text) {
            Ok(()) => first = false,
            Err(fault) => {
                text.truncate(before);
                error = Some(fault);
            }
        }
    }
    text.push_str("],\"notices\":");
    let notices: Vec<_> = batch.notices.iter().map(notice_value).collect();
    text.push_str(&serde_json::Value::from(notices).to_string());
    let end = match (&error, &batch.end) {
        // A feed of one run has nothing to give but this row: it ends with what is wrong with it.
        (Some(fault), _) => json!({ "error": error_value(fault) }),
        (None, Some(End::Failed(fault))) => json!({ "error": error_value(fault) }),
        (None, Some(End::Complete)) => json!({}),
        (None, None) => serde_json::Value::Null,
    };
    text.push_str(",\"end\":");
    text.push_str(&end.to_string());
    text.push('}');
    text
}

pub(super) fn notice_value(notice: &Notice) -> serde_json::Value {
    match notice {
        Notice::Phase(phase) => json!({ "type": "state", "state": phase.as_str() }),
        Notice::Retry { retry, wait_ms } => json!({
            "type": "retry",
            "retry": {
                "attempt": retry.attempt,
                "delayMs": wait_ms,
                "status": retry.status,
                "reason": retry.reason.as_str(),
            },
        }),
    }
}
