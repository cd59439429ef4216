//! Responses to the requests of run feeds and tag feeds. The offset carries the whole cursor of a feed, so that the
//! server keeps no state of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

use super::gate::Groups;
use super::plan::{Kind, Plan};
use super::rate::Rate;
use super::row::{self, RunMessage, UP_TO_DATE};

/// The counts of the server.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) groups: Groups,
    /// The live requests that wait now.
    pub(crate) held: AtomicU64,
    /// All requests of feeds.
    pub(crate) polls: AtomicU64,
    /// The connections that are open now.
    pub(crate) connections: AtomicU64,
    /// The connections that were accepted.
    pub(crate) accepted: Rate,
}

/// The parameters of a request that the server reads.
struct FeedQuery<'a> {
    /// The version that the client has; `None` asks for a snapshot.
    version: Option<u64>,
    live: bool,
    tags: Option<&'a str>,
}

fn read(query: &str) -> FeedQuery<'_> {
    let mut request = FeedQuery { version: None, live: false, tags: None };
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "offset" => request.version = value.rsplit_once('_').and_then(|(_, version)| version.parse().ok()),
            "live" => request.live = true,
            "tags" => request.tags = Some(value),
            _ => {}
        }
    }
    request
}

/// A count that is one higher until the guard is dropped.
pub(crate) struct Held<'a>(&'a AtomicU64);

impl<'a> Held<'a> {
    pub(crate) fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The response to a request of the feed of one run.
pub(crate) async fn of_run(id: &str, query: &str, state: &Arc<State>) -> Option<Response<Full<Bytes>>> {
    state.polls.fetch_add(1, Ordering::Relaxed);
    let (plan, request) = (Plan::of_run(id)?, read(query));
    let payload = row::payload(if matches!(plan.kind, Kind::Step | Kind::Drive) { plan.detail } else { 0 });
    let mut body = String::with_capacity(1_400 + payload.len());
    body.push('[');
    let mut message = RunMessage { id, version: 0, updates: plan.updates.max(1), payload: &payload, stamps: None };
    let version = match request.version {
        None => {
            row::write(&mut body, &message);
            body.push(',');
            0
        }
        Some(version) if !request.live => version,
        Some(version) => {
            let next = next(&plan, version, state).await;
            if let Some((version, stamps)) = next {
                message = RunMessage { version, stamps, ..message };
                row::write(&mut body, &message);
                body.push(',');
            }
            next.map_or(version, |(version, _)| version)
        }
    };
    body.push_str(UP_TO_DATE);
    body.push(']');
    response(id, version, request.live, body)
}

/// The times at which an update happened and is sent, in Unix milliseconds.
type Stamps = (f64, f64);

/// Waits for an update after `version`; `None` when none came in time.
async fn next(plan: &Plan<'_>, version: u64, state: &State) -> Option<(u64, Option<Stamps>)> {
    let held = Held::new(&state.held);
    let group = state.groups.get(plan.group, plan.feeds);
    let next = match plan.kind {
        Kind::Hold => {
            tokio::time::sleep(Duration::from_millis(plan.detail)).await;
            None
        }
        Kind::Step => {
            if version == 0 {
                group.arrive();
                group.wait(1).await;
            }
            if version + 1 == plan.updates {
                group.wait(2).await;
            }
            Some((version + 1, None))
        }
        Kind::Drive => {
            group.wait(version + 1).await;
            Some((version + 1, None))
        }
        Kind::Tick | Kind::Gather => {
            if version == 0 {
                group.arrive();
            }
            let (start, began) = group.wait(1).await;
            // The feeds of a group are spread over the period.
            let phase = plan.detail as f64 * f64::from(plan.index) / f64::from(plan.feeds.max(1));
            let due = |version: u64| plan.detail as f64 * version as f64 + phase;
            let at = start + Duration::from_secs_f64(due(version + 1) / 1_000.0);
            tokio::time::sleep_until(at.into()).await;
            let passed = Instant::now().duration_since(start).as_secs_f64() * 1_000.0;
            let mut newest = version + 1;
            while newest < plan.updates && due(newest + 1) <= passed {
                newest += 1;
            }
            let unix = unix_ms(began);
            Some((newest, Some((unix + due(newest), unix_ms(SystemTime::now())))))
        }
    };
    drop(held);
    next
}

fn unix_ms(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1_000.0
}

/// The number of times a second at which a server that gathers updates looks for them.
const GATHERS_PER_SECOND: f64 = 10.0;

/// The response to a request of a tag feed. Its `feeds` runs are updated in turn, each once in `detail` milliseconds,
/// whether or not a client asks; a response has all updates so far. Updates start when the group opens. No run
/// completes.
pub(crate) async fn of_tag(query: &str, state: &Arc<State>) -> Option<Response<Full<Bytes>>> {
    state.polls.fetch_add(1, Ordering::Relaxed);
    let request = read(query);
    let tag = request.tags?;
    let plan = Plan::of_tag(tag)?;
    let runs = u64::from(plan.feeds);
    let payload = row::payload(0);
    let mut body = String::from("[");
    let mut write = |run: u64, version: u64| {
        let id = format!("run_{}_{run}", plan.group);
        let message = RunMessage { id: &id, version, updates: u64::MAX, payload: &payload, stamps: None };
        row::write(&mut body, &message);
        body.push(',');
    };
    // The cursor of the feed is the number of updates that were sent.
    let cursor = match request.version {
        None => {
            (0..runs).for_each(|run| write(run, 0));
            0
        }
        Some(cursor) if !request.live => cursor,
        Some(cursor) => {
            let _held = Held::new(&state.held);
            let (start, _) = state.groups.get(plan.group, 0).wait(1).await;
            let end = runs * plan.updates;
            if cursor >= end {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            let pace = plan.detail as f64 / 1_000.0 / runs as f64;
            let at = pace * (cursor + 1) as f64;
            let at = if plan.kind == Kind::Gather { (at * GATHERS_PER_SECOND).ceil() / GATHERS_PER_SECOND } else { at };
            tokio::time::sleep_until((start + Duration::from_secs_f64(at)).into()).await;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of updates")]
            let due = (start.elapsed().as_secs_f64() / pace) as u64;
            let now = due.max(cursor + 1).min(end).max(cursor);
            // A response has only the newest state of each run.
            let from = cursor.max(now.saturating_sub(runs));
            (from..now).for_each(|update| write(update % runs, 1 + update / runs));
            now
        }
    };
    body.push_str(UP_TO_DATE);
    body.push(']');
    response(tag, cursor, request.live, body)
}

fn response(name: &str, version: u64, live: bool, body: String) -> Option<Response<Full<Bytes>>> {
    let response = Response::builder()
        .header("content-type", "application/json; charset=utf-8")
        .header("cache-control", "no-store")
        .header("electric-handle", name)
        .header("electric-offset", format!("1767225600000_{version}"));
    let response = if live {
        response.header("electric-cursor", version.to_string())
    } else {
        response.header("electric-schema", row::SCHEMA)
    };
    response.body(Full::from(body)).ok()
}
