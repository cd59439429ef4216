//! A simulated stream server, in simulated time. Whatever happens to the connections, a reader gets every value once and
//! in order, and ends when the run is over and the stream is drained, or when nothing is written.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod stream_support;

use stream_support::headers;
use stream_support::server::{Body, Dice, Fate, Next, World, answer};
use trigger_native::error::ErrorCode;
use trigger_native::shape::Now;
use trigger_native::stream::{Ending, Event, Failure, Limits, Machine, Plan, Start, Step};
use trigger_native::{Error, Result};

/// Cases: each is a server, the values written there, and the faults.
const SEEDS: u64 = 1_000;
/// The driver's timeout for a silent connection.
const SILENCE_MS: u64 = 60_000;
/// A reader ends within this time after the last fault and the end of the run.
const BOUND_MS: u64 = 240_000;

/// The result of a reader.
struct Read {
    values: Vec<u64>,
    end: Result<Ending>,
    at: u64,
    /// The time of the last fault.
    faults_until: u64,
}

#[expect(clippy::too_many_lines, reason = "one loop, as a driver has: each step, and what comes of it")]
fn read(world: &World, plan: Plan, dice: &mut Dice) -> Read {
    let mut machine = Machine::new(plan, Limits::default());
    let mut faults = dice.below(6);
    let (mut outage, mut garbled, mut clean) = (dice.one_in(3), dice.one_in(3), 0);
    let mut dead = true;
    let (mut now, mut faults_until, mut values) = (dice.below(world.over_at + 10_000), 0, Vec::new());
    let (mut knows_over, mut body): (bool, Option<Body>) = (!plan.follow, None);
    let mut pending: Option<(u64, Next)> = None;
    let (mut out_until, mut visits) = (0, dice.below(6));
    let mut step = machine.start();
    for _ in 0..200_000 {
        let jitter = f64::from(u32::try_from(dice.below(1_000)).expect("small")) / 1_000.0;
        let at = |now: u64| Now { monotonic_ms: now, unix_ms: 1_000_000 + now, jitter };
        if !knows_over && now >= world.over_at {
            knows_over = true;
            step = machine.on(Event::RunOver, at(now)).step;
            continue;
        }
        let over_at = if knows_over { u64::MAX } else { world.over_at };
        let outcome = match step {
            Step::End(end) => return Read { values, end, at: now, faults_until },
            Step::Wait { ms, .. } => {
                (body, pending) = (None, None);
                if over_at < now + ms {
                    let left = now + ms - over_at;
                    now = over_at;
                    step = Step::Wait { ms: left, retry: None };
                    continue;
                }
                now += ms;
                machine.on(Event::Woken, at(now))
            }
            Step::Request(request) => {
                (body, pending) = (None, None);
                now += dice.below(300);
                if outage && dice.one_in(2) {
                    outage = false;
                    out_until = now + dice.below(120_000);
                }
                if now < out_until {
                    faults_until = out_until;
                    let error = Error::new(ErrorCode::Connection, "refused");
                    machine.on(Event::Failed(Failure::Connect(error)), at(now))
                } else {
                    let mut fate = None;
                    if faults > 0 {
                        faults -= 1;
                        faults_until = now;
                        let refusal = |status, pairs: &[(&str, &str)]| (status, headers(pairs));
                        let refused = match dice.below(9) {
                            0 => Some(refusal(503, &[("retry-after", "2")])),
                            1 => Some(refusal(429, &[])),
                            2 => Some(refusal(502, &[])),
                            3 if garbled => {
                                garbled = false;
                                step = machine
                                    .on(
                                        Event::Opened {
                                            status: 200,
                                            headers: &headers(&[("content-type", "text/html")]),
                                        },
                                        at(now),
                                    )
                                    .step;
                                continue;
                            }
                            4 if dead && (world.v2 || !plan.follow || now < world.over_at) => {
                                dead = false;
                                fate = Some(Fate::Dead);
                                None
                            }
                            // Silence after the end of the run is the only sign that v1 has of that end.
                            // v1 cannot tell three of these in a row from its end.
                            5 | 6 if world.v2 || clean < 2 => {
                                clean += 1;
                                fate = Some(Fate::Clean);
                                None
                            }
                            _ => {
                                fate = Some(Fate::Broken);
                                None
                            }
                        };
                        if let Some((status, headers)) = refused {
                            step = machine.on(Event::Refused { status, headers: &headers, body: b"" }, at(now)).step;
                            continue;
                        }
                    }
                    body = Some(answer(world, &request, now, dice, fate));
                    let version: &[(&str, &str)] = if world.v2 { &[("x-stream-version", "v2")] } else { &[] };
                    machine.on(Event::Opened { status: 200, headers: &headers(version) }, at(now))
                }
            }
            Step::Read { quiet_ms } => {
                let open = body.as_mut().expect("a body to read");
                let (due, next) = pending.take().unwrap_or_else(|| open.next());
                let due = due.max(now);
                let quiet = quiet_ms.map_or(SILENCE_MS, |ms| ms.min(SILENCE_MS));
                if over_at < due.min(now + quiet) {
                    pending = Some((due, next));
                    now = over_at;
                    continue;
                }
                if due > now + quiet {
                    pending = Some((due, next));
                    now += quiet;
                    if quiet_ms.is_some_and(|ms| quiet >= ms) {
                        machine.on(Event::Quiet, at(now))
                    } else {
                        faults_until = now;
                        let error = Error::new(ErrorCode::Silent, "silent");
                        machine.on(Event::Failed(Failure::Silent(error)), at(now))
                    }
                } else {
                    now = due;
                    match next {
                        Next::Bytes(bytes) => machine.on(Event::Bytes(&bytes), at(now)),
                        Next::Closed => machine.on(Event::Closed, at(now)),
                        Next::Cut | Next::Never => {
                            let error = Error::new(ErrorCode::Connection, "cut");
                            machine.on(Event::Failed(Failure::Cut(error)), at(now))
                        }
                    }
                }
            }
        };
        // Now and then the reader leaves amid a batch, and another one resumes at its position.
        let leaves_at = (visits > 0 && dice.one_in(10)).then(|| dice.below(outcome.chunks.len() as u64));
        step = outcome.step;
        for (at, chunk) in outcome.chunks.iter().enumerate() {
            values.push(chunk.json.as_deref().expect("a value").parse().expect("a number"));
            if let Some(place) = chunk.position.filter(|_| leaves_at == Some(at as u64)) {
                visits -= 1;
                let place = place.to_string().parse().expect("a place");
                machine = Machine::new(Plan { start: Start::At(place), ..plan }, Limits::default());
                (knows_over, body, pending) = (!plan.follow, None, None);
                step = machine.start();
                break;
            }
        }
    }
    panic!("it never ends: {now} {values:?}");
}

fn check(seed: u64, v2: bool, follow: bool) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..4 {
        dice.below(2);
    }
    let world = World::new(&mut dice, v2);
    let timeout_s = if follow { None } else { Some(u16::try_from(1 + dice.below(90)).expect("small")) };
    let read = read(&world, Plan { start: Start::Beginning, timeout_s, follow }, &mut dice);
    let all = world.values();
    let of = format!("seed {seed}, v2 {v2}, follow {follow}: {:?} at {}", read.end, read.at);
    let ending = *read.end.as_ref().unwrap_or_else(|error| panic!("{of}: {error}"));
    if follow {
        assert_eq!(read.values, all, "{of}");
        assert_eq!(ending, Ending::Complete, "{of}");
        assert!(read.at >= world.over_at, "{of}: before the run is over");
        let due = world.over_at.max(read.faults_until) + BOUND_MS;
        assert!(read.at <= due, "{of}: due at {due}");
        return;
    }
    assert_eq!(read.values, all[..read.values.len()], "{of}");
    // Idle: nothing was written for the time asked. Every value written before that time has come.
    let wait = u64::from(timeout_s.unwrap_or_default()) * 1_000;
    let before = world.entries.iter().filter(|entry| entry.at + wait <= read.at).filter(|entry| entry.value.is_some());
    assert!(read.values.len() >= before.count(), "{of}: {:?} of {all:?}", read.values);
}

/// Plays a server in either version, for a reader that follows a run and for one that does not.
fn play(seed: u64) {
    for (v2, follow) in [(false, false), (false, true), (true, false), (true, true)] {
        check(seed, v2, follow);
    }
}

/// With `TRIGGER_NATIVE_FUZZ_SECONDS`, for so many seconds and from a random seed, or from `TRIGGER_NATIVE_FUZZ_FROM`;
/// with `TRIGGER_NATIVE_FUZZ_SEED`, that one alone, which a failure names.
#[test]
fn a_reader_gets_every_value_once_and_ends_with_the_run_whatever_becomes_of_its_connections() {
    let told = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = told("TRIGGER_NATIVE_FUZZ_SEED") {
        return play(seed);
    }
    let Some(seconds) = told("TRIGGER_NATIVE_FUZZ_SECONDS") else { return (0..SEEDS).for_each(play) };
    let random = || u64::from(u32::from_le_bytes(trigger_native::random::bytes()));
    let first = told("TRIGGER_NATIVE_FUZZ_FROM").unwrap_or_else(random);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let mut seed = first;
    while std::time::Instant::now() < end {
        play(seed);
        seed += 1;
    }
    println!("{} scenarios from seed {first}, {} answers checked", 4 * (seed - first), 4 * (seed - first));
}
