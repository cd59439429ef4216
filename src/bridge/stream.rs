//! Realtime streams, held by JavaScript.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use napi::Env;
use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::error::{error_value, failure};
use super::feed::notice_value;
use super::mailbox::{Mailbox, Source, Subscription, Text};
use super::retry_options::RetryOptions;
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::error::{Error, ErrorCode, Result};
use crate::runtime;
use crate::stream::{Batch, Chunk, End, Plan, Reader, ReaderOptions, Start, StreamSpec};

/// The options of a stream, as `js/streams/source.js` sends them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamOptions {
    timeout_in_seconds: Option<u16>,
    /// The `seq_num` to read after.
    after: Option<u64>,
    /// The position to read after, as it was given out with a value. Text that is no position is ignored.
    at: Option<String>,
    #[serde(default)]
    latest: bool,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    run_over: bool,
    #[serde(default)]
    notices: bool,
    #[serde(default)]
    retry: RetryOptions,
    silence_timeout_ms: Option<u64>,
}

impl StreamOptions {
    fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorCode::InvalidOptions, "the options of the stream cannot be read").with_source(error)
        })
    }

    fn plan(&self) -> Plan {
        let at = self.at.as_deref().and_then(|at| at.parse().ok());
        let start = match (at, self.after, self.latest) {
            (Some(position), _, _) => Start::At(position),
            (None, Some(seq_num), _) => Start::After(seq_num),
            (None, None, true) => Start::Latest,
            (None, None, false) => Start::Beginning,
        };
        Plan { start, timeout_s: self.timeout_in_seconds, follow: self.follow }
    }

    fn retry_policy(&self) -> RetryPolicy {
        self.retry.policy(self.silence_timeout_ms)
    }
}

/// The reader of a stream. It is closed by `close()`, at its end, or when it is garbage-collected.
#[napi]
#[derive(Debug)]
pub struct StreamReader {
    subscription: Arc<Subscription<Stream>>,
}

/// Why this stream cannot be read, as text; `null` when it can. No client is needed: the token may not exist yet.
#[napi(catch_unwind)]
pub fn check_stream(run_id: String, key: String, options: String) -> Option<String> {
    let check = || StreamSpec::path((&run_id, &key), &StreamOptions::read(&options)?.plan());
    check().err().map(|error| failure(&error))
}

/// Opens the stream `key` of a run; text is the error.
#[napi(catch_unwind)]
pub fn open_stream(
    client: &External<Client>,
    mailbox: &Mailbox,
    run_id: String,
    key: String,
    options: String,
) -> Either<StreamReader, String> {
    match open(client, mailbox, &run_id, &key, &options) {
        Ok(reader) => Either::A(reader),
        Err(error) => Either::B(failure(&error)),
    }
}

fn open(client: &Client, mailbox: &Mailbox, run_id: &str, key: &str, options: &str) -> Result<StreamReader> {
    let options = StreamOptions::read(options)?;
    let (endpoint, client_options) = (client.endpoint.clone(), client.options.clone());
    let spec = StreamSpec::new(endpoint, client_options, (run_id, key), options.plan(), options.retry_policy())?;
    let _within = runtime::get()?.enter();
    let reader = Reader::open(spec, ReaderOptions { notices: options.notices, run_over: options.run_over });
    let stream = Stream { reader, endpoint: client.endpoint.clone(), cursors: AtomicBool::new(false) };
    Ok(StreamReader { subscription: mailbox.subscribe(stream) })
}

#[napi]
impl StreamReader {
    /// The next batch, if there is one: `{"chunks": […], "holes": […], "notices": […], "end": null |
    /// {"ending"} | {"error"}}`; `holes`: the indexes of undefined values, which are `null` in `chunks`. With `cursors`
    /// also `cursors`: the position after each value. Or `{"wantsToken": true}`, or `{"error"}`. Else the ticket of the letter
    /// that will bring the batch. JavaScript reads one batch at a time.
    #[napi(catch_unwind)]
    pub fn next(&self, env: Env, cursors: Option<bool>) -> napi::Result<Either<Text, u32>> {
        self.subscription.source.cursors.store(cursors.unwrap_or(false), Ordering::Relaxed);
        self.subscription.next(env)
    }

    /// The run is over: the stream ends when everything that was written has been read. Idempotent.
    #[napi(catch_unwind)]
    pub fn run_over(&self) {
        self.subscription.source.reader.run_over();
    }

    /// Ends the stream. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.subscription.source.reader.close();
    }

    /// The state and the counts of the stream, as JSON.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let status = self.subscription.source.reader.status();
        json!({
            "state": status.state.as_str(),
            "ending": status.ending.map(crate::stream::Ending::as_str),
            "requests": status.stats.requests,
            "retries": status.stats.retries,
            "chunks": status.stats.chunks,
            "bytes": status.stats.bytes,
            "unreadBytes": status.unread_bytes,
        })
        .to_string()
    }
}

/// A stream as a source of letters.
#[derive(Debug)]
struct Stream {
    reader: Reader,
    endpoint: Endpoint,
    cursors: AtomicBool,
}

impl Source for Stream {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<String> {
        self.reader.poll_next(cx).map(|batch| batch_text(&batch, self.cursors.load(Ordering::Relaxed)))
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

fn batch_text(batch: &Batch, with_cursors: bool) -> String {
    let size: usize = batch.chunks.iter().filter_map(|chunk| chunk.json.as_ref()).map(|json| json.len() + 1).sum();
    let mut text = String::with_capacity(size + 64);
    text.push_str("{\"chunks\":[");
    let mut holes = Vec::new();
    for (index, chunk) in batch.chunks.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if let Some(json) = &chunk.json {
            text.push_str(json);
        } else {
            text.push_str("null");
            holes.push(index);
        }
    }
    let notices: Vec<_> = batch.notices.iter().map(notice_value).collect();
    let end = match &batch.end {
        Some(End::Failed(error)) => json!({ "error": error_value(error) }),
        Some(End::Over(ending)) => json!({ "ending": ending.as_str() }),
        Some(End::Closed) => json!({ "ending": "closed" }),
        None => serde_json::Value::Null,
    };
    text.push(']');
    if with_cursors {
        let cursor = |chunk: &Chunk| chunk.position.map(|position| position.to_string()).unwrap_or_default();
        let cursors: Vec<String> = batch.chunks.iter().map(cursor).collect();
        text.push_str(",\"cursors\":");
        text.push_str(&serde_json::Value::from(cursors).to_string());
    }
    text.push_str(",\"holes\":");
    text.push_str(&serde_json::Value::from(holes).to_string());
    text.push_str(",\"notices\":");
    text.push_str(&serde_json::Value::from(notices).to_string());
    text.push_str(",\"end\":");
    text.push_str(&end.to_string());
    text.push('}');
    text
}
