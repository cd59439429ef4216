//! Validation of triggers, batches and wait tokens as by the server's schemas: a 400 with the server's text, which
//! names the path (recorded: `calls-trigger`, `calls-batch`; the schemas are the published ones of
//! `@trigger.dev/core`).

use serde_json::{Map, Value};

/// The longest idempotency key, in characters.
const MAX_IDEMPOTENCY_KEY: usize = 2_048;
/// The longest tag, in characters. The server's text says "less than", but it accepts this many.
const MAX_TAG_LENGTH: usize = 128;
/// The machines that a run can ask for.
const MACHINES: [&str; 7] = ["micro", "small-1x", "small-2x", "medium-1x", "medium-2x", "large-1x", "large-2x"];

/// The type of a value.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Number,
    Integer,
    Flag,
}

/// The options of a trigger that have one type each.
const OPTIONS: [(&str, Kind); 13] = [
    ("idempotencyKeyTTL", Kind::Text),
    ("lockToVersion", Kind::Text),
    ("maxAttempts", Kind::Integer),
    ("maxDuration", Kind::Number),
    ("metadataType", Kind::Text),
    ("parentAttempt", Kind::Text),
    ("parentBatch", Kind::Text),
    ("parentRunId", Kind::Text),
    ("payloadType", Kind::Text),
    ("priority", Kind::Number),
    ("region", Kind::Text),
    ("resumeParentOnCompletion", Kind::Flag),
    ("test", Kind::Flag),
];

/// Validates the options of a trigger or of a batch's item. `Err` is the error's text.
pub(super) fn options(options: &Map<String, Value>) -> Result<(), String> {
    for (name, kind) in OPTIONS {
        if let Some(value) = options.get(name) {
            of_kind(value, kind, &format!("options.{name}"))?;
        }
    }
    idempotency_key(options, "options.")?;
    machine(options.get("machine"))?;
    queue(options.get("queue"))?;
    tags(options.get("tags"), "options.tags")?;
    ttl(options.get("ttl"))
}

/// Validates the body of a wait token. `Err` is the error's text.
pub(super) fn wait_token(given: &Map<String, Value>) -> Result<(), String> {
    if let Some(value) = given.get("idempotencyKeyTTL") {
        of_kind(value, Kind::Text, "idempotencyKeyTTL")?;
    }
    idempotency_key(given, "")?;
    tags(given.get("tags"), "tags")
}

/// Validates the `idempotencyKey` below the path `place`.
pub(super) fn idempotency_key(given: &Map<String, Value>, place: &str) -> Result<(), String> {
    let Some(key) = given.get("idempotencyKey") else { return Ok(()) };
    let place = format!("{place}idempotencyKey");
    of_kind(key, Kind::Text, &place)?;
    if key.as_str().is_some_and(|key| key.chars().count() > MAX_IDEMPOTENCY_KEY) {
        return wrong(&format!("IdempotencyKey must be {MAX_IDEMPOTENCY_KEY} characters or less"), &place);
    }
    Ok(())
}

fn of_kind(value: &Value, kind: Kind, place: &str) -> Result<(), String> {
    let (fits, expected) = match kind {
        Kind::Text => (value.is_string(), "string"),
        Kind::Number => (value.is_number(), "number"),
        Kind::Flag => (value.is_boolean(), "boolean"),
        Kind::Integer if value.is_number() => (value.is_i64() || value.is_u64(), "integer"),
        Kind::Integer => (false, "number"),
    };
    if fits { Ok(()) } else { unexpected(expected, value, place) }
}

fn machine(machine: Option<&Value>) -> Result<(), String> {
    match machine {
        Some(Value::String(name)) if MACHINES.contains(&name.as_str()) => Ok(()),
        Some(Value::String(name)) => {
            let all: Vec<String> = MACHINES.iter().map(|name| format!("'{name}'")).collect();
            let message = format!("Invalid enum value. Expected {}, received '{name}'", all.join(" | "));
            wrong(&message, "options.machine")
        }
        Some(other) => unexpected("string", other, "options.machine"),
        None => Ok(()),
    }
}

fn queue(queue: Option<&Value>) -> Result<(), String> {
    match queue {
        None => Ok(()),
        Some(Value::Object(queue)) => match queue.get("name") {
            Some(name) => of_kind(name, Kind::Text, "options.queue.name"),
            None => wrong("Required", "options.queue.name"),
        },
        Some(other) => unexpected("object", other, "options.queue"),
    }
}

/// Validates tags: a text, or a list of texts.
fn tags(tags: Option<&Value>, place: &str) -> Result<(), String> {
    let short = |tag: &str, place: &str| {
        if tag.chars().count() <= MAX_TAG_LENGTH {
            return Ok(());
        }
        wrong(&format!("Tags must be less than {MAX_TAG_LENGTH} characters"), place)
    };
    match tags {
        None => Ok(()),
        Some(Value::String(tag)) => short(tag, place),
        Some(Value::Array(tags)) => tags.iter().enumerate().try_for_each(|(index, tag)| {
            let place = format!("{place}[{index}]");
            match tag {
                Value::String(tag) => short(tag, &place),
                other => unexpected("string", other, &place),
            }
        }),
        Some(other) => unexpected("string or array", other, place),
    }
}

/// Tags as a list. They were validated before.
pub(super) fn listed(tags: Option<&Value>) -> Vec<String> {
    match tags {
        Some(Value::String(tag)) => vec![tag.clone()],
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Vec::new(),
    }
}

/// Validates a time to live: a duration, or whole seconds.
fn ttl(ttl: Option<&Value>) -> Result<(), String> {
    match ttl {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Number(seconds)) if seconds.as_u64().is_some() => Ok(()),
        Some(Value::Number(seconds)) if seconds.as_i64().is_some() => {
            wrong("Number must be greater than or equal to 0", "options.ttl")
        }
        Some(Value::Number(_)) => wrong("Expected integer, received float", "options.ttl"),
        Some(other) => unexpected("string or number", other, "options.ttl"),
    }
}

fn unexpected(expected: &str, value: &Value, place: &str) -> Result<(), String> {
    let received = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if expected == "integer" => "float",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    wrong(&format!("Expected {expected}, received {received}"), place)
}

fn wrong(message: &str, place: &str) -> Result<(), String> {
    Err(format!("Validation error: {message} at \"{place}\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(given: Value) -> Option<String> {
        options(given.as_object().expect("an object")).err()
    }

    #[test]
    fn a_trigger_that_the_server_refuses_is_refused_with_its_place() {
        for (given, message) in [
            (json!({ "ttl": -1 }), "Number must be greater than or equal to 0 at \"options.ttl\""),
            (json!({ "ttl": 1.5 }), "Expected integer, received float at \"options.ttl\""),
            (json!({ "tags": 5 }), "Expected string or array, received number at \"options.tags\""),
            (json!({ "tags": ["a", 5] }), "Expected string, received number at \"options.tags[1]\""),
            (json!({ "tags": "x".repeat(129) }), "Tags must be less than 128 characters at \"options.tags\""),
            (json!({ "maxAttempts": "3" }), "Expected number, received string at \"options.maxAttempts\""),
            (json!({ "maxAttempts": 1.5 }), "Expected integer, received float at \"options.maxAttempts\""),
            (json!({ "test": "yes" }), "Expected boolean, received string at \"options.test\""),
            (json!({ "queue": {} }), "Required at \"options.queue.name\""),
            (json!({ "idempotencyKey": null }), "Expected string, received null at \"options.idempotencyKey\""),
        ] {
            assert_eq!(refusal(given.clone()), Some(format!("Validation error: {message}")), "{given}");
        }
        let machine = refusal(json!({ "machine": "huge" })).expect("refused");
        assert!(machine.contains("received 'huge' at \"options.machine\""), "{machine}");
        let key = refusal(json!({ "idempotencyKey": "é".repeat(2_049) })).expect("refused");
        assert!(key.contains("2048 characters or less"), "{key}");
    }

    #[test]
    fn what_the_server_takes_is_taken() {
        let given = json!({
            "ttl": 0, "tags": ["a"], "machine": "micro", "maxAttempts": -1, "test": false, "queue": { "name": "q" },
            "idempotencyKey": "é".repeat(2_048), "concurrencyKey": 5, "delay": "soon", "unknown": [1],
        });
        assert_eq!(refusal(given), None);
        assert_eq!(refusal(json!({ "ttl": "nonsense", "tags": "x".repeat(128), "machine": "large-2x" })), None);
    }
}
