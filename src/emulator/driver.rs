//! Drives one run by the emulator's clock: the delay, the queue, the script.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::column::Column;
use super::effects;
use super::engine::Engine;
use super::interpreter::{Action, Interpreter};
use super::lifecycle::{self, Change};
use super::packet::Packet;
use super::row::Row;
use super::run::{Effect, Run};
use super::script::Task;
use crate::timestamp::parse_utc;

/// How long a worker takes from the dequeue of a run to its code, in milliseconds at speed 1 (recorded: about 100 to
/// 700 ms).
const START_MS: u64 = 100;

/// The plan of a run.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its task.
    pub(super) task: Arc<Task>,
    /// Its payload.
    pub(super) payload: Packet,
    /// The most that the run may stay in its queue, in milliseconds.
    pub(super) ttl_ms: Option<u64>,
}

/// Drives `run` to its end. Returns early when the run ends otherwise, by a cancel.
pub(super) async fn drive(run: Arc<Run>, plan: Plan, engine: Arc<Engine>) {
    let mut ended = run.follow();
    tokio::select! {
        () = play(&run, plan, &engine) => {}
        _ = ended.wait_for(|row| lifecycle::is_final(row.status())) => {}
    }
}

async fn play(run: &Arc<Run>, plan: Plan, engine: &Engine) {
    let change = |step: &dyn Fn(&mut Row, u64) -> bool| {
        let now = engine.now_ms();
        run.change(now, |row| if step(row, now) { Effect::Notify } else { Effect::None }) != Effect::None
    };
    if run.row().status() == "DELAYED" {
        delay(run, engine).await;
        if !change(&lifecycle::queue) {
            return;
        }
    }
    let wait = plan.task.queued.map(|ms| scaled(ms, engine.speed));
    let ttl = plan.ttl_ms.map(Duration::from_millis);
    match (wait, ttl) {
        (Some(wait), None) => engine.clock.sleep(wait).await,
        (Some(wait), Some(ttl)) if wait <= ttl => engine.clock.sleep(wait).await,
        (_, Some(ttl)) => {
            engine.clock.sleep(ttl).await;
            change(&lifecycle::expire);
            return;
        }
        (None, None) => std::future::pending().await,
    }
    if !change(&lifecycle::dequeue) {
        return;
    }
    engine.clock.sleep(scaled(START_MS, engine.speed)).await;
    if !change(&lifecycle::execute) {
        return;
    }
    let mut interpreter = Interpreter::new(&plan.task, plan.payload);
    // Waits are counted from one start, so that a long script does not drift.
    let mut due = engine.clock.moment();
    while let Some(next) = interpreter.next() {
        match next {
            Action::Wait(ms) => {
                due = due.saturating_add(scaled(ms, engine.speed));
                engine.clock.sleep_until(due).await;
            }
            Action::Change(step) => {
                let step = match step {
                    Change::Output(output) => Change::Output(effects::stored(run, engine, output)),
                    other => other,
                };
                if !change(&|row, now| lifecycle::apply(row, &step, now)) {
                    return;
                }
                // A script without waits would else occupy its thread.
                tokio::task::yield_now().await;
            }
            Action::Chunk(key, data) => {
                effects::write(run, engine, &key, &data);
                tokio::task::yield_now().await;
            }
            Action::Token(token) => {
                interpreter.resume(effects::wait_token(run, engine, &token).await);
                due = engine.clock.moment();
            }
            Action::Input(stream, timeout) => {
                let timeout = timeout.map(|ms| scaled(ms, engine.speed));
                interpreter.resume(effects::input(run, engine, stream, timeout).await);
                due = engine.clock.moment();
            }
        }
    }
}

/// Waits until the run's delay is over. A reschedule moves its end.
async fn delay(run: &Run, engine: &Engine) {
    let mut versions = run.follow();
    loop {
        let until = versions.borrow_and_update().get(Column::DelayUntil).and_then(parse_utc).unwrap_or(0);
        let left = until.saturating_sub(engine.now_ms());
        if left == 0 {
            return;
        }
        // The loop checks again, whether the time is over or the run changed.
        let _ = engine.clock.timeout(Duration::from_millis(left), versions.changed()).await;
    }
}

fn scaled(ms: u64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(Duration::from_millis(ms).as_secs_f64() / speed).unwrap_or(Duration::MAX)
}

/// Runs `future` in the background until the engine stops. A manual clock waits for it.
pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static, engine: &Engine) {
    let stop = engine.stop.clone();
    let future = async move { stop.run_until_cancelled_owned(future).await };
    match engine.clock.as_manual() {
        Some(clock) => {
            tokio::spawn(clock.track(future));
        }
        None => {
            tokio::spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::options::Options;
    use crate::serve::clock::Clock;
    use crate::serve::stream::{StreamName, StreamVersion};
    use serde_json::{Value, json};
    use std::sync::Mutex;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    /// The time of a version, in milliseconds since the start, and its status.
    type Seen = Mutex<Vec<(u64, String)>>;

    fn start(
        script: Value,
        change: impl FnOnce(&mut Plan, &mut Row),
        speed: f64,
    ) -> (Arc<Run>, Arc<Seen>, Arc<Engine>) {
        let begin = Instant::now();
        let clock = Clock::from_fn(move || 10_000 + u64::try_from(begin.elapsed().as_millis()).unwrap_or(0));
        let options = Options::parse(&json!({ "speed": speed }).to_string()).expect("options");
        let engine = Engine::new(options, clock, CancellationToken::new());
        let mut row = Row::new("1", "run_1", "t", 10_000);
        let mut plan = Plan {
            task: Arc::new(Task::parse("t", script).expect("a script")),
            payload: Packet { data: None, data_type: "application/json".into() },
            ttl_ms: None,
        };
        change(&mut plan, &mut row);
        let run = Arc::new(Run::new(engine.store.journal(), 0, row).streaming(StreamVersion::V2));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut versions, log) = (run.follow(), seen.clone());
        tokio::spawn(async move {
            while versions.changed().await.is_ok() {
                let row = versions.borrow_and_update().clone();
                log.lock().expect("a log").push((row.updated_ms() - 10_000, row.status().to_owned()));
            }
        });
        tokio::spawn(drive(run.clone(), plan, engine.clone()));
        (run, seen, engine)
    }

    fn log(seen: &Seen) -> Vec<(u64, String)> {
        seen.lock().expect("a log").clone()
    }

    fn steps(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(at, status)| (*at, (*status).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_run_queues_starts_and_completes_in_time() {
        let script = json!({ "queued": 100, "steps": [{ "wait": 1000 }, { "output": 1 }] });
        let (run, seen, _) = start(
            script,
            |_, row| {
                row.set_time(Column::DelayUntil, Some(15_000));
                row.set(Column::Status, Some("DELAYED"));
            },
            2.0,
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
        let seen = log(&seen);
        assert_eq!(seen.first(), Some(&(5_000, "PENDING".into())));
        assert_eq!(seen.last().map(|(_, status)| status.as_str()), Some("COMPLETED_SUCCESSFULLY"));
        // 50 ms in the queue, 50 to start and 500 of script, at twice the speed.
        assert!(seen.last().is_some_and(|(at, _)| (5_600..5_610).contains(at)), "{seen:?}");
        assert_eq!(run.row().get(Column::QueuedAt), Some("1970-01-01T00:00:15.000"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_nobody_takes_expires_by_its_ttl() {
        let (run, seen, _) = start(
            json!({ "queued": null }),
            |plan, row| {
                plan.ttl_ms = Some(2_000);
                row.set(Column::Ttl, Some("2s"));
            },
            1.0,
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(log(&seen), steps(&[(2_000, "EXPIRED")]));
        assert!(run.row().get(Column::Error).is_some_and(|error| error.contains("TTL (2s)")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_run_does_nothing_more() {
        let script = json!({ "queued": 0, "steps": [{ "wait": 5_000 }, { "tag": "late" }, { "output": 1 }] });
        let (run, ..) = start(script, |_, _| (), 1.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        run.change(11_000, |row| if lifecycle::cancel(row, 11_000) { Effect::Notify } else { Effect::None });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((run.row().status(), run.row().tags().len()), ("CANCELED", 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rescheduled_run_starts_when_it_was_moved_to() {
        let delayed = |_: &mut Plan, row: &mut Row| {
            row.set_time(Column::DelayUntil, Some(1_000_000));
            row.set(Column::Status, Some("DELAYED"));
        };
        let (run, seen, _) = start(json!({ "queued": 100 }), delayed, 1.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        run.change(11_000, |row| {
            row.set_time(Column::DelayUntil, Some(13_000));
            Effect::Notify
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(log(&seen)[..2], steps(&[(1_000, "DELAYED"), (3_000, "PENDING")]));
        assert_eq!(run.row().status(), "COMPLETED_SUCCESSFULLY");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_writes_streams_and_waits_for_a_token_and_for_input() {
        let script = json!({ "queued": 0, "steps": [
            { "stream": { "key": "ai", "chunks": ["one", { "two": 2 }], "every": 50 } },
            { "waitToken": { "timeout": "5m" } },
            { "metadata": { "answer": "$result.output" } },
            { "input": { "stream": "approval" } },
            { "output": "$result.ok" },
        ] });
        let (run, _, engine) = start(script, |_, _| (), 1.0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let row = run.row();
        assert_eq!((row.status(), row.streams()), ("EXECUTING", &["ai".to_owned()][..]));
        assert_eq!(run.stream(StreamName::Output("ai".into())).from(0).len(), 2);
        let metadata: Value = serde_json::from_str(row.get(Column::Metadata).expect("metadata")).expect("JSON");
        let token = engine.waitpoints.find(0, metadata["tokenId"].as_str().expect("an id")).expect("a token");
        token.complete(engine.now_ms(), Some(&json!("yes")));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(run.row().get(Column::Metadata).is_some_and(|text| text.contains(r#""answer":"yes""#)));
        run.stream(StreamName::Input("approval".into())).append_value(1, &json!(r#"{"ok":true}"#), "inp_1");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            (run.row().status(), run.row().get(Column::Output)),
            ("COMPLETED_SUCCESSFULLY", Some(r#"{"json":true}"#))
        );
    }
}
