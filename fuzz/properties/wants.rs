//! Bodies of the relay's live stream: what is read of one is what another reader of JSON has of it, or nothing.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use crate::relay::live::fuzzed;

/// Reads a body, and a place.
pub fn wants(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(again) = fuzzed::place(&text) {
        assert_eq!(again, text, "a place of another text");
    }
    match fuzzed::wants(data) {
        Ok(wants) => {
            let body: Value = serde_json::from_slice(data).expect("JSON");
            let Names(names) = serde_json::from_slice(data).expect("JSON");
            assert_eq!(names, names_of(&body), "a name is written twice");
            assert_eq!(normal(body), wants, "another reader reads something else");
            let list = wants["wants"].as_array().expect("a list");
            let ids: HashSet<_> = list.iter().map(|want| want["id"].as_str()).collect();
            assert!(ids.len() == list.len() && (1..=100).contains(&list.len()), "{} wants", list.len());
            let places = |want: &Value| want["at"].as_array().map_or(0, Vec::len);
            assert!(list.iter().all(|want| places(want) <= 1_000), "too many places");
            assert_eq!(fuzzed::wants(wants.to_string().as_bytes()), Ok(wants), "written again");
        }
        Err(why) => {
            assert!(why.len() < 500, "{why}");
            if let Ok(body) = serde_json::from_slice::<Value>(data) {
                // A sentence that repeated a value would be another one for another value.
                let other = fuzzed::wants(turned(body.clone()).to_string().as_bytes()).err();
                let whole = fuzzed::wants(body.to_string().as_bytes()).err();
                assert_eq!(whole, other, "a value is repeated, or decides");
            }
        }
    }
}

/// A body with the fields that may be missing.
fn normal(mut body: Value) -> Value {
    for want in body["wants"].as_array_mut().into_iter().flatten() {
        let fields = want.as_object_mut().expect("a want");
        fields.retain(|_, value| !value.is_null());
        fields.entry("lasting").or_insert(json!(false));
        fields.entry("skipColumns").or_insert_with(|| json!([]));
        let at = fields.entry("at").or_insert_with(|| json!([]));
        if at.is_string() {
            *at = json!([at.take()]);
        }
        if let Some(stream) = fields.get_mut("stream").and_then(Value::as_object_mut) {
            stream.entry("input").or_insert(json!(false));
        }
    }
    body
}

/// A body with other letters in its texts, which are as long, and equal to each other where they were; of the names, none.
fn turned(value: Value) -> Value {
    let letter = |letter: char| match letter {
        'z' => 'a',
        'Z' => 'A',
        'a'..='y' | 'A'..='Y' => char::from_u32(u32::from(letter) + 1).expect("a letter"),
        _ => letter,
    };
    match value {
        Value::String(text) => Value::String(text.chars().map(letter).collect()),
        Value::Array(values) => Value::Array(values.into_iter().map(turned).collect()),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, turned(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn names_of(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(names_of).sum(),
        Value::Object(fields) => fields.values().map(|value| 1 + names_of(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many names are written in a JSON text, each as often as it is.
struct Names(usize);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Names, E> {
        Ok(Names(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Names, E> {
        Ok(Names(0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Names, E> {
        Ok(Names(0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Names, A::Error> {
        let mut names = 0;
        while let Some(Names(more)) = values.next_element()? {
            names += more;
        }
        Ok(Names(names))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Names, A::Error> {
        let mut names = 0;
        while let Some((_, Names(more))) = fields.next_entry::<String, Names>()? {
            names += 1 + more;
        }
        Ok(Names(names))
    }
}
