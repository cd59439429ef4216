//! Readers of streams, over the pool and the driver, and viewers of them through two relays and on their live streams:
//! quick, slow, and coming back.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backend::Backend;
use super::page::{next_event, wanting};
use super::relay_tests::{relays, token};
use super::scenario::{KEY, in_simulated_time, outcome, server};
use super::streams::World;
use super::viewer::{no_body, request};
use super::wire::STREAMS;
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::error::{Error, ErrorCode};
use crate::http::ClientOptions;
use crate::relay::Relay;
use crate::serve::Body;
use crate::shape::Now;
use crate::shape::truth::{FINISHED, SeededRng, fuzz};
use crate::stream::{
    Chunk, End, Ending, Event, Failure, Limits, Machine, Plan, Reader, ReaderOptions, Start, Step, StreamSpec,
};

const SILENCE: Duration = Duration::from_secs(60);
const FOLLOW: Plan = Plan { start: Start::Beginning, timeout_s: None, follow: true };
/// A reader ends within this time after the run and the last trouble.
const BOUND: Duration = Duration::from_secs(600);

/// The value of a chunk: each value is its own number.
fn value(chunk: &Chunk) -> u64 {
    chunk.json.as_deref().expect("a value").parse().expect("a number")
}

/// Reads a stream to its end, and comes back at the position of a value now and then.
async fn read(url: String, over: Instant, mut rng: SeededRng) -> Vec<u64> {
    let pace_ms = [0, 0, 10, 3_000][rng.below(4)];
    let (mut values, mut start) = (Vec::new(), Start::Beginning);
    let mut visits = rng.below(4);
    'visit: loop {
        let endpoint = Endpoint::new(&url, KEY, None).expect("valid");
        let options = Arc::new(ClientOptions::default());
        let plan = Plan { start, ..FOLLOW };
        let spec = StreamSpec::new(endpoint, options, ("run_0", "s"), plan, RetryPolicy::default()).expect("valid");
        let reader = Reader::open(spec, ReaderOptions { notices: rng.one_in(2), run_over: Instant::now() >= over });
        loop {
            if Instant::now() >= over {
                reader.run_over();
            }
            let batch = tokio::select! {
                biased;
                batch = reader.next() => batch,
                () = sleep_until(over), if Instant::now() < over => {
                    reader.run_over();
                    continue;
                }
            };
            let leaves_at = (visits > 0 && rng.one_in(6)).then(|| rng.below(batch.chunks.len().max(1)));
            for (at, chunk) in batch.chunks.iter().enumerate() {
                values.push(value(chunk));
                if let Some(position) = chunk.position.filter(|_| leaves_at == Some(at)) {
                    visits -= 1;
                    start = Start::At(position.to_string().parse().expect("a position"));
                    continue 'visit;
                }
            }
            match batch.end {
                None => {}
                Some(End::Over(Ending::Complete)) => return values,
                Some(end @ (End::Over(_) | End::Closed | End::Failed(_))) => panic!("{end:?} after {values:?}"),
            }
            if pace_ms > 0 {
                sleep(Duration::from_millis(rng.below(pace_ms) as u64)).await;
            }
        }
    }
}

/// Reads a stream through relays, another one for each request, as a browser does.
async fn view(relays: [Arc<Relay>; 2], over: Instant, mut rng: SeededRng) -> Vec<u64> {
    let token = token(&[]);
    let (mut machine, began, mut values) = (Machine::new(FOLLOW, Limits::default()), Instant::now(), Vec::new());
    let mut body: Option<Body> = None;
    let mut knows = false;
    let mut step = machine.start();
    loop {
        let now = || Now {
            monotonic_ms: u64::try_from(began.elapsed().as_millis()).expect("small"),
            unix_ms: 0,
            jitter: crate::random::unit(),
        };
        if !knows && Instant::now() >= over {
            knows = true;
            step = machine.on(Event::RunOver, now()).step;
            continue;
        }
        let until_over = async { if knows { std::future::pending().await } else { sleep_until(over).await } };
        let outcome = match step {
            Step::End(Ok(Ending::Complete)) => return values,
            Step::End(end) => panic!("{end:?} after {values:?}"),
            Step::Wait { ms, .. } => {
                body = None;
                sleep(Duration::from_millis(ms)).await;
                machine.on(Event::Woken, now())
            }
            Step::Request(asked) => {
                drop(body.take());
                let mut builder = request(&format!("{STREAMS}run_0/s"), &token).header("accept", "text/event-stream");
                if let Some(id) = asked.last_event_id.as_deref() {
                    builder = builder.header("last-event-id", id);
                }
                let response = relays[rng.below(2)].respond(builder.body(no_body()).expect("a request"), None).await;
                let (head, open) = response.into_parts();
                if head.status.as_u16() >= 400 {
                    assert!(matches!(head.status.as_u16(), 429 | 502..=504), "{}", head.status);
                    machine
                        .on(Event::Refused { status: head.status.as_u16(), headers: &head.headers, body: b"" }, now())
                } else {
                    body = Some(open);
                    let headers: &HeaderMap = &head.headers;
                    machine.on(Event::Opened { status: head.status.as_u16(), headers }, now())
                }
            }
            Step::Read { quiet_ms } => {
                let quiet = quiet_ms.map_or(SILENCE, |ms| SILENCE.min(Duration::from_millis(ms)));
                let open = body.as_mut().expect("a body");
                let frame = tokio::select! {
                    biased;
                    frame = timeout(quiet, open.frame()) => frame,
                    () = until_over => {
                        step = Step::Read { quiet_ms };
                        continue;
                    }
                };
                let cut = || Error::new(ErrorCode::Connection, "cut");
                match frame {
                    // The browser loses its connection now and then.
                    Ok(Some(Ok(_))) if rng.one_in(40) => machine.on(Event::Failed(Failure::Cut(cut())), now()),
                    Ok(Some(Ok(frame))) => machine.on(Event::Bytes(&frame.into_data().expect("no trailers")), now()),
                    Ok(Some(Err(_))) => machine.on(Event::Failed(Failure::Cut(cut())), now()),
                    Ok(None) => machine.on(Event::Closed, now()),
                    Err(_) if quiet_ms.is_some_and(|ms| quiet.as_millis() >= u128::from(ms)) => {
                        machine.on(Event::Quiet, now())
                    }
                    Err(_) => machine.on(Event::Failed(Failure::Silent(cut())), now()),
                }
            }
        };
        values.extend(outcome.chunks.iter().map(value));
        step = outcome.step;
    }
}

/// Reads a stream on the live streams of relays: comes back anywhere with its place, when its response is over and of
/// itself.
async fn view_live(relays: [Arc<Relay>; 2], mut rng: SeededRng) -> Vec<u64> {
    let token = token(&[]);
    let (mut values, mut at) = (Vec::new(), None::<String>);
    loop {
        let mut want = json!({ "id": "s", "stream": { "run": "run_0", "key": "s" }, "token": token });
        if let Some(at) = &at {
            want["at"] = at.as_str().into();
        }
        let (head, mut body) = relays[rng.below(2)].respond(wanting(&[want]), None).await.into_parts();
        assert_eq!(head.status.as_u16(), 200);
        let mut text = String::new();
        let wait_ms = 'response: loop {
            let frame = timeout(Duration::from_secs(20), body.frame()).await.expect("a heartbeat");
            let Some(Ok(frame)) = frame else { break 0 };
            text.push_str(std::str::from_utf8(&frame.into_data().expect("no trailers")).expect("text"));
            while let Some((name, told)) = next_event(&mut text) {
                match name.as_str() {
                    "chunk" => {
                        at = Some(told[1]["at"].as_str().expect("a place").to_owned());
                        let parts = told[1]["parts"].as_array().expect("parts").iter();
                        values.extend(parts.map(|part| part["chunk"].as_u64().expect("a number")));
                    }
                    "end" => return values,
                    "error" => {
                        assert_eq!(told[1]["retry"], true, "{told}");
                        break 'response told[1]["after"].as_u64().unwrap_or(1_000);
                    }
                    "ready" | "again" => {}
                    _ => panic!("{name} {told}"),
                }
            }
            if rng.one_in(40) {
                break 0;
            }
        };
        sleep(Duration::from_millis(wait_ms)).await;
    }
}

fn write(backend: &Backend, rng: &mut SeededRng) -> (Vec<u64>, Instant) {
    let mut state = backend.state();
    let is_v2 = rng.one_in(2);
    let world = World::new(&mut state.dice, is_v2);
    let (values, over_at) = (world.values(), world.over_at);
    state.streams.insert(format!("{STREAMS}run_0/s"), world);
    (values, Instant::now() + Duration::from_millis(over_at))
}

async fn play(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let (backend, running) = server(seed, &mut rng);
    let began = Instant::now();
    let (values, over) = write(&backend, &mut rng);
    let relays = relays(&running, &backend, 0);
    // The run's feed, by which relays know of its end, says what the stream does.
    backend.change(|table, _| table.set_status(0, "EXECUTING"));
    let ending = backend.clone();
    tokio::spawn(async move {
        sleep_until(over).await;
        ending.change(|table, _| table.set_status(0, FINISHED));
    });
    let is_v2 = backend.state().streams.values().any(|world| world.v2);
    backend.state().breaks_streams = true;
    let mut readers = Vec::new();
    for _ in 0..=rng.below(3) {
        let own = SeededRng::new(rng.below(1 << 30) as u64);
        let late = Duration::from_millis(rng.below(40_000) as u64);
        let way = ["from the server", "through relays", "on live streams"][rng.below(3)];
        let (url, relays) = (running.url.clone(), relays.clone());
        let reader = tokio::spawn(async move {
            sleep(late).await;
            match way {
                "from the server" => read(url, over, own).await,
                "through relays" => view(relays, over, own).await,
                _ => view_live(relays, own).await,
            }
        });
        readers.push((reader, way));
    }
    let bound = over + BOUND;
    let mut checked = 0;
    for (reader, way) in readers {
        let read = outcome(tokio::time::timeout_at(bound, reader).await.expect("it ends soon after its run"));
        assert_eq!(read, values, "{way}, v2 {is_v2}, the run was over after {:?}", over - began);
        checked += read.len() as u64;
    }
    let answers = backend.state().answers;
    checked + answers
}

#[test]
fn streams_are_read_once_and_whole_from_the_server_and_through_relays_that_take_turns() {
    fuzz(60, |seed| in_simulated_time(seed, play(seed)));
}
