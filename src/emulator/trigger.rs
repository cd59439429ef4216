//! A trigger: its request, and the run that it starts.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};

use super::access::Environment;
use super::column::Column;
use super::driver::{self, Plan};
use super::engine::Engine;
use super::packet::Packet;
use super::row::Row;
use super::run::Run;
use super::store::{TriggerKeys, Triggered};
use super::{ident, object, validate};
use crate::serve::duration;
use crate::serve::stream::StreamVersion;
use crate::timestamp::parse_utc;

const MAX_TAGS: usize = 10;
const METADATA_BYTES: usize = 256 * 1024;
/// The default life of an idempotency key: 30 days.
const IDEMPOTENCY_MS: u64 = 30 * 86_400_000;
/// The default ttl of a run in the development environment (recorded).
const DEVELOPMENT_TTL: &str = "10m";

/// The environment and the batch of a new run, and the version of its streams.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// The index of its environment.
    pub(super) environment: usize,
    /// Its batch.
    pub(super) batch: Option<String>,
    /// The version of its streams.
    pub(super) streams: StreamVersion,
}

/// Makes the run of a request and starts it; or finds the run of its idempotency key. `one_time` is the digest of a
/// one-time token and its expiry, in Unix milliseconds.
pub(super) fn start_run(
    engine: &Arc<Engine>,
    request: TriggerRequest,
    task: &str,
    placement: Placement,
    one_time: Option<(String, u64)>,
    now_ms: u64,
) -> Triggered {
    let environment = &engine.environments[placement.environment];
    let row = request.row(task, environment, now_ms);
    let ttl_ms = row.get(Column::Ttl).and_then(duration::parse_ms);
    let run = Run::new(engine.store.journal(), placement.environment, row)
        .in_batch(placement.batch)
        .streaming(placement.streams)
        .seeded(request.metadata);
    let keys = TriggerKeys { idempotency: request.idempotency, one_time };
    let triggered = engine.store.trigger(run, keys, now_ms);
    if let Triggered::New(run) = &triggered
        && let Some(script) = engine.task(task)
    {
        let payload = stored(engine, &environment.id, request.payload);
        let plan = Plan { task: script, payload, ttl_ms };
        driver::spawn(driver::drive(run.clone(), plan, engine.clone()), engine);
    }
    triggered
}

/// The payload for the task: an uploaded one is read from the object store.
fn stored(engine: &Engine, environment: &str, packet: Packet) -> Packet {
    if packet.data_type != "application/store" {
        return packet;
    }
    let object = packet.data.as_deref().and_then(|name| engine.objects.get(&object::path_of(environment, name)));
    match object {
        Some(object) => {
            Packet { data: Some(String::from_utf8_lossy(&object.data).into_owned()), data_type: object.content_type }
        }
        None => packet,
    }
}

/// The request of a trigger.
#[derive(Clone, Debug)]
pub(super) struct TriggerRequest {
    /// The payload, as sent.
    pub(super) payload: Packet,
    tags: Vec<String>,
    metadata: Option<(String, String)>,
    delay_until_ms: Option<u64>,
    ttl: Option<String>,
    is_test: bool,
    /// The task-level idempotency key, and its expiry in Unix milliseconds.
    pub(super) idempotency: Option<(String, u64)>,
}

/// The status and the error of a refused request.
pub(super) type Rejection = (StatusCode, String);

impl TriggerRequest {
    /// Parses `{payload, options}`.
    ///
    /// # Errors
    /// The refusal, in the server's words.
    pub(super) fn read(given: &Map<String, Value>, now_ms: u64) -> Result<Self, Rejection> {
        let empty = Map::new();
        let options = match given.get("options") {
            None => &empty,
            Some(Value::Object(options)) => options,
            Some(_) => {
                let text = "Validation error: Expected object, received another type at \"options\"";
                return Err((StatusCode::BAD_REQUEST, text.into()));
            }
        };
        validate::options(options).map_err(|why| (StatusCode::BAD_REQUEST, why))?;
        let text = |name: &str| options.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let data_type = text("payloadType").unwrap_or("application/json").to_owned();
        let data = match given.get("payload") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(value) => Some(value.to_string()),
        };
        let idempotency = text("idempotencyKey").map(|key| {
            let life = text("idempotencyKeyTTL").and_then(duration::parse_ms).unwrap_or(IDEMPOTENCY_MS);
            (key.to_owned(), now_ms.saturating_add(life))
        });
        Ok(Self {
            payload: Packet { data, data_type },
            tags: read_tags(options.get("tags"))?,
            metadata: read_metadata(options, text("metadataType"))?,
            // An unreadable delay is no delay, as on the server (recorded: "soon" is accepted).
            delay_until_ms: text("delay")
                .and_then(|delay| {
                    parse_utc(delay).or_else(|| duration::parse_ms(delay).map(|ms| now_ms.saturating_add(ms)))
                })
                .filter(|until| *until > now_ms),
            ttl: match options.get("ttl") {
                Some(Value::Number(seconds)) => Some(format!("{seconds}s")),
                Some(Value::String(text)) => Some(text.clone()),
                _ => None,
            },
            is_test: options.get("test").and_then(Value::as_bool).unwrap_or(false),
            idempotency,
        })
    }

    /// The request of a replay: that of the run, without its delay and its idempotency key.
    pub(super) fn again(run: &Run) -> Self {
        let row = run.row();
        let text = |column| row.get(column).map(str::to_owned);
        Self {
            payload: Packet {
                data: text(Column::Payload),
                data_type: text(Column::PayloadType).unwrap_or_else(|| "application/json".into()),
            },
            tags: row.tags().to_vec(),
            metadata: run.seed.clone(),
            delay_until_ms: None,
            ttl: text(Column::Ttl),
            is_test: row.get(Column::IsTest) == Some("t"),
            idempotency: None,
        }
    }

    fn row(&self, task: &str, environment: &Environment, now_ms: u64) -> Row {
        let id = ident::database_id();
        let mut row = Row::new(&id, &format!("run_{id}"), task, now_ms);
        row.set(Column::Payload, self.payload.data.as_deref());
        row.set(Column::PayloadType, Some(&self.payload.data_type));
        row.set_tags(self.tags.clone());
        if let Some((data, data_type)) = &self.metadata {
            row.set(Column::Metadata, Some(data));
            row.set(Column::MetadataType, Some(data_type));
        }
        if self.is_test {
            row.set(Column::IsTest, Some("t"));
        }
        let is_development = environment.root_key.expose().starts_with("tr_dev_");
        row.set(Column::Ttl, self.ttl.as_deref().or(is_development.then_some(DEVELOPMENT_TTL)));
        if self.delay_until_ms.is_some() {
            row.set(Column::Status, Some("DELAYED"));
            row.set_time(Column::DelayUntil, self.delay_until_ms);
            row.set_time(Column::QueuedAt, None);
        }
        row
    }
}

fn read_tags(tags: Option<&Value>) -> Result<Vec<String>, Rejection> {
    let tags = validate::listed(tags);
    if tags.len() > MAX_TAGS {
        return Err((
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Runs can only have {MAX_TAGS} tags, you're trying to set {}.", tags.len()),
        ));
    }
    Ok(tags)
}

fn read_metadata(options: &Map<String, Value>, data_type: Option<&str>) -> Result<Option<(String, String)>, Rejection> {
    let data = match options.get("metadata") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    if data.len() > METADATA_BYTES {
        let text = format!("Metadata exceeds maximum size of {METADATA_BYTES} bytes");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(Some((data, data_type.unwrap_or("application/json").to_owned())))
}
