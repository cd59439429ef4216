//! The body of a request: what a page wants to follow. Pure.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::place::{MAX_PLACES, Place};
use crate::secret::Secret;

/// The longest body of a request, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 256 << 10;
/// How many wants a request may have.
pub(super) const MAX_WANTS: usize = 100;
/// The longest id of a want, in bytes.
pub(super) const MAX_ID_BYTES: usize = 64;

/// What a page follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// One run, by its id.
    Run(String),
    /// The runs with all of these tags, created within a window such as `1h`.
    Tags(Vec<String>, Option<String>),
    /// The runs of a batch.
    Batch(String),
    /// A stream of a run.
    Stream { run: String, key: String, is_input: bool },
}

/// One thing that a page follows.
#[derive(Clone, Debug)]
pub(super) struct Want {
    /// The page's name for it.
    pub(super) id: String,
    pub(super) subject: Subject,
    /// The token that opens it, where that is not the request's own.
    pub(super) token: Option<Secret>,
    /// Columns to leave out.
    pub(super) skip_columns: Vec<String>,
    /// The places that the page has reached; of a stream, its resume id.
    pub(super) at: Vec<String>,
    /// Whether it goes on after the end of its run.
    pub(super) is_lasting: bool,
}

/// A `T` that is written as an object: a list of its fields in their order would be read as one, too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    wants: Vec<Object<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    id: String,
    run: Option<String>,
    tags: Option<Vec<String>>,
    created_at: Option<String>,
    batch: Option<String>,
    stream: Option<Object<WrittenStream>>,
    token: Option<String>,
    skip_columns: Option<Vec<String>>,
    at: Option<Places>,
    lasting: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStream {
    run: String,
    key: String,
    #[serde(default)]
    input: bool,
}

/// One place, or one of each row.
#[derive(Deserialize)]
#[serde(untagged)]
enum Places {
    One(String),
    All(Vec<String>),
}

/// Parses a body.
///
/// # Errors
/// The sentence that says what is wrong with it. It repeats no value of the body, which may be a token.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Want>, String> {
    let Object(Body { wants }) = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if wants.is_empty() {
        return Err("wants is empty: name at least one run, list of tags, batch or stream".to_owned());
    }
    if wants.len() > MAX_WANTS {
        return Err(format!("wants has {} elements: at most {MAX_WANTS} fit into a request", wants.len()));
    }
    let mut ids = HashSet::new();
    let mut read = Vec::with_capacity(wants.len());
    for (index, Object(want)) in wants.into_iter().enumerate() {
        let want = want.read().map_err(|why| format!("wants[{index}]: {why}"))?;
        if !ids.insert(want.id.clone()) {
            return Err(format!("wants[{index}]: another want has the same id"));
        }
        read.push(want);
    }
    Ok(read)
}

impl Written {
    fn read(self) -> Result<Want, String> {
        if self.id.is_empty() || self.id.len() > MAX_ID_BYTES {
            return Err(format!("id has to be a text of 1 to {MAX_ID_BYTES} bytes"));
        }
        let (of_tags, of_run) = (self.tags.is_some(), self.run.is_some());
        let subject = match (self.run, self.tags, self.batch, self.stream) {
            (Some(run), None, None, None) => Subject::Run(run),
            (None, Some(tags), None, None) if tags.iter().any(|tag| tag.contains(',')) => {
                return Err("a tag holds a comma, which separates tags".to_owned());
            }
            (None, Some(tags), None, None) => Subject::Tags(tags, self.created_at.clone()),
            (None, None, Some(batch), None) => Subject::Batch(batch),
            (None, None, None, Some(Object(WrittenStream { run, key, input: is_input }))) => {
                Subject::Stream { run, key, is_input }
            }
            (_, _, _, _) => return Err("it needs exactly one of run, tags, batch and stream".to_owned()),
        };
        if self.created_at.is_some() && !of_tags {
            return Err("createdAt is for tags alone".to_owned());
        }
        let is_lasting = self.lasting.unwrap_or_default();
        if is_lasting && !of_run {
            return Err("lasting is for a run alone".to_owned());
        }
        let at = match self.at {
            None => Vec::new(),
            Some(Places::One(place)) => vec![place],
            Some(Places::All(places)) => places,
        };
        if at.len() > MAX_PLACES {
            return Err(format!(
                "at has {} places: at most {MAX_PLACES} fit, and rows without one come again",
                at.len()
            ));
        }
        if let Some(long) = at.iter().position(|place| place.len() > Place::MAX_BYTES) {
            return Err(format!("at[{long}] is too long for a place"));
        }
        let token = self.token.map(Secret::new);
        Ok(Want { id: self.id, subject, token, skip_columns: self.skip_columns.unwrap_or_default(), at, is_lasting })
    }
}

/// What is wrong with a body that is no JSON of the right form. Of serde's sentences, those are repeated that name
/// fields and types.
fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let names = ["missing field", "unknown field", "duplicate field"];
    let what = if names.iter().any(|one| text.starts_with(one)) && text.len() < 300 {
        text
    } else {
        format!("a value is of another type, or it is no JSON, at line {} column {}", error.line(), error.column())
    };
    format!("The body has to be {{\"wants\":[{{\"id\":\"a\",\"run\":\"run_1\"}}]}} as JSON: {what}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: serde_json::Value) -> Result<Vec<Want>, String> {
        parse(body.to_string().as_bytes())
    }

    #[test]
    fn each_kind_of_want_is_read() {
        let wants = read(json!({ "wants": [
            { "id": "a", "run": "run_1", "token": "t", "skipColumns": ["payload"], "at": "x", "lasting": true },
            { "id": "b", "tags": ["x", "y"], "createdAt": "1h", "at": ["p", "q"] },
            { "id": "c", "batch": "batch_1", "lasting": false },
            { "id": "d", "stream": { "run": "run_1", "key": "k" } },
            { "id": "é\u{2028}\"", "stream": { "run": "run_1", "key": "k", "input": true }, "at": null },
        ] }))
        .expect("wants");
        let subjects: Vec<_> = wants.iter().map(|want| want.subject.clone()).collect();
        let stream = |is_input| Subject::Stream { run: "run_1".into(), key: "k".into(), is_input };
        assert_eq!(
            subjects,
            [
                Subject::Run("run_1".into()),
                Subject::Tags(vec!["x".into(), "y".into()], Some("1h".into())),
                Subject::Batch("batch_1".into()),
                stream(false),
                stream(true),
            ]
        );
        assert_eq!((wants[0].at.len(), wants[1].at.len(), wants[4].at.len()), (1, 2, 0));
        assert_eq!(wants[0].token.as_ref().map(Secret::expose), Some("t"));
        assert_eq!(wants[0].skip_columns, ["payload"]);
        assert_eq!(wants.iter().map(|want| want.is_lasting).collect::<Vec<_>>(), [true, false, false, false, false]);
    }

    #[test]
    fn a_body_that_is_none_is_refused_with_a_sentence_that_says_why() {
        let many: Vec<_> = (0..10_000).map(|at| json!({ "id": at.to_string(), "run": "r" })).collect();
        for (body, why) in [
            (json!({ "wants": [] }), "empty"),
            (json!({ "wants": many }), "10000 elements: at most 100"),
            (json!({}), "missing field `wants`"),
            (json!({ "wants": [{ "run": "r" }] }), "missing field `id`"),
            (json!({ "wants": [{ "id": "", "run": "r" }] }), "wants[0]: id has to be"),
            (json!({ "wants": [{ "id": "x".repeat(65), "run": "r" }] }), "wants[0]: id has to be"),
            (json!({ "wants": [{ "id": "a", "run": "r" }, { "id": "a", "run": "s" }] }), "wants[1]: another want"),
            (json!({ "wants": [{ "id": "a" }] }), "exactly one of"),
            (json!({ "wants": [{ "id": "a", "run": "r", "batch": "b" }] }), "exactly one of"),
            (json!({ "wants": [{ "id": "a", "tags": ["x"], "batch": "b" }] }), "exactly one of"),
            (json!({ "wants": [{ "id": "a", "tags": ["x,y"] }] }), "comma"),
            (json!({ "wants": [{ "id": "a", "run": "r", "createdAt": "1h" }] }), "createdAt is for tags"),
            (json!({ "wants": [{ "id": "a", "tags": ["x"], "lasting": true }] }), "lasting is for a run"),
            (json!({ "wants": [{ "id": "a", "run": "r", "__proto__": {} }] }), "unknown field `__proto__`"),
            (json!({ "wants": [{ "id": "a", "run": "r", "at": vec!["p"; 1_001] }] }), "at has 1001 places"),
            (json!({ "wants": [{ "id": "a", "run": "r", "at": ["p", "x".repeat(1_025)] }] }), "at[1] is too long"),
            (json!({ "wants": [{ "id": "a", "run": 7 }] }), "another type"),
            (json!([]), "another type"),
            (json!([[{ "id": "a", "run": "r" }]]), "another type"),
            (json!({ "wants": [["a", "r", null, null, null, null, null, null, null]] }), "another type"),
            (json!({ "wants": [{ "id": "a", "stream": ["r", "k", false] }] }), "another type"),
        ] {
            let refused = read(body).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
        for body in [
            &br#"{"wants":[{"id":"a","id":"b","run":"r"}]}"#[..],
            br#"{"wants":[{"id":"a","run":"r"}],"wants":[{"id":"a","run":"victim"}]}"#,
            br#"{"wants":[{"id":"\ud800","run":"r"}]}"#,
            b"{\"wants\":[{\"id\":\"\xff\",\"run\":\"r\"}]}",
            br#"{"wants":[{"id":"a","run":"r"}]} {}"#,
            b"",
            b"[[[[",
        ] {
            let refused = parse(body).expect_err("no wants");
            assert!(refused.starts_with("The body has to be"), "{refused}");
        }
    }

    #[test]
    fn as_much_as_the_documentation_says_fits_into_a_request() {
        let wants: Vec<_> = (0..100).map(|at| json!({ "id": format!("{at:0>64}"), "run": "r" })).collect();
        assert_eq!(read(json!({ "wants": wants })).expect("a hundred wants").len(), 100);
        let places = vec!["p".repeat(Place::MAX_BYTES); 1_000];
        let want = read(json!({ "wants": [{ "id": "a", "run": "r", "at": places }] })).expect("a thousand places");
        assert_eq!(want[0].at.len(), 1_000);
    }

    #[test]
    fn a_refusal_repeats_no_value_and_a_want_shows_no_token() {
        let refused = read(json!({ "wants": [{ "id": "a", "run": "r", "skipColumns": "tr_hidden" }] }));
        assert!(!refused.expect_err("no list").contains("hidden"));
        let wants = read(json!({ "wants": [{ "id": "a", "run": "r", "token": "tr_hidden" }] })).expect("wants");
        assert!(!format!("{wants:?}").contains("hidden"));
    }
}
