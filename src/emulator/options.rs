//! The options of an emulator, parsed from JSON. Described in docs/emulator.md.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::{AdditionalKey, Environment};
use super::fault;
use super::script::Tasks;
use crate::config::{Endpoint, KeyKind};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::Secret;
use crate::serve::clock::Clock;
use crate::timestamp::parse_utc;

/// The default root key, plainly no secret.
pub(super) const DEFAULT_KEY: &str = "tr_dev_emulatornotasecret";
const DEFAULT_ENVIRONMENT: &str = "cemulatorenvironment00001";
/// 2026-01-01T00:00:00Z, the default start of a manual clock.
const DEFAULT_NOW_MS: u64 = 1_767_225_600_000;
/// The end of the year 9999. A later timestamp would need a fifth digit.
pub(super) const LATEST_MS: u64 = 253_402_300_799_999;

/// Checked options.
#[derive(Debug)]
pub(super) struct Options {
    /// The port on 127.0.0.1; 0 is any free one.
    pub(super) port: u16,
    /// The speed that divides the times of scripts.
    pub(super) speed: f64,
    /// The mean hold of a live poll.
    pub(super) hold: Duration,
    /// How long a change of a run is remembered for its next live poll; `None` is for ever.
    pub(super) memory: Option<Duration>,
    /// The most runs in memory.
    pub(super) max_runs: usize,
    /// The environments; the first is the main one.
    pub(super) environments: Vec<Environment>,
    /// The tasks.
    pub(super) tasks: Tasks,
    /// The faults, not checked yet.
    pub(super) faults: Vec<fault::FaultOptions>,
    /// The start of a manual clock, in Unix milliseconds; `None` is the system's clock.
    pub(super) stands_at_ms: Option<u64>,
    /// The folder of the built page; `None` is no page.
    pub(super) page: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct RawOptions {
    port: u16,
    speed: f64,
    hold_ms: u64,
    memory_ms: Option<u64>,
    max_runs: usize,
    secret_key: String,
    environment_id: String,
    additional_keys: Vec<RawKey>,
    environments: Vec<RawEnvironment>,
    tasks: Map<String, Value>,
    max_connections: Option<usize>,
    faults: Vec<fault::FaultOptions>,
    clock: RawClock,
    now: Option<Value>,
    page_directory: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum RawClock {
    /// The system's clock.
    #[default]
    System,
    /// A manual clock.
    Manual,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    key: String,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawEnvironment {
    id: String,
    secret_key: String,
    #[serde(default)]
    additional_keys: Vec<RawKey>,
    max_connections: Option<usize>,
}

impl Default for RawOptions {
    fn default() -> Self {
        Self {
            port: 0,
            speed: 1.0,
            hold_ms: 20_000,
            memory_ms: None,
            max_runs: 100_000,
            secret_key: DEFAULT_KEY.into(),
            environment_id: DEFAULT_ENVIRONMENT.into(),
            additional_keys: Vec::new(),
            environments: Vec::new(),
            tasks: Map::new(),
            max_connections: None,
            faults: Vec::new(),
            clock: RawClock::System,
            now: None,
            page_directory: None,
        }
    }
}

impl Options {
    /// Parses and checks options. An empty text is all defaults.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTIONS`, `ERR_INVALID_SCRIPT`.
    pub(super) fn parse(json: &str) -> Result<Self> {
        let text = json.trim();
        if !text.is_empty() && !text.starts_with('{') {
            // serde would read an array as the options in order.
            return Err(refuse("they are not a JSON object"));
        }
        let raw: RawOptions = if text.is_empty() {
            RawOptions::default()
        } else {
            // The error names the position only: its text could quote a key.
            serde_json::from_str(text).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => refuse(&data_error(&error)),
                serde_json::error::Category::Io
                | serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof => refuse("they are not JSON"),
            })?
        };
        if !(raw.speed.is_finite() && raw.speed > 0.0) {
            return Err(refuse("`speed` is a number above 0"));
        }
        if !(1..=3_600_000).contains(&raw.hold_ms) {
            return Err(refuse("`holdMs` is between 1 and 3600000"));
        }
        if raw.max_runs == 0 {
            return Err(refuse("`maxRuns` is at least 1"));
        }
        let mut environments =
            vec![environment(raw.environment_id, &raw.secret_key, raw.additional_keys, raw.max_connections)?];
        for other in raw.environments {
            environments.push(environment(other.id, &other.secret_key, other.additional_keys, other.max_connections)?);
        }
        for (index, one) in environments.iter().enumerate() {
            let twin = |other: &Environment| other.id == one.id || other.root_key == one.root_key;
            if environments[..index].iter().any(twin) {
                return Err(refuse("two environments have the same id or secret key"));
            }
        }
        let stands_at_ms = stands_at(raw.clock, raw.now.as_ref())?;
        Ok(Self {
            port: raw.port,
            speed: raw.speed,
            hold: Duration::from_millis(raw.hold_ms),
            memory: raw.memory_ms.map(Duration::from_millis),
            max_runs: raw.max_runs,
            environments,
            tasks: Tasks::new(raw.tasks)?,
            faults: raw.faults,
            stands_at_ms,
            page: raw.page_directory,
        })
    }

    /// The clock that the options select.
    pub(super) fn clock(&self) -> Clock {
        self.stands_at_ms.map_or_else(Clock::system, Clock::manual)
    }
}

/// The start of a manual clock.
fn stands_at(clock: RawClock, now: Option<&Value>) -> Result<Option<u64>> {
    match (clock, now) {
        (RawClock::System, None) => Ok(None),
        (RawClock::System, Some(_)) => Err(refuse("`now` is for `clock: \"manual\"`")),
        (RawClock::Manual, None) => Ok(Some(DEFAULT_NOW_MS)),
        (RawClock::Manual, Some(now)) => match now {
            Value::String(text) => parse_utc(text),
            Value::Number(ms) => ms.as_u64().filter(|ms| *ms <= LATEST_MS),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
        .map(Some)
        .ok_or_else(|| {
            refuse("`now` is a time such as \"2026-01-01T00:00:00Z\", or Unix milliseconds before the year 10000")
        }),
    }
}

fn environment(id: String, key: &str, additional: Vec<RawKey>, max_connections: Option<usize>) -> Result<Environment> {
    if id.is_empty() {
        return Err(refuse("an environment's id is empty"));
    }
    if kind_of(key)? != KeyKind::Root {
        return Err(refuse("`secretKey` is a root key, such as \"tr_dev_…\""));
    }
    let additional_keys = additional
        .into_iter()
        .map(|raw| match kind_of(&raw.key)? {
            KeyKind::Additional => Ok(AdditionalKey { key: Secret::new(raw.key), scopes: raw.scopes }),
            KeyKind::Root | KeyKind::Run | KeyKind::Public => {
                Err(refuse("a key in `additionalKeys` has the form tr_dev_sk_ and 24 letters or digits"))
            }
        })
        .collect::<Result<_>>()?;
    Ok(Environment { id, root_key: Secret::new(key), additional_keys, max_connections })
}

fn kind_of(key: &str) -> Result<KeyKind> {
    Ok(Endpoint::new("http://127.0.0.1", key, None)?.kind())
}

/// serde's sentence about a wrong field, without the quoted value, which could be a key.
fn data_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.strip_prefix("unknown field ").map_or("a value is of the wrong type".to_owned(), |rest| {
        format!("unknown option {}", rest.split(',').next().unwrap_or_default())
    });
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorCode::InvalidOptions, format!("the emulator's options: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_is_a_working_emulator() {
        let options = Options::parse("").expect("defaults");
        assert_eq!((options.port, options.hold, options.environments.len()), (0, Duration::from_secs(20), 1));
        assert!(Options::parse("{}").is_ok());
    }

    #[test]
    fn a_poll_without_news_is_held_for_17_to_23_seconds_when_nothing_is_said() {
        let hold = Options::parse("").expect("defaults").hold;
        let held = [0.0, 0.5, 1.0].map(|share| crate::serve::feed::jittered(hold, share));
        assert_eq!(held, [17, 20, 23].map(Duration::from_secs));
    }

    #[test]
    fn what_cannot_be_right_is_refused_and_no_key_is_quoted() {
        for json in [
            "{",
            "[]",
            r#"{"secretkey":"tr_dev_hidden"}"#,
            r#"{"port":"tr_dev_hidden"}"#,
            r#"{"port":70000}"#,
            r#"{"speed":0}"#,
            r#"{"holdMs":0}"#,
            r#"{"maxRuns":0}"#,
            r#"{"clock":"hidden"}"#,
            r#"{"now":0}"#,
            r#"{"clock":"manual","now":"hidden"}"#,
            r#"{"clock":"manual","now":253402300800000}"#,
            r#"{"secretKey":"tr_dev_sk_hiddenhiddenhiddenhidden"}"#,
            r#"{"additionalKeys":[{"key":"tr_dev_hidden"}]}"#,
            r#"{"environments":[{"id":"x","secretKey":"tr_dev_emulatornotasecret"}]}"#,
        ] {
            let error = Options::parse(json).expect_err(json);
            assert_eq!(error.code(), ErrorCode::InvalidOptions, "{json}");
            assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
        }
    }
}
