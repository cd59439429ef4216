//! Scripted tasks, parsed from JSON. Described in docs/emulator.md.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorCode, Result};

/// How long a run is queued by default, in milliseconds.
const QUEUED_MS: u64 = 150;

/// The most steps of one run, with its repeats unrolled.
const MAX_STEPS: u64 = 1_000_000;

/// The task for every name without a task.
pub(super) const ANY_TASK: &str = "*";

/// The tasks of an emulator by name.
#[derive(Clone, Debug)]
pub(super) struct Tasks(HashMap<String, Arc<Task>>);

/// One scripted task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Task {
    /// How long a run is queued, in milliseconds; null is for ever.
    #[serde(default = "default_queue")]
    pub(super) queued: Option<u64>,
    /// Its steps. Without an `output` or `fail` the run ends without an output.
    #[serde(default, deserialize_with = "shared")]
    pub(super) steps: Arc<[Step]>,
    /// Whether it is built in.
    #[serde(skip)]
    pub(super) is_built_in: bool,
}

/// One step of a task: an object with one key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Step {
    /// Waits so many milliseconds.
    Wait(u64),
    /// Sets the raw status.
    Status(String),
    /// Sets these keys of the metadata.
    Metadata(Map<String, Value>),
    /// Replaces the metadata.
    ReplaceMetadata(Map<String, Value>),
    /// Adds a tag.
    Tag(String),
    /// Ends the run with this output.
    Output(Value),
    /// Ends the run with this error.
    Fail(Fail),
    /// Repeats its steps.
    Repeat(Repeat),
    /// Writes chunks to a stream of the run.
    Stream(Stream),
    /// Waits until a wait token is completed or times out.
    WaitToken(WaitToken),
    /// Waits for input.
    Input(Input),
}

/// The chunks of a `stream` step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    /// The stream's key.
    pub(super) key: String,
    /// The values, each JSON.
    pub(super) chunks: Vec<Value>,
    /// The gap between two chunks, in milliseconds; 0 by default.
    #[serde(default)]
    pub(super) every: u64,
}

/// The token of a `waitToken` step.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WaitToken {
    /// The id of an existing token; a new one is made without it, or for null.
    #[serde(default)]
    pub(super) token_id: Value,
    /// The metadata key for a new token's id; `tokenId` by default.
    #[serde(default = "default_token_key")]
    pub(super) metadata: String,
    /// A new token's timeout, as in the API: `10m` by default.
    pub(super) timeout: Option<String>,
    /// A new token's tags.
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

/// The stream of an `input` step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The input stream's id.
    pub(super) stream: String,
    /// The timeout, in milliseconds; for ever by default.
    pub(super) timeout: Option<u64>,
}

/// The error of a `fail` step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Fail {
    /// Its name; `Error` by default.
    #[serde(default = "default_name")]
    pub(super) name: String,
    /// Its message.
    pub(super) message: String,
    /// Its stack; by default the name and the message.
    pub(super) stack_trace: Option<String>,
}

/// Counts `$n` from `from` to `to`, both included, in steps of `by`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeat {
    /// The first `$n`; 1 by default.
    #[serde(default = "one")]
    pub(super) from: i64,
    /// The last `$n`.
    pub(super) to: i64,
    /// The increment of `$n`; 1 by default, never below 1.
    #[serde(default = "one")]
    pub(super) by: i64,
    /// The repeated steps.
    #[serde(deserialize_with = "shared")]
    pub(super) steps: Arc<[Step]>,
}

impl Tasks {
    /// The built-in tasks, with `scripts` added or in their place.
    ///
    /// # Errors
    /// `ERR_INVALID_SCRIPT`, with the task and the reason.
    pub(super) fn new(scripts: Map<String, Value>) -> Result<Self> {
        let mut tasks = HashMap::new();
        let built_in: Map<String, Value> = serde_json::from_str(include_str!("tasks.json"))
            .map_err(|error| Error::new(ErrorCode::Internal, "the built-in tasks").with_source(error))?;
        for (name, script) in built_in {
            let task = Task::parse(&name, script)?;
            tasks.insert(name, Arc::new(Task { is_built_in: true, ..task }));
        }
        for (name, script) in scripts {
            let task = Task::parse(&name, script)?;
            tasks.insert(name, Arc::new(task));
        }
        Ok(Self(tasks))
    }

    /// All tasks but `*`, sorted by name.
    pub(super) fn list(&self) -> Vec<(&str, &Task)> {
        let mut names: Vec<_> =
            self.0.iter().filter(|(name, _)| *name != ANY_TASK).map(|(name, task)| (name.as_str(), &**task)).collect();
        names.sort_by_key(|(name, _)| *name);
        names
    }

    /// The task with that name, else `*`.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Task>> {
        self.0.get(name).or_else(|| self.0.get(ANY_TASK)).cloned()
    }
}

impl Task {
    /// The input streams that it reads, and the streams that it writes, each in the order of first use.
    pub(super) fn streams(&self) -> (Vec<&str>, Vec<&str>) {
        fn add<'a>(names: &mut Vec<&'a str>, name: &'a str) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        fn collect<'a>(steps: &'a [Step], inputs: &mut Vec<&'a str>, outputs: &mut Vec<&'a str>) {
            for step in steps {
                match step {
                    Step::Input(input) => add(inputs, &input.stream),
                    Step::Stream(stream) => add(outputs, &stream.key),
                    Step::Repeat(repeat) => collect(&repeat.steps, inputs, outputs),
                    Step::Wait(_)
                    | Step::Status(_)
                    | Step::Metadata(_)
                    | Step::ReplaceMetadata(_)
                    | Step::Tag(_)
                    | Step::Output(_)
                    | Step::Fail(_)
                    | Step::WaitToken(_) => {}
                }
            }
        }
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        collect(&self.steps, &mut inputs, &mut outputs);
        (inputs, outputs)
    }

    /// Parses one task.
    ///
    /// # Errors
    /// `ERR_INVALID_SCRIPT`.
    pub(super) fn parse(name: &str, script: Value) -> Result<Self> {
        let refuse = |why: String| Error::new(ErrorCode::InvalidScript, format!("task \"{name}\": {why}"));
        // serde would read an array as a struct's fields in order.
        if !script.is_object() {
            return Err(refuse("it is not an object".into()));
        }
        let task: Self = serde_json::from_value(script).map_err(|error| refuse(error.to_string()))?;
        match count(&task.steps) {
            Ok(steps) if steps <= MAX_STEPS => Ok(task),
            Ok(_) => Err(refuse(format!("more than {MAX_STEPS} steps"))),
            Err(why) => Err(refuse(why.into())),
        }
    }
}

/// How many steps a run takes, with repeats unrolled. Refuses an endless script.
fn count(steps: &[Step]) -> std::result::Result<u64, &'static str> {
    let mut total: u64 = 0;
    for step in steps {
        let taken = match step {
            Step::Repeat(repeat) => {
                if repeat.by < 1 {
                    return Err("`by` of a repeat is at least 1");
                }
                let span = i128::from(repeat.to) - i128::from(repeat.from);
                let times =
                    if span < 0 { 0 } else { u64::try_from(span / i128::from(repeat.by) + 1).unwrap_or(u64::MAX) };
                count(&repeat.steps)?.saturating_add(1).saturating_mul(times)
            }
            Step::Wait(_)
            | Step::Status(_)
            | Step::Metadata(_)
            | Step::ReplaceMetadata(_)
            | Step::Tag(_)
            | Step::Output(_)
            | Step::Fail(_)
            | Step::WaitToken(_)
            | Step::Input(_) => 1,
            Step::Stream(stream) => u64::try_from(stream.chunks.len()).unwrap_or(u64::MAX).saturating_add(1),
        };
        total = total.saturating_add(taken);
    }
    Ok(total)
}

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Arc<[Step]>, D::Error> {
    Vec::<Step>::deserialize(deserializer).map(Into::into)
}

#[allow(clippy::unnecessary_wraps, reason = "serde wants the field's own type, whose null is `for ever`")]
fn default_queue() -> Option<u64> {
    Some(QUEUED_MS)
}

fn default_name() -> String {
    "Error".into()
}

fn default_token_key() -> String {
    "tokenId".into()
}

fn one() -> i64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_built_in_tasks_are_valid_and_can_be_replaced() {
        let tasks = Tasks::new(json!({ "hello": { "queued": null } }).as_object().cloned().unwrap_or_default())
            .expect("valid scripts");
        assert_eq!(tasks.find("hello").and_then(|task| task.queued), None);
        assert_eq!(tasks.find("slow").and_then(|task| task.queued), Some(QUEUED_MS));
        assert!(tasks.find("anything else").is_some());
    }

    #[test]
    fn a_script_that_cannot_be_right_says_why() {
        for (script, part) in [
            (json!([]), "object"),
            (json!({ "step": [] }), "unknown field"),
            (json!({ "steps": [{ "sleep": 3 }] }), "sleep"),
            (json!({ "steps": [{ "wait": "3s" }] }), "invalid type"),
            (json!({ "steps": [{ "repeat": { "to": 3, "by": 0, "steps": [] } }] }), "by"),
            (json!({ "steps": [{ "repeat": { "to": 9_000_000, "steps": [{ "wait": 0 }] } }] }), "1000000 steps"),
            (json!({ "steps": [{ "repeat": { "from": i64::MIN, "to": i64::MAX, "steps": [] } }] }), "steps"),
        ] {
            let error = Task::parse("mine", script).expect_err(part);
            assert_eq!(error.code(), ErrorCode::InvalidScript);
            assert!(error.message().contains("\"mine\"") && error.message().contains(part), "{}", error.message());
        }
    }
}
