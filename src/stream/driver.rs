//! The I/O of a stream: carries out the machine's steps, reports what happened to it, and fills the queue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, sleep, timeout};

use super::limits::Limits;
use super::machine::Machine;
use super::pace::Pace;
use super::plan::{Request, StreamSpec};
use super::queue::Queue;
use super::step::{Ending, Event, Failure, Outcome, Step};
use crate::connection::{Connection as _, TokenRenewal, generation};
use crate::error::{Error, Result};
use crate::http::{Opening, StreamBody, StreamOutcome, open_stream, silent, stream_headers};
use crate::log::{Level, Span, SpanKind, origin_of, path_of};
use crate::shape::Now;

/// The most bytes that are taken before their values are handed over.
const MAX_GATHERED_BYTES: usize = 96 * 1024;

/// The log lines of a stream.
static LOGGED: SpanKind = SpanKind {
    level: Level::Info,
    started: "stream started",
    retries: "stream retries",
    ended: "stream ended",
    refused: "stream refused",
};

/// Reads the stream to its end, whatever that is. A panic ends it with an error.
pub(super) async fn drive(spec: StreamSpec, queue: Arc<Queue>) {
    let log = Span::start(&LOGGED, || {
        let base = spec.endpoint.base_url();
        let path = path_of(spec.url.strip_prefix(base).unwrap_or_default());
        vec![("path", path.to_owned().into()), ("server", origin_of(base).into())]
    });
    let result = AssertUnwindSafe(run(&spec, &queue, &log))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Error::panicked("a stream's driver")));
    log.end(result.as_ref().err());
    queue.end(result);
}

async fn run(spec: &StreamSpec, queue: &Queue, log: &Span) -> Result<Ending> {
    let silence = Duration::from_millis(spec.retry.silence_ms);
    let mut machine = Machine::new(spec.plan, Limits::from(spec.retry)).raw(spec.raw);
    let mut clock = Clock::new();
    let mut body: Option<StreamBody> = None;
    let mut run_over = false;
    let mut token = TokenRenewal::default();
    let mut pace = Pace::default();
    let mut opening = Opening::First;
    let mut step = machine.start();
    loop {
        queue.enter(machine.phase().into());
        // Told before the end of the run can replace the wait by what is left of it.
        if let Step::Wait { ms, retry } = &mut step
            && let Some(retry) = retry.take()
        {
            log.retries(retry.attempt, retry.reason.as_str(), retry.status, *ms);
            queue.retrying(retry, *ms);
        }
        // A stream that ended has nothing to drain: its error would be lost for the end of the run (S7).
        if !run_over && !matches!(step, Step::End(_)) && queue.is_run_over() {
            run_over = true;
            step = machine.on(Event::RunOver, clock.now()).step;
            if let (Step::Request(_), Some(open)) = (&step, &body) {
                // The connection may be dead (S9): the rest is asked for on another one.
                open.abandon();
            }
            continue;
        }
        let mut rest_ms = None;
        let outcome = match step {
            Step::End(result) => return result,
            Step::Wait { ms, .. } => {
                body = None;
                let waited = queue.unless_run_over(run_over, sleep(Duration::from_millis(ms))).await;
                if waited.is_none() {
                    step = Step::Wait { ms, retry: None };
                    continue;
                }
                machine.on(Event::Woken, clock.now())
            }
            Step::Request(request) => {
                drop(body.take());
                let opened = open(spec, queue, &request, (&mut opening, silence), &mut token).await?;
                let (outcome, open) = report(&mut machine, opened, clock.now());
                body = open;
                outcome
            }
            Step::Read { quiet_ms } => {
                let quiet = quiet_ms.map_or(silence, |ms| silence.min(Duration::from_millis(ms)));
                let Some(open) = &mut body else {
                    step = machine.on(Event::Woken, clock.now()).step;
                    continue;
                };
                match queue.unless_run_over(run_over, timeout(quiet, open.chunk())).await {
                    None => {
                        step = Step::Read { quiet_ms };
                        continue;
                    }
                    Some(Ok(Ok(Some(bytes)))) => {
                        let now = clock.now();
                        let gathered = gather(&mut machine, open, bytes, now).await;
                        queue.count_bytes(gathered.bytes);
                        rest_ms = pace.taken(now.monotonic_ms, gathered.pieces, gathered.bytes);
                        gathered.outcome
                    }
                    Some(Ok(Ok(None))) => machine.on(Event::Closed, clock.now()),
                    Some(Ok(Err(error))) => machine.on(Event::Failed(Failure::Cut(error)), clock.now()),
                    Some(Err(_)) if quiet_ms.is_some_and(|ms| quiet.as_millis() >= u128::from(ms)) => {
                        machine.on(Event::Quiet, clock.now())
                    }
                    Some(Err(_)) => {
                        open.abandon();
                        machine.on(Event::Failed(Failure::Silent(silent(silence))), clock.now())
                    }
                }
            }
        };
        queue.push(outcome.chunks);
        // The state before the wait for room: a reader of the last value has seen both.
        queue.enter(machine.phase().into());
        clock.pause(queue.room()).await;
        step = outcome.step;
        if let Some(ms) = rest_ms
            && matches!(step, Step::Read { .. })
            && !run_over
        {
            // The pause ends early when the run does, which the next round notices.
            queue.unless_run_over(run_over, sleep(Duration::from_millis(ms))).await;
        }
    }
}

/// Takes `bytes`, and whatever has arrived behind them already: the values are handed over together.
async fn gather(machine: &mut Machine, body: &mut StreamBody, bytes: Bytes, now: Now) -> Gathered {
    let mut gathered = Gathered { outcome: machine.on(Event::Bytes(&bytes), now), pieces: 1, bytes: bytes.len() };
    while gathered.bytes < MAX_GATHERED_BYTES && matches!(gathered.outcome.step, Step::Read { .. }) {
        let next = match body.ready().await {
            Some(Ok(Some(bytes))) => {
                gathered.pieces += 1;
                gathered.bytes += bytes.len();
                machine.on(Event::Bytes(&bytes), now)
            }
            Some(Ok(None)) => machine.on(Event::Closed, now),
            Some(Err(error)) => machine.on(Event::Failed(Failure::Cut(error)), now),
            None => break,
        };
        gathered.outcome.step = next.step;
        gathered.outcome.chunks.extend(next.chunks);
    }
    gathered
}

/// Bytes that were taken together.
struct Gathered {
    outcome: Outcome,
    pieces: usize,
    bytes: usize,
}

/// Sends a request, once more where the server refused its token and another one was made (defect 5).
async fn open(
    spec: &StreamSpec,
    queue: &Queue,
    request: &Request,
    (opening, silence): (&mut Opening, Duration),
    token: &mut TokenRenewal,
) -> Result<StreamOutcome> {
    token.before_request(&spec.endpoint, queue).await;
    loop {
        let generation = generation(&spec.endpoint);
        let opened = send(spec, queue, request, (std::mem::replace(opening, Opening::Again), silence)).await?;
        let status = match &opened {
            StreamOutcome::Open(body) => Some(body.status),
            StreamOutcome::Refused { status, .. } => Some(*status),
            StreamOutcome::Connect(_) | StreamOutcome::Silent(_) => None,
        };
        if !token.after_response(&spec.endpoint, queue, (generation, status)).await {
            return Ok(opened);
        }
    }
}

async fn send(
    spec: &StreamSpec,
    queue: &Queue,
    request: &Request,
    (opening, silence): (Opening, Duration),
) -> Result<StreamOutcome> {
    queue.count_request();
    let headers = with_request(stream_headers(&spec.endpoint, &spec.options)?, request);
    open_stream(&spec.url, opening, headers, silence).await
}

fn with_request(mut headers: HeaderMap, request: &Request) -> HeaderMap {
    // An id that no header can carry is left out: the stream comes again from its start, and what was read is dropped.
    if let Some(Ok(id)) = request.last_event_id.as_deref().map(HeaderValue::from_str) {
        headers.insert("last-event-id", id);
    } else if request.latest {
        headers.insert("x-trigger-stream-start", HeaderValue::from_static("latest"));
    }
    if let Some(seconds) = request.timeout_s {
        headers.insert("timeout-seconds", HeaderValue::from(seconds));
    }
    headers
}

fn report(machine: &mut Machine, opened: StreamOutcome, now: Now) -> (Outcome, Option<StreamBody>) {
    match opened {
        StreamOutcome::Open(body) => {
            let event = Event::Opened { status: body.status, headers: &body.headers };
            (machine.on(event, now), Some(body))
        }
        StreamOutcome::Refused { status, headers, body } => {
            (machine.on(Event::Refused { status, headers: &headers, body: &body }, now), None)
        }
        StreamOutcome::Connect(error) => (machine.on(Event::Failed(Failure::Connect(error)), now), None),
        StreamOutcome::Silent(error) => (machine.on(Event::Failed(Failure::Silent(error)), now), None),
    }
}

/// A clock that stands still while a slow reader holds the wire: such silence says nothing about the server.
#[derive(Debug)]
struct Clock {
    since: Instant,
    paused: Duration,
}

impl Clock {
    fn new() -> Self {
        Self { since: Instant::now(), paused: Duration::ZERO }
    }

    fn now(&self) -> Now {
        let elapsed = self.since.elapsed().saturating_sub(self.paused);
        Now {
            monotonic_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            unix_ms: crate::clock::unix_ms(),
            jitter: crate::random::unit(),
        }
    }

    async fn pause(&mut self, over: impl Future<Output = ()>) {
        let since = Instant::now();
        over.await;
        self.paused += since.elapsed();
    }
}
