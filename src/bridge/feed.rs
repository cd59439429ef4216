//! Feeds of runs, held by JavaScript.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use napi::Env;
use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::error::{error_value, failure};
use super::mailbox::{Mailbox, Source, Subscription, Text};
use super::retry_options::RetryOptions;
use crate::config::Endpoint;
use crate::connection::{Notice, RetryPolicy};
use crate::error::{Error, ErrorCode, Result};
use crate::hub::{Batch, BudgetOptions, End, FeedSpec, Hub, Item, Reader, ReaderOptions};
use crate::lock::lock;
use crate::shape::{ByKey, Row};
use crate::{id, run, runtime};

/// The subject of a feed, as `js/runs/runs.js` sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "of")]
enum Subject {
    /// One run.
    Run { id: String, stop_on_completion: bool },
    /// The runs that have all of these tags.
    Tags { tags: Vec<String>, created_at: Option<String> },
    /// The runs of a batch.
    Batch { id: String },
}

impl Subject {
    fn path(&self) -> Result<Arc<str>> {
        Ok(match self {
            Self::Run { id, .. } => format!("/realtime/v1/runs/{}", id::path_segment("run id", id)?).into(),
            Self::Tags { .. } => "/realtime/v1/runs".into(),
            Self::Batch { id } => format!("/realtime/v1/batches/{}", id::path_segment("batch id", id)?).into(),
        })
    }

    /// The query parameters. The server splits tags at commas.
    fn query(&self, skip_columns: &[String]) -> Arc<[(&'static str, String)]> {
        let mut query = Vec::new();
        match self {
            Self::Run { .. } | Self::Batch { .. } => {}
            Self::Tags { tags, created_at } => {
                query.push(("tags", tags.join(",")));
                query.extend(created_at.clone().map(|period| ("createdAt", period)));
            }
        }
        if !skip_columns.is_empty() {
            query.push(("skipColumns", skip_columns.join(",")));
        }
        query.into()
    }

    fn is_single(&self) -> bool {
        match self {
            Self::Run { .. } => true,
            Self::Tags { .. } | Self::Batch { .. } => false,
        }
    }

    fn reader(&self, notices: bool) -> ReaderOptions {
        match self {
            Self::Run { stop_on_completion, .. } => {
                ReaderOptions { until_finished: *stop_on_completion, until_gone: true, notices, copies: false }
            }
            Self::Tags { .. } | Self::Batch { .. } => ReaderOptions { notices, ..ReaderOptions::default() },
        }
    }
}

/// The options of a feed, as `js/runs/runs.js` sends them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeedOptions {
    subject: Subject,
    skip_columns: Vec<String>,
    notices: bool,
    #[serde(default)]
    retry: RetryOptions,
    silence_timeout_ms: Option<u64>,
    /// The budget of long-polls, where the configuration says it; 0 is no limit.
    connections: Option<usize>,
}

impl FeedOptions {
    fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorCode::InvalidOptions, "the options cannot be read").with_source(error))
    }

    fn retry_policy(&self) -> RetryPolicy {
        self.retry.policy(self.silence_timeout_ms)
    }
}

/// A reader of a feed. It is closed by `close()`, at its end, or when it is garbage-collected.
#[napi]
#[derive(Debug)]
pub struct FeedReader {
    subscription: Arc<Subscription<Feed>>,
}

/// Why a feed with these options cannot be opened, as text; `null` when it can.
#[napi(catch_unwind)]
pub fn check_feed(options: String) -> Option<String> {
    FeedOptions::read(&options).and_then(|options| options.subject.path()).err().map(|error| failure(&error))
}

/// Opens a feed; text is the error.
#[napi(catch_unwind)]
pub fn open_feed(client: &External<Client>, mailbox: &Mailbox, options: String) -> Either<FeedReader, String> {
    match open(client, mailbox, &options) {
        Ok(reader) => Either::A(reader),
        Err(error) => Either::B(failure(&error)),
    }
}

fn open(client: &Client, mailbox: &Mailbox, options: &str) -> Result<FeedReader> {
    let options = FeedOptions::read(options)?;
    let spec = FeedSpec {
        endpoint: client.endpoint.clone(),
        path: options.subject.path()?,
        query: options.subject.query(&options.skip_columns),
        retry: options.retry_policy(),
    };
    let _within = runtime::get()?.enter();
    let budget =
        Hub::budget(&spec.endpoint, &BudgetOptions { connections: options.connections, ..BudgetOptions::default() });
    let reader = Hub::global().open_within(&spec, options.subject.reader(options.notices), budget.as_ref());
    let feed =
        Feed { reader, endpoint: spec.endpoint, single: options.subject.is_single(), last_sent: Mutex::default() };
    Ok(FeedReader { subscription: mailbox.subscribe(feed) })
}

#[napi]
impl FeedReader {
    /// The next batch, if there is one: `{"rows", "notices", "faults", "drained", "end"}`, where `end` is `null`, `{}` or
    /// `{"error"}`; or `{"wantsToken": true}`; or `{"error"}`. Else the ticket of the letter that will bring the batch.
    /// JavaScript reads one batch at a time.
    #[napi(catch_unwind)]
    pub fn next(&self, env: Env) -> napi::Result<Either<Text, u32>> {
        self.subscription.next(env)
    }

    /// Leaves the feed. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.subscription.source.reader.close();
    }

    /// The state and the counts of the feed, as JSON.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let reader = &self.subscription.source.reader;
        let status = reader.status();
        json!({
            "state": status.state.as_str(),
            "requests": status.stats.requests,
            "retries": status.stats.retries,
            "rows": status.stats.rows,
            "bytes": status.stats.bytes,
            "coalesced": reader.coalesced(),
        })
        .to_string()
    }
}

/// A feed as a source of letters.
#[derive(Debug)]
struct Feed {
    reader: Reader,
    endpoint: Endpoint,
    single: bool,
    last_sent: Mutex<LastSent>,
}

/// The version of each unfinished run that was sent to JavaScript last: an unchanged packet is not sent again.
/// JavaScript keeps at least the packets of these versions (`js/calls/packets.js`).
type LastSent = ByKey<Arc<Row>>;

/// The most versions that are kept, so that runs that vanish do not cost memory for ever. Beyond, all are forgotten, and
/// every packet is sent anew.
const MAX_LAST_SENT: usize = 16_384;

impl Source for Feed {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<String> {
        self.reader.poll_next(cx).map(|batch| batch_text(&batch, self.single, &mut lock(&self.last_sent)))
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

fn batch_text(batch: &Batch, single: bool, last_sent: &mut LastSent) -> String {
    // With room for names and escapes, so that the text is allocated once.
    let size: usize = batch.rows.iter().map(|item| item.row.text_len() * 9 / 8 + 640).sum();
    let mut text = String::with_capacity(size + 80);
    text.push_str("{\"rows\":[");
    let mut faults: Vec<(Option<&str>, Error)> = Vec::new();
    for fault in &batch.faults {
        let error = Error::new(ErrorCode::InvalidRow, format!("a row cannot be read: {}", fault.why));
        faults.push((fault.key.as_deref(), error));
    }
    let mut first = true;
    for item in &batch.rows {
        let before = text.len();
        if !first {
            text.push(',');
        }
        match run::render(&item.row, &item.schema, last_sent.get(&*item.key).map(|row| &**row), &mut text) {
            Ok(()) => {
                first = false;
                remember(last_sent, item);
            }
            Err(fault) => {
                text.truncate(before);
                faults.push((Some(&item.key), fault));
            }
        }
    }
    text.push_str("],\"notices\":");
    push_list(&mut text, batch.notices.iter().map(notice_value));
    let end = match (&batch.end, faults.first()) {
        // A feed of one run has nothing but this row: it ends with the fault.
        (_, Some((_, fault))) if single => json!({ "error": error_value(fault) }).to_string(),
        (Some(End::Failed(fault)), _) => json!({ "error": error_value(fault) }).to_string(),
        (Some(End::Complete), _) => "{}".to_owned(),
        (None, _) => "null".to_owned(),
    };
    text.push_str(",\"faults\":");
    push_list(&mut text, faults.iter().map(|(key, fault)| json!({ "key": key, "error": error_value(fault) })));
    text.push_str(",\"drained\":");
    text.push_str(if batch.drained { "true" } else { "false" });
    text.push_str(",\"end\":");
    text.push_str(&end);
    text.push('}');
    text
}

fn remember(last_sent: &mut LastSent, item: &Item) {
    if run::is_finished(&item.row) {
        last_sent.swap_remove(&*item.key);
        return;
    }
    if last_sent.len() >= MAX_LAST_SENT {
        last_sent.clear();
    }
    match last_sent.get_mut(&*item.key) {
        Some(row) => row.clone_from(&item.row),
        None => drop(last_sent.insert(item.key.clone(), item.row.clone())),
    }
}

/// Appends a JSON list.
pub(super) fn push_list(text: &mut String, values: impl Iterator<Item = Value>) {
    text.push('[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&value.to_string());
    }
    text.push(']');
}

pub(super) fn notice_value(notice: &Notice) -> Value {
    match notice {
        Notice::State(state) => json!({ "type": "state", "state": state.as_str() }),
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
