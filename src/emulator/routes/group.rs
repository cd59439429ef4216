//! `GET /realtime/v1/runs?tags=…` and `GET /realtime/v1/batches/{id}`: the feeds of several runs, as the native backend
//! serves them (docs/server-protocol.md 4; recorded: `tags-feed-sdk`, `batch-feed-sdk`).

use std::cmp::Reverse;
use std::sync::Arc;

use http::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::Context;
use super::reader::{Reader, admit};
use crate::emulator::ident;
use crate::emulator::journal::Topic;
use crate::emulator::row::Row;
use crate::random;
use crate::serve::Request;
use crate::serve::Response;
use crate::serve::duration;
use crate::serve::feed::{Cursor, Operation, UP_TO_DATE};
use crate::token::Resource;

/// The default window of a tag feed (recorded: a day).
const WINDOW_MS: u64 = 86_400_000;

/// The most runs in a snapshot of a tag feed or of the environment's feed: the newest (docs/server-protocol.md 7).
const SNAPSHOT_RUNS: usize = 1_000;

/// The runs of a feed.
struct Group {
    /// The topic of its runs, which wakes it.
    topic: Topic,
    /// The tags that each run has, all of them.
    tags: Vec<String>,
    /// The creation of the oldest run shown, in Unix milliseconds; `None` is all runs.
    since_ms: Option<u64>,
    /// The prefix of its handle.
    name: String,
}

/// Answers a tag feed: at once, or for a live request when a run with the tags changes or the hold is over.
pub(super) async fn tags(context: &Context, request: &Request) -> Response {
    let caller = match admit(context, request) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let list = request.parameter("tags").unwrap_or_default();
    let tags: Vec<String> = match crate::serve::tags::read(&list) {
        Ok(tags) => tags.into_iter().map(str::to_owned).collect(),
        Err(why) => return Response::api_error(StatusCode::BAD_REQUEST, why),
    };
    let mut resources = vec![Resource::every("runs"), Resource::every("tags")];
    resources.extend(tags.iter().map(|tag| Resource::one("tags", tag)));
    if !caller.may("read", &resources) {
        return Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string());
    }
    let window = request.parameter("createdAt").and_then(|text| duration::parse_ms(&text)).unwrap_or(WINDOW_MS);
    // The window starts at a whole minute, and stays the same for the life of a handle.
    let start = context.engine.now_ms().saturating_sub(window) / 60_000 * 60_000;
    let reader = Reader::new(context, request, &caller);
    let cursor = reader.cursor();
    let kept = cursor.as_ref().and_then(|cursor| cursor.handle.split('_').nth(1)?.parse().ok());
    let since = kept.unwrap_or(start);
    let topic = match tags.first() {
        Some(tag) => Topic::Tag(caller.index, tag.clone()),
        None => Topic::Environment(caller.index),
    };
    let group = Group { topic, tags, since_ms: Some(since), name: format!("runs_{since}") };
    answer(&reader, &group, cursor, |reader| reader.enter(&caller)).await
}

/// Answers a batch feed: at once, or for a live request when a run of the batch changes or the hold is over.
pub(super) async fn batch(context: &Context, request: &Request, id: &str) -> Response {
    let caller = match admit(context, request) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    if context.engine.batches.find(caller.index, id).is_none() {
        // The server assumes that a replica does not have the batch yet.
        return Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "true");
    }
    if !caller.may("read", &[Resource::one("batch", id), Resource::every("runs")]) {
        return Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string());
    }
    let reader = Reader::new(context, request, &caller);
    let group = Group { topic: Topic::Batch(id.into()), tags: Vec::new(), since_ms: None, name: id.into() };
    let cursor = reader.cursor();
    answer(&reader, &group, cursor, |reader| reader.enter(&caller)).await
}

async fn answer<P>(
    reader: &Reader<'_>,
    group: &Group,
    cursor: Option<Cursor>,
    enter: impl FnOnce(&Reader<'_>) -> Result<P, Response>,
) -> Response {
    match cursor {
        None => snapshot(reader, group),
        Some(cursor) => match enter(reader) {
            Ok(_permit) => live(reader, group, &cursor).await,
            Err(answer) => answer,
        },
    }
}

fn snapshot(reader: &Reader<'_>, group: &Group) -> Response {
    let journal = reader.context.engine.store.journal();
    // The number is drawn before the rows are read: a change meanwhile is news to the next request.
    let sequence = journal.next();
    let mut rows = group.rows(reader.context, 0);
    rows.sort_by_key(|row| (row.created_ms(), row.first_version()));
    if group.since_ms.is_some() {
        rows.drain(..rows.len().saturating_sub(SNAPSHOT_RUNS));
    }
    let newest = rows.iter().map(|row| row.updated_ms()).max().unwrap_or(0);
    let body = reader.messages(rows.iter().map(|row| (&**row, Operation::Insert)));
    // A client keeps the handle of its first snapshot.
    let handle = reader
        .request
        .parameter("handle")
        .unwrap_or_else(|| format!("{}_{sequence}_{}", group.name, ident::hex(&random::bytes::<4>())));
    reader.snapshot(body, &handle, &format!("{newest}_{sequence}"))
}

async fn live(reader: &Reader<'_>, group: &Group, cursor: &Cursor) -> Response {
    let journal = reader.context.engine.store.journal();
    let mut changes = journal.follow(group.topic.clone());
    let end = Instant::now() + reader.hold();
    loop {
        changes.mark_unchanged();
        let sequence = journal.next();
        let mut rows = group.rows(reader.context, cursor.seen);
        if !rows.is_empty() {
            // Newest run first (recorded: `full-batch`).
            rows.sort_by_key(|row| Reverse((row.created_ms(), row.first_version())));
            let newest = rows.iter().map(|row| row.updated_ms()).max().unwrap_or(0).max(cursor.seen_ms);
            let body = reader.messages(rows.iter().map(|row| {
                let is_new = row.first_version() > cursor.seen;
                (&**row, if is_new { Operation::Insert } else { Operation::Update })
            }));
            return reader.live(body, &cursor.handle, &format!("{newest}_{sequence}"), sequence);
        }
        let woken = reader.request.method != Method::HEAD
            && tokio::select! {
                woken = timeout_at(end, changes.changed()) => woken.is_ok_and(|woken| woken.is_ok()),
                () = reader.context.stop.cancelled() => false,
            };
        if !woken {
            return reader.live(UP_TO_DATE.into(), &cursor.handle, &cursor.offset, sequence);
        }
    }
}

impl Group {
    /// The rows with a change after number `seen`.
    fn rows(&self, context: &Context, seen: u64) -> Vec<Arc<Row>> {
        let runs = context.engine.store.select(&self.topic);
        let rows = runs.iter().map(|run| run.row());
        rows.filter(|row| {
            row.version() > seen
                && self.since_ms.is_none_or(|since| row.created_ms() >= since)
                && self.tags.iter().all(|tag| row.tags().contains(tag))
        })
        .collect()
    }
}
