//! Texts within messages, headers and options: array literals, schemas, times, periods, delays, positions, JSON strings.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::input::Input;
use crate::run::elements;
use crate::serve::{duration, tags};
use crate::shape::{ColumnType, Schema};
use crate::timestamp::{format_timestamp, parse_timestamp, parse_utc};
use crate::token::{Expiry, Resource, Scope, parse_period};
use crate::{json, relay, retry, stream};

/// Each reader agrees with a second one, or reads back what was written.
pub fn values(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let mut rest = input.clone();
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    match kind % 12 {
        0 => array(&text),
        1 => array_of(&mut rest),
        2 => schema(&text),
        3 => timestamp(&text),
        4 => span(&text),
        5 => period(&text),
        6 => retry_after(&text),
        7 => position(&text),
        8 => tags_of(&text),
        9 => scope(&text, &mut rest),
        10 => head(&text),
        _ => json_string(&text),
    }
}

/// An array literal, against a reader of characters.
fn array(text: &str) {
    let read = elements(text).ok().map(|all| all.into_iter().map(|one| one.map(|text| text.to_string())).collect());
    assert_eq!(read, naive_array(text), "{text:?}");
    if let Some(all) = read {
        written_array(&all);
    }
}

/// Any list, as Postgres writes it.
fn array_of(input: &mut Input<'_>) {
    let mut all = Vec::new();
    while let Some(part) = input.part() {
        all.push((part != b"\x01").then(|| String::from_utf8_lossy(part).into_owned()));
    }
    written_array(&all);
}

fn written_array(all: &[Option<String>]) {
    let quoted = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let written: Vec<String> = all.iter().map(|one| one.as_ref().map_or("NULL".to_owned(), quoted)).collect();
    let literal = format!("{{{}}}", written.join(","));
    let read: Vec<_> =
        elements(&literal).expect("as Postgres writes it").into_iter().map(|one| one.map(String::from)).collect();
    assert_eq!(read, all, "{literal:?}");
}

fn naive_array(text: &str) -> Option<Vec<Option<String>>> {
    let mut text = text;
    if text.starts_with('[')
        && let Some(at) = text.find("]=")
    {
        if text[1..at].contains('[') {
            return None;
        }
        text = &text[at + 2..];
    }
    let letters: Vec<char> = text.chars().collect();
    if letters.first() != Some(&'{') {
        return None;
    }
    if letters == ['{', '}'] {
        return Some(Vec::new());
    }
    let (mut all, mut at) = (Vec::new(), 1);
    loop {
        let is_quoted = letters.get(at) == Some(&'"');
        if letters.get(at) == Some(&'{') {
            return None;
        }
        at += usize::from(is_quoted);
        let (mut element, mut is_plain) = (String::new(), !is_quoted);
        loop {
            match *letters.get(at)? {
                '\\' => {
                    element.push(*letters.get(at + 1)?);
                    (at, is_plain) = (at + 2, false);
                }
                '"' if is_quoted => break at += 1,
                ',' | '}' if !is_quoted => break,
                letter => {
                    element.push(letter);
                    at += 1;
                }
            }
        }
        let is_null = is_plain && element.eq_ignore_ascii_case("null");
        all.push((!is_null).then_some(element));
        match *letters.get(at)? {
            ',' => at += 1,
            '}' => return (at + 1 == letters.len()).then_some(all),
            _ => return None,
        }
    }
}

/// A schema names the types that its JSON names.
fn schema(text: &str) {
    let Ok(schema) = Schema::parse(text.as_bytes()) else { return };
    // What is passed over is not read: a lone surrogate there is none of the schema's.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    assert_eq!(schema.wire(), text);
    for (name, column) in value.as_object().expect("a schema is an object") {
        let kind = match column["type"].as_str().unwrap_or_default() {
            "bool" => ColumnType::Bool,
            "int2" | "int4" => ColumnType::Int,
            "int8" => ColumnType::BigInt,
            "float4" | "float8" => ColumnType::Float,
            "json" | "jsonb" => ColumnType::Json,
            _ => ColumnType::Text,
        };
        let read = schema.column(name);
        assert_eq!((read.kind, read.array), (kind, column["dims"].as_u64().is_some_and(|dims| dims > 0)), "{name}");
    }
}

/// A time, against httpdate, and written again.
fn timestamp(text: &str) {
    let number = text.parse::<u64>().unwrap_or(text.len() as u64 * 86_399_999);
    let written = format_timestamp(number);
    assert_eq!(parse_utc(&written), Some(number.min(253_402_300_799_999)), "{written}");
    let Some(ms) = parse_timestamp(text) else { return };
    if let Ok(since) = u64::try_from(ms) {
        let again = format_timestamp(since);
        assert_eq!(parse_utc(&again), Some(since));
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(since / 1_000));
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = months[text[5..7].parse::<usize>().expect("a month") - 1];
        assert_eq!(date[5..25], format!("{} {month} {} {}", &text[8..10], &text[..4], &text[11..19]), "{text}");
    }
}

/// A delay such as `1h30m`, against a sum of its parts.
fn span(text: &str) {
    let read = duration::parse_ms(text);
    assert_eq!(read, naive_span(text), "{text:?}");
    if let Some(ms) = read {
        assert_eq!(duration::parse_ms(&duration::format_ms(ms)), Some(ms / 1_000 * 1_000), "{text:?}");
    }
}

fn naive_span(text: &str) -> Option<u64> {
    let (mut number, mut unit) = (String::new(), String::new());
    let mut parts: Vec<(String, String)> = Vec::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            if !unit.is_empty() {
                parts.push((std::mem::take(&mut number), std::mem::take(&mut unit)));
            }
            number.push(letter);
        } else {
            unit.push(letter);
        }
    }
    parts.push((number, unit));
    let mut seen: Vec<(&str, u64)> = Vec::new();
    for (number, unit) in &parts {
        let unit = if unit == "hr" { "h" } else { unit };
        let factor = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        let ms = number.parse::<u64>().ok()?.checked_mul(factor)?;
        if !seen.iter().any(|(known, _)| *known == unit) {
            seen.push((unit, ms));
        }
    }
    seen.iter().try_fold(0_u64, |sum, (_, ms)| sum.checked_add(*ms))
}

/// A token's period, against the grammar read from its end.
fn period(text: &str) {
    let read = parse_period(text).ok();
    assert_eq!(read, naive_period(text), "{text:?}");
    let now = 1_795_339_568;
    if let Ok(exp) = Expiry::Period(text).resolve(now) {
        assert!(exp > now as f64 && exp <= 1e11, "{text:?}: {exp}");
    }
}

fn naive_period(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (body, past) = match (lower.strip_suffix(" ago"), lower.strip_suffix(" from now")) {
        (Some(body), _) => (body, Some(true)),
        (_, Some(body)) => (body, Some(false)),
        (None, None) => (&*lower, None),
    };
    let (body, past) = match (body.strip_prefix('-'), body.strip_prefix('+')) {
        (Some(rest), _) if past.is_none() => (rest, true),
        (_, Some(rest)) if past.is_none() => (rest, false),
        (None, None) => (body, past.unwrap_or(false)),
        _ => return None,
    };
    let body = body.strip_prefix(' ').unwrap_or(body);
    let unit_at = body.rfind(|letter: char| !letter.is_ascii_alphabetic()).map_or(0, |at| at + 1);
    let (number, unit) = (body.get(..unit_at)?, body.get(unit_at..)?);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !number.split_once('.').map_or_else(|| is_digits(number), |(whole, rest)| is_digits(whole) && is_digits(rest)) {
        return None;
    }
    let units: [(&[&str], f64); 6] = [
        (&["s", "sec", "secs", "second", "seconds"], 1.0),
        (&["m", "min", "mins", "minute", "minutes"], 60.0),
        (&["h", "hr", "hrs", "hour", "hours"], 3_600.0),
        (&["d", "day", "days"], 86_400.0),
        (&["w", "week", "weeks"], 604_800.0),
        (&["y", "yr", "yrs", "year", "years"], 31_557_600.0),
    ];
    let factor = units.iter().find(|(names, _)| names.contains(&unit))?.1;
    let seconds = (number.parse::<f64>().ok()? * factor).round();
    let limit = (1_u64 << 53) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    (seconds < limit).then(|| if past { -(seconds as i64) } else { seconds as i64 })
}

/// A wait that a server asks for: never negative, of a date what httpdate says.
fn retry_after(text: &str) {
    let now = 1_795_335_407_000;
    let Ok(value) = HeaderValue::from_str(text) else { return };
    for (name, status) in [("retry-after", 503), ("retry-after", 429), ("x-ratelimit-reset", 429)] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.clone());
        let delay = retry::server_delay(status, &headers, now);
        if name == "retry-after"
            && let Ok(date) = httpdate::parse_http_date(text.trim())
            && text.trim().parse::<f64>().is_err()
        {
            let since = date.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
            let expected = since.saturating_sub(u128::from(now));
            assert_eq!(delay.map(|delay| delay.as_millis()), Some(expected), "{text:?}");
        }
        let policy = retry::Policy::default();
        assert!(policy.backoff(u32::MAX, 0.5) <= policy.max_delay);
    }
}

/// A position of a stream is read as it is written.
fn position(text: &str) {
    if let Ok(position) = text.parse::<stream::Position>() {
        assert_eq!(position.to_string().parse(), Ok(position), "{text:?}");
    }
    let id = crate::serve::stream::parse_event_id(text);
    if let Some((ms, seq)) = id {
        let shared = format!("{ms}-{seq}+1").parse::<stream::Position>();
        assert_eq!(shared, Ok(stream::Position::Shared { id: (ms, seq), taken: 1 }), "{text:?}");
    }
}

/// Tags are those between the commas.
fn tags_of(text: &str) {
    let is_tag = |tag: &str| !tag.is_empty() && !tag.contains(['"', '\\']) && !tag.chars().any(char::is_control);
    let expected = text.is_empty() || text.split(',').all(is_tag);
    let read = tags::read(text);
    assert_eq!(read.is_ok(), expected, "{text:?}");
    if let Ok(all) = read {
        assert_eq!(all.join(","), text);
    }
}

/// A scope allows what its words say, and no other word of the same resource.
fn scope(text: &str, input: &mut Input<'_>) {
    let (scope, action, kind, id) = (input.text(), input.text(), input.text(), input.text());
    let allowed = Scope::parse(&scope).allows(&action, Resource::one(&kind, &id));
    let words: Vec<&str> = scope.splitn(3, ':').collect();
    let word = |at: usize| words.get(at).copied().filter(|word| !word.is_empty());
    let expected = scope == "admin"
        || (word(1).is_some()
            && (words[0] == action || words[0] == "*")
            && (word(1) == Some("all") || (word(1) == Some(&kind) && word(2).is_none_or(|one| one == id))));
    // `admin:` with nothing behind it is no scope, and neither is a type that is missing before an id.
    assert_eq!(allowed, expected, "{scope:?} {action:?} {kind:?} {id:?}");
    assert!(!Scope::parse(text).allows("read", Resource::every("runs")) || !text.is_empty());
}

/// A head that crosses to JavaScript is read back as it was.
fn head(text: &str) {
    if let Some(request) = relay::decode_request_head(text) {
        let (parts, ()) = request.into_parts();
        let written = relay::encode_request_head(&parts);
        if parts.uri.authority().is_none() {
            let again = relay::decode_request_head(&written).expect("what was written is a head").into_parts().0;
            assert_eq!((again.method, again.headers), (parts.method, parts.headers), "{text:?}");
            let path = |uri: &http::Uri| uri.path_and_query().map_or("/".to_owned(), ToString::to_string);
            assert_eq!(path(&again.uri), path(&parts.uri), "{text:?}");
        }
    }
    let (status, headers) = relay::decode_response_head(text);
    let (again, same) = relay::decode_response_head(&relay::encode_response_head(status, &headers, true));
    assert_eq!(status, again);
    assert!(same.iter().all(|(name, value)| headers.get_all(name).iter().any(|one| one == value)));
}

/// A JSON string, against `serde_json`.
fn json_string(text: &str) {
    assert_eq!(json::string(text), Value::from(text).to_string());
}
