//! The messages of a response body. Strings without escapes are borrowed from the body.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::table::{MAX_COLUMNS, Text};
use crate::{Error, Result};

/// The columns of a change in wire order: the name, and the text or null.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Option<Text<'a>>)>;

/// One message of a body (docs/server-protocol.md 4).
#[derive(Debug)]
pub(super) enum Message<'a> {
    Insert {
        key: Cow<'a, str>,
        value: Pairs<'a>,
    },
    /// The value can lack columns.
    Update {
        key: Cow<'a, str>,
        value: Pairs<'a>,
    },
    Delete {
        key: Cow<'a, str>,
    },
    /// A change that cannot be read. The other messages of the body are taken (I15; defect 16).
    Malformed {
        key: Option<Cow<'a, str>>,
        why: &'static str,
    },
    UpToDate,
    MustRefetch,
    /// An unknown control or operation, or a change without a value (I4).
    Ignored,
}

impl Message<'_> {
    /// Whether the message names a row, rather than the state of the feed.
    pub(super) fn is_change(&self) -> bool {
        match self {
            Self::Insert { .. } | Self::Update { .. } | Self::Delete { .. } | Self::Malformed { .. } => true,
            Self::UpToDate | Self::MustRefetch | Self::Ignored => false,
        }
    }
}

/// Reads a body, which is a JSON array of messages.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Message<'_>>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match serde_json::from_slice::<Vec<Wire<'_>>>(body) {
        Ok(wire) => Ok(wire.into_iter().map(Message::from).collect()),
        Err(error) if error.is_eof() => {
            Err(Error::protocol("the answer breaks off: its JSON is cut short").with_json(&error))
        }
        Err(error) => parse_each(body)
            .ok_or_else(|| Error::protocol("the answer is not a JSON array of messages").with_json(&error)),
    }
}

/// Reads the messages of a body one by one, where one cannot be read: JSON takes an unpaired surrogate, a number above
/// all that a double can hold, and values nested to any depth, and Rust's strings, numbers and stack do not. Only the
/// change that holds such a value is lost (I15). `None` where more than a value cannot be read.
fn parse_each(body: &[u8]) -> Option<Vec<Message<'_>>> {
    let parts: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    parts
        .into_iter()
        .map(|part| match serde_json::from_str::<Wire<'_>>(part.get()) {
            Ok(wire) => Some(wire.into()),
            Err(_) => serde_json::from_str::<Keyed<'_>>(part.get()).ok().map(Message::from),
        })
        .collect()
}

/// A message whose value is not looked at.
#[derive(Deserialize)]
struct Keyed<'a> {
    #[serde(borrow)]
    key: Word<'a>,
    #[serde(borrow)]
    headers: Headers<'a>,
}

impl<'a> From<Keyed<'a>> for Message<'a> {
    fn from(keyed: Keyed<'a>) -> Self {
        let wire = Wire { key: Some(keyed.key), value: Some(Value(None)), headers: Some(keyed.headers) };
        match Self::from(wire) {
            Self::Malformed { key, .. } => Self::Malformed { key, why: "its value holds what cannot be read" },
            other => other,
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    key: Option<Word<'a>>,
    #[serde(borrow, default)]
    value: Option<Value<'a>>,
    #[serde(borrow, default)]
    headers: Option<Headers<'a>>,
}

#[derive(Deserialize)]
struct Headers<'a> {
    #[serde(borrow, default)]
    operation: Option<Word<'a>>,
    #[serde(borrow, default)]
    control: Option<Word<'a>>,
}

impl<'a> From<Wire<'a>> for Message<'a> {
    fn from(wire: Wire<'a>) -> Self {
        let Some(headers) = wire.headers else { return Self::Ignored };
        if let Some(key) = wire.key {
            let operation = headers.operation.map(|text| text.0);
            return match (operation.as_deref(), wire.value) {
                (Some("insert"), Some(Value(Some(value)))) => Self::Insert { key: key.0, value },
                (Some("update"), Some(Value(Some(value)))) => Self::Update { key: key.0, value },
                (Some("insert" | "update"), Some(Value(None))) => {
                    Self::Malformed { key: Some(key.0), why: "its value is not an object of columns" }
                }
                (Some("delete"), _) => Self::Delete { key: key.0 },
                (Some(_) | None, _) => Self::Ignored,
            };
        }
        match headers.control.map(|text| text.0).as_deref() {
            Some("up-to-date") => Self::UpToDate,
            Some("must-refetch") => Self::MustRefetch,
            Some(_) | None => Self::Ignored,
        }
    }
}

/// A string, borrowed where it has no escapes. Serde copies into a plain `Option<Cow>`.
struct Word<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Cell<'de> = Cell::deserialize(deserializer)?;
        Ok(Self(text.0.unwrap_or_default()))
    }
}

/// The value of a column: text, or null. Servers send every column as a string. The text of a bare number, boolean or
/// object is its JSON.
struct Cell<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Owned(text))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cell(None))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Borrowed(if flag { "true" } else { "false" }))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Cell(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        as_json(&serde_json::Value::deserialize(serde::de::value::MapAccessDeserializer::new(map))?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        as_json(&serde_json::Value::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?)
    }
}

fn as_json<'a, E: serde::de::Error>(value: &impl Serialize) -> Result<Cell<'a>, E> {
    serde_json::to_string(value).map(|text| Cell(Some(Cow::Owned(text)))).map_err(E::custom)
}

/// The columns of a change; `None` for a value that is not an object.
struct Value<'a>(Option<Pairs<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Value)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Option<Pairs<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of columns")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // A run has 26 columns.
        let mut pairs = Pairs::with_capacity(26);
        while let Some(name) = map.next_key::<Word<'de>>()? {
            if pairs.len() >= MAX_COLUMNS {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            pairs.push((name.0, map.next_value::<Cell<'de>>()?.0.map(Text::Read)));
        }
        Ok(Some(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Message<'_> {
        parse(body.as_bytes()).expect("messages").pop().expect("one message")
    }

    #[test]
    fn changes_and_controls_are_told_apart() {
        assert!(matches!(
            one(r#"[{"headers":{"control":"up-to-date","global_last_seen_lsn":"0"}}]"#),
            Message::UpToDate
        ));
        assert!(matches!(one(r#"[{"headers":{"control":"must-refetch"}}]"#), Message::MustRefetch));
        assert!(matches!(one(r#"[{"key":"k","value":{},"headers":{"operation":"insert"}}]"#), Message::Insert { .. }));
        assert!(matches!(one(r#"[{"key":"k","value":{},"headers":{"operation":"update"}}]"#), Message::Update { .. }));
        assert!(matches!(one(r#"[{"key":"k","headers":{"operation":"delete"}}]"#), Message::Delete { .. }));
    }

    #[test]
    fn what_we_do_not_know_is_ignored() {
        for body in [
            r#"[{"headers":{"control":"snapshot-end","xmin":"1"}}]"#,
            r#"[{"headers":{"event":"move-out"}}]"#,
            r#"[{"key":"k","value":{},"headers":{"operation":"truncate"}}]"#,
            r#"[{"key":"k","headers":{"operation":"insert"}}]"#,
            r#"[{"key":"k"}]"#,
            "[{}]",
        ] {
            assert!(matches!(one(body), Message::Ignored), "{body}");
        }
    }

    #[test]
    fn values_keep_their_order_and_borrow_what_has_no_escapes() {
        let body = r#"[{"key":"k","value":{"b":"plain","a":null,"c":"q\"q"},"headers":{"operation":"insert"}}]"#;
        let Message::Insert { value, .. } = one(body) else { panic!("an insert") };
        assert!(matches!(&value[0], (Cow::Borrowed("b"), Some(Text::Read(Cow::Borrowed("plain"))))));
        assert_eq!(value[1].1, None);
        assert_eq!(value[2].1.as_deref(), Some("q\"q"));
    }

    #[test]
    fn a_bare_number_or_object_is_taken_as_its_text() {
        let body = r#"[{"key":"k","value":{"n":5,"f":1.5,"t":true,"o":{"a":[1]}},"headers":{"operation":"insert"}}]"#;
        let Message::Insert { value, .. } = one(body) else { panic!("an insert") };
        let texts: Vec<_> = value.iter().filter_map(|(_, text)| text.as_deref()).collect();
        assert_eq!(texts, ["5", "1.5", "true", r#"{"a":[1]}"#]);
    }

    #[test]
    fn a_change_whose_value_is_no_object_costs_only_itself() {
        for value in ["1", "-1", "1.5", "true", "\"text\"", "[[1],{}]"] {
            let body = format!(
                r#"[{{"key":"k","value":{value},"headers":{{"operation":"insert"}}}},{{"headers":{{"control":"up-to-date"}}}}]"#
            );
            let messages = parse(body.as_bytes()).expect(value);
            assert!(matches!(&messages[0], Message::Malformed { key: Some(key), .. } if key == "k"), "{value}");
            assert!(matches!(messages[1], Message::UpToDate));
        }
    }

    #[test]
    fn a_value_that_rust_cannot_hold_costs_only_its_own_change() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for value in [
            r#"{"a":"\ud800"}"#,
            r#"{"\udc00b":"a"}"#,
            r#"{"a":1e400}"#,
            r#"{"a":-1e400}"#,
            &format!(r#"{{"a":{deep}}}"#),
            &deep,
        ] {
            let body = format!(
                r#"[{{"key":"k","value":{value},"headers":{{"operation":"update"}}}},{{"key":"l","value":{{"a":"b"}},"headers":{{"operation":"insert"}}}},{{"headers":{{"control":"up-to-date"}}}}]"#
            );
            let messages = parse(body.as_bytes()).expect("messages");
            let shown = &value[..value.len().min(40)];
            assert!(matches!(&messages[0], Message::Malformed { key: Some(key), .. } if key == "k"), "{shown}");
            assert!(
                matches!(&messages[1], Message::Insert { key, value } if key == "l" && value.len() == 1),
                "{shown}"
            );
            assert!(matches!(messages[2], Message::UpToDate), "{shown}");
        }
    }

    #[test]
    fn html_cut_json_and_objects_are_protocol_errors() {
        for body in ["<html>", "", "[{\"key\":\"k\"", "{}", "null", "[1]", "[\"x\"]"] {
            let error = parse(body.as_bytes()).expect_err(body);
            assert_eq!(error.kind(), crate::error::Kind::Protocol);
        }
        assert!(parse(b"[{\"a").expect_err("cut").message().contains("cut short"));
    }
}
