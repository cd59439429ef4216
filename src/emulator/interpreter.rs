//! Interprets a script, one step at a time. Pure: the driver waits and writes.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::lifecycle::{Change, Failure};
use super::packet::Packet;
use super::script::{Fail, Step, Task, WaitToken};

/// The next action of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// A wait of so many milliseconds, at speed 1.
    Wait(u64),
    /// A change of the row.
    Change(Change),
    /// A chunk of a stream: its key and its value.
    Chunk(String, Value),
    /// A wait for a wait token. [`Interpreter::resume`] gives the result to the script.
    Token(WaitToken),
    /// A wait for input on this stream, of at most so many milliseconds. [`Interpreter::resume`] gives the result to
    /// the script.
    Input(String, Option<u64>),
}

/// A run's position in its script. Repeats are unrolled one number at a time, so that a long script needs no memory.
#[derive(Debug)]
pub(super) struct Interpreter {
    frames: Vec<Frame>,
    payload: Packet,
    result: Value,
    pending: VecDeque<Action>,
    ended: bool,
}

#[derive(Debug)]
struct Frame {
    steps: Arc<[Step]>,
    at: usize,
    count: Option<Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    n: i64,
    to: i64,
    by: i64,
}

impl Interpreter {
    /// An interpreter at the start of `task`, triggered with `payload`.
    pub(super) fn new(task: &Task, payload: Packet) -> Self {
        Self {
            frames: vec![Frame { steps: task.steps.clone(), at: 0, count: None }],
            payload,
            result: Value::Null,
            pending: VecDeque::new(),
            ended: false,
        }
    }

    /// Sets `$result`, the result of the last wait.
    pub(super) fn resume(&mut self, result: Value) {
        self.result = result;
    }

    /// The next action; `None` after the change that ends the run.
    pub(super) fn next(&mut self) -> Option<Action> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(next) = self.pending.pop_front() {
                return Some(next);
            }
            let Some(frame) = self.frames.last_mut() else {
                // A task that returns nothing has no output.
                self.ended = true;
                let nothing = Packet { data: None, data_type: "application/json".into() };
                return Some(Action::Change(Change::Output(nothing)));
            };
            let steps = frame.steps.clone();
            let Some(step) = steps.get(frame.at) else {
                match &mut frame.count {
                    Some(count) if count.n.checked_add(count.by).is_some_and(|next| next <= count.to) => {
                        count.n += count.by;
                        frame.at = 0;
                    }
                    Some(_) | None => {
                        self.frames.pop();
                    }
                }
                continue;
            };
            frame.at += 1;
            if let Some(next) = self.take(step) {
                return Some(next);
            }
        }
    }

    /// Interprets one step. A repeat opens a frame and is no action itself.
    fn take(&mut self, step: &Step) -> Option<Action> {
        let change = match step {
            Step::Wait(ms) => return Some(Action::Wait(*ms)),
            Step::Repeat(repeat) => {
                if repeat.from <= repeat.to && !repeat.steps.is_empty() {
                    let count = Count { n: repeat.from, to: repeat.to, by: repeat.by };
                    self.frames.push(Frame { steps: repeat.steps.clone(), at: 0, count: Some(count) });
                }
                return None;
            }
            Step::Stream(stream) => {
                for (index, chunk) in stream.chunks.iter().enumerate() {
                    if index > 0 && stream.every > 0 {
                        self.pending.push_back(Action::Wait(stream.every));
                    }
                    let chunk = self.fill(chunk);
                    self.pending.push_back(Action::Chunk(stream.key.clone(), chunk));
                }
                return None;
            }
            Step::WaitToken(token) => {
                let token_id = self.fill(&token.token_id);
                return Some(Action::Token(WaitToken { token_id, ..token.clone() }));
            }
            Step::Input(input) => return Some(Action::Input(input.stream.clone(), input.timeout)),
            Step::Status(status) => Change::Status(status.clone()),
            Step::Metadata(patch) => Change::Metadata(self.fill_map(patch)),
            Step::ReplaceMetadata(metadata) => Change::ReplaceMetadata(self.fill_map(metadata)),
            Step::Tag(tag) => Change::Tag(self.fill_text(tag)),
            Step::Output(Value::String(text)) if text == "$payload" => Change::Output(self.payload.clone()),
            Step::Output(value) => Change::Output(Packet::of_output(&self.fill(value))),
            Step::Fail(fail) => Change::Fail(self.failure(fail)),
        };
        self.ended = match &change {
            Change::Output(_) | Change::Fail(_) => true,
            Change::Status(status) => super::lifecycle::is_final(status),
            Change::Metadata(_) | Change::ReplaceMetadata(_) | Change::Tag(_) => false,
        };
        Some(Action::Change(change))
    }

    fn failure(&self, fail: &Fail) -> Failure {
        let message = self.fill_text(&fail.message);
        let stack_trace = fail.stack_trace.clone().unwrap_or_else(|| format!("{}: {message}", fail.name));
        Failure { name: fail.name.clone(), message, stack_trace }
    }

    /// Fills in placeholders: `"$n"` is the number of the innermost repeat, `"$payload"` the payload, `"$result"` the
    /// result of the last wait, `"$payload.a.b"` a part. Inside a longer text `$n` is replaced.
    fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if is_path(text, "$payload") => {
                look_up(self.payload.plain().unwrap_or(Value::Null), text)
            }
            Value::String(text) if is_path(text, "$result") => look_up(self.result.clone(), text),
            Value::String(text) if text == "$n" => self.n().map_or(Value::Null, Value::from),
            Value::String(text) => Value::from(self.fill_text(text)),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(map) => Value::Object(self.fill_map(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn fill_map(&self, map: &Map<String, Value>) -> Map<String, Value> {
        map.iter().map(|(key, value)| (key.clone(), self.fill(value))).collect()
    }

    fn fill_text(&self, text: &str) -> String {
        self.n().map_or_else(|| text.to_owned(), |n| text.replace("$n", &n.to_string()))
    }

    fn n(&self) -> Option<i64> {
        self.frames.iter().rev().find_map(|frame| frame.count).map(|count| count.n)
    }
}

/// Whether a text is `root` or a path below it.
fn is_path(text: &str, root: &str) -> bool {
    text.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The part of `value` that `$root.a.0.b` names; null where there is none.
fn look_up(value: Value, path: &str) -> Value {
    path.split('.').skip(1).fold(value, |value, name| match value {
        Value::Object(mut map) => map.remove(name).unwrap_or(Value::Null),
        Value::Array(mut items) => match name.parse::<usize>() {
            Ok(index) if index < items.len() => items.swap_remove(index),
            Ok(_) | Err(_) => Value::Null,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn play(script: Value, payload: Packet) -> Vec<Action> {
        let task = Task::parse("t", script).expect("a script");
        let mut interpreter = Interpreter::new(&task, payload);
        std::iter::from_fn(|| interpreter.next()).collect()
    }

    fn superjson(data: &str) -> Packet {
        Packet { data: Some(data.into()), data_type: "application/super+json".into() }
    }

    fn metadata(value: Value) -> Action {
        Action::Change(Change::Metadata(value.as_object().cloned().unwrap_or_default()))
    }

    #[test]
    fn a_repeat_counts_and_fills_in_its_number() {
        let script = json!({ "steps": [
            { "repeat": { "from": 0, "to": 50, "by": 25, "steps": [{ "wait": 5 }, { "metadata": { "p": "$n", "l": "$n %" } }] } },
            { "output": { "echo": "$payload" } },
            { "tag": "never" },
        ] });
        let output = Packet::of_output(&json!({ "echo": { "a": 1 } }));
        assert_eq!(
            play(script, superjson(r#"{"json":{"a":1}}"#)),
            [
                Action::Wait(5),
                metadata(json!({ "p": 0, "l": "0 %" })),
                Action::Wait(5),
                metadata(json!({ "p": 25, "l": "25 %" })),
                Action::Wait(5),
                metadata(json!({ "p": 50, "l": "50 %" })),
                Action::Change(Change::Output(output)),
            ]
        );
    }

    #[test]
    fn an_output_that_is_the_payload_keeps_its_types() {
        let payload = superjson(r#"{"json":{"d":"2026-01-02T03:04:05.000Z"},"meta":{"values":{"d":["Date"]}}}"#);
        assert_eq!(
            play(json!({ "steps": [{ "output": "$payload" }] }), payload.clone()),
            [Action::Change(Change::Output(payload))]
        );
    }

    #[test]
    fn repeats_nest_and_an_empty_one_is_passed_over() {
        let script = json!({ "steps": [
            { "repeat": { "to": 2, "steps": [{ "repeat": { "to": 2, "steps": [{ "tag": "t$n" }] } }] } },
            { "repeat": { "from": 3, "to": 2, "steps": [{ "tag": "no" }] } },
            { "repeat": { "to": 2, "steps": [] } },
            { "status": "CRASHED" },
        ] });
        let tags: Vec<Action> = ["t1", "t2", "t1", "t2"].map(|tag| Action::Change(Change::Tag(tag.into()))).into();
        let played = play(script, superjson("{}"));
        assert_eq!(played[..4], tags);
        assert_eq!(played[4..], [Action::Change(Change::Status("CRASHED".into()))]);
    }

    #[test]
    fn a_stream_is_written_chunk_by_chunk_and_a_result_is_filled_in() {
        let script = json!({ "steps": [
            { "stream": { "key": "ai", "chunks": [{ "n": "$payload.list.1" }, "two"], "every": 50 } },
            { "input": { "stream": "approval", "timeout": 9 } },
            { "metadata": { "by": "$result.who.name", "none": "$result.nothing.at.all" } },
        ] });
        let task = Task::parse("t", script).expect("a script");
        let mut interpreter = Interpreter::new(&task, superjson(r#"{"json":{"list":[1,2]}}"#));
        assert_eq!(interpreter.next(), Some(Action::Chunk("ai".into(), json!({ "n": 2 }))));
        assert_eq!(interpreter.next(), Some(Action::Wait(50)));
        assert_eq!(interpreter.next(), Some(Action::Chunk("ai".into(), json!("two"))));
        assert_eq!(interpreter.next(), Some(Action::Input("approval".into(), Some(9))));
        interpreter.resume(json!({ "who": { "name": "Ada" } }));
        assert_eq!(interpreter.next(), Some(metadata(json!({ "by": "Ada", "none": null }))));
    }

    #[test]
    fn a_task_that_returns_nothing_ends_without_an_output() {
        let nothing = Packet { data: None, data_type: "application/json".into() };
        assert_eq!(play(json!({}), superjson("{}")), [Action::Change(Change::Output(nothing))]);
    }
}
