//! Realtime streams, held by JavaScript.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Either, External, Object};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;

use super::cancel::{Bounds, Cancel};
use super::client::Client;
use super::error::{error_value, failure, refusal};
use super::feed::notice_value;
use super::promise::promise;
use crate::error::{Error, Result};
use crate::http::{Call, Deadlines};
use crate::hub::Patience;
use crate::stream::{Batch, End, Plan, Reader, ReaderOptions, Start, StreamSpec};
use crate::{id, runtime};

/// The options of a stream, as `js/stream-read.js` sends them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamOptions {
    timeout_in_seconds: Option<u16>,
    /// The position to read after.
    after: Option<u64>,
    /// The place to read after, as it was told with a value. One that is none of ours is ignored.
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

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_field_names, reason = "the names of the public options")]
struct RetryOptions {
    max_elapsed_ms: Option<u64>,
    min_delay_ms: Option<u64>,
    max_delay_ms: Option<u64>,
}

impl StreamOptions {
    fn plan(&self) -> Plan {
        let at = self.at.as_deref().and_then(|at| at.parse().ok());
        let start = match (at, self.after, self.latest) {
            (Some(place), _, _) => Start::At(place),
            (None, Some(position), _) => Start::After(position),
            (None, None, true) => Start::Latest,
            (None, None, false) => Start::Beginning,
        };
        Plan { start, timeout_s: self.timeout_in_seconds, follow: self.follow }
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
}

/// The reader of a stream. Closed by `close()`, at its end, or when it is collected.
#[napi]
#[derive(Debug)]
pub struct StreamReader {
    reader: Arc<Reader>,
}

/// Why this stream cannot be read, as text; `null` when it can.
#[napi(catch_unwind)]
pub fn check_stream(client: &External<Client>, run_id: String, key: String, options: String) -> Option<String> {
    spec(client, &run_id, &key, &options).err().map(|error| refusal(&error))
}

/// Opens the stream `key` of a run, or says why not.
#[napi(catch_unwind)]
pub fn open_stream(
    client: &External<Client>,
    run_id: String,
    key: String,
    options: String,
) -> Either<StreamReader, String> {
    match open(client, &run_id, &key, &options) {
        Ok(reader) => Either::A(StreamReader { reader: Arc::new(reader) }),
        Err(error) => Either::B(refusal(&error)),
    }
}

fn open(client: &Client, run_id: &str, key: &str, options: &str) -> Result<Reader> {
    let (spec, options) = spec(client, run_id, key, options)?;
    let _within = runtime::get(None)?.enter();
    Ok(Reader::open(spec, ReaderOptions { notices: options.notices, run_over: options.run_over }))
}

fn spec(client: &Client, run_id: &str, key: &str, options: &str) -> Result<(StreamSpec, StreamOptions)> {
    let options: StreamOptions = serde_json::from_str(options).map_err(|error| {
        Error::argument("ERR_INVALID_OPTIONS", "the options of the stream cannot be read").with_source(error)
    })?;
    let spec = StreamSpec::new(
        client.endpoint.clone(),
        client.options.clone(),
        (run_id, key),
        options.plan(),
        options.patience(),
    )?;
    Ok((spec, options))
}

#[napi]
impl StreamReader {
    /// A promise of the next batch: `{"chunks": […], "holes": […], "notices": […], "end": null |
    /// {"ending"} | {"error"}}`. `holes`: the places of values that are undefined, `null` in `chunks`.
    /// With `placed` also `places`: where to resume after each value.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env, placed: Option<bool>) -> napi::Result<Object<'env>> {
        let reader = self.reader.clone();
        promise(env, async move { batch_text(&reader.next().await, placed.unwrap_or(false)) })
    }

    /// The run is over: the stream ends when what was written has been read. Idempotent.
    #[napi(catch_unwind)]
    pub fn run_over(&self) {
        self.reader.run_over();
    }

    /// Ends the stream. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.reader.close();
    }

    /// How the stream is doing, as text.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let status = self.reader.status();
        json!({
            "state": status.phase.as_str(),
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

fn batch_text(batch: &Batch, placed: bool) -> String {
    let size: usize = batch.chunks.iter().filter_map(|chunk| chunk.json.as_ref()).map(|json| json.len() + 1).sum();
    let mut text = String::with_capacity(size + 64);
    text.push_str("{\"chunks\":[");
    let mut holes = Vec::new();
    for (place, chunk) in batch.chunks.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        if let Some(json) = &chunk.json {
            text.push_str(json);
        } else {
            text.push_str("null");
            holes.push(place);
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
    if placed {
        let places: Vec<&str> = batch.chunks.iter().map(|chunk| &*chunk.place).collect();
        text.push_str(",\"places\":");
        text.push_str(&serde_json::Value::from(places).to_string());
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

/// Sends `body` (`{"data": …}` as text) to an input stream of a run. Resolves with `{"ok": null}`
/// or an error.
#[napi(catch_unwind)]
pub fn send_to_input_stream<'env>(
    env: &'env Env,
    client: &External<Client>,
    run_id: String,
    stream_id: String,
    body: String,
    cancel: Option<&Cancel>,
    timeout_ms: Option<u32>,
) -> napi::Result<Object<'env>> {
    let client = Client::clone(client);
    let bounds = Bounds::new(cancel, timeout_ms);
    promise(
        env,
        bounds.apply(async move {
            match send(&client, &run_id, &stream_id, body).await {
                Ok(()) => "{\"ok\":null}".to_owned(),
                Err(error) => failure(&error),
            }
        }),
    )
}

async fn send(client: &Client, run_id: &str, stream_id: &str, body: String) -> Result<()> {
    let run_id = id::path_segment("run id", run_id)?;
    let stream_id = id::path_segment("input stream id", stream_id)?;
    let path = format!("/realtime/v1/streams/{run_id}/input/{stream_id}");
    let call = Call { method: http::Method::POST, path: &path, body: Some(body.into()), deadlines: Deadlines::CALL };
    call.send(&client.endpoint, &client.options).await?;
    Ok(())
}
