//! Runs as the tests know them, and a page that applies what it is told as a client does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::following::Following;
use super::place::{Digests, key_text};
use super::step::Step;
use crate::hub::{Batch, Item};
use crate::relay::feed::tests::Fixture;
use crate::secret::Secret;
use crate::shape::{Columns, Row, Schema};
use crate::timestamp::format_timestamp;

const SCHEMA: &str = r#"{"id":{"type":"text"},"friendlyId":{"type":"text"},"taskIdentifier":{"type":"text"},"status":{"type":"text"},"createdAt":{"type":"timestamp"},"updatedAt":{"type":"timestamp"},"payload":{"type":"text"},"payloadType":{"type":"text"},"metadata":{"type":"text"},"metadataType":{"type":"text"},"runTags":{"type":"text","dims":1}}"#;

/// A run as the tests know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) id: String,
    pub(super) status: &'static str,
    pub(super) created_ms: u64,
    pub(super) updated_ms: u64,
    pub(super) payload: Option<String>,
    pub(super) metadata: Option<String>,
}

impl Truth {
    pub(super) fn new(id: &str, updated_ms: u64) -> Self {
        let payload = Some(format!("{id}{}", "p".repeat(100)));
        Self { id: id.into(), status: "EXECUTING", created_ms: 1_000, updated_ms, payload, metadata: None }
    }

    pub(super) fn item(&self) -> Item {
        let pairs = [
            ("id", Some(self.id.clone())),
            ("friendlyId", Some(format!("run_{}", self.id))),
            ("taskIdentifier", Some("task".to_owned())),
            ("status", Some(self.status.to_owned())),
            ("createdAt", Some(format_timestamp(self.created_ms))),
            ("updatedAt", Some(format_timestamp(self.updated_ms))),
            ("payload", self.payload.clone()),
            ("payloadType", self.payload.as_ref().map(|_| "text/plain".to_owned())),
            ("metadata", self.metadata.clone()),
            ("metadataType", self.metadata.as_ref().map(|_| "application/json".to_owned())),
            ("unannounced", Some("secret".to_owned())),
        ];
        let pairs = pairs.into_iter().map(|(name, text)| (name.into(), text.map(Into::into)));
        thread_local! {
            static ANNOUNCED: Arc<Schema> = Arc::new(Schema::parse(SCHEMA.as_bytes()).expect("a schema"));
            static COLUMNS: RefCell<Arc<Columns>> = RefCell::default();
        }
        let row = COLUMNS.with_borrow_mut(|columns| Arc::new(Row::merge(columns, None, None, pairs)));
        let key = format!("\"public\".\"TaskRun\"/\"{}\"", self.id).into();
        Item { key, row, schema: ANNOUNCED.with(Clone::clone) }
    }

    /// The run as a page shows it, without what it may not see.
    pub(super) fn shown(&self, skips: &[String]) -> Value {
        let packet = |name: &str, text: &Option<String>, kind: &str| {
            text.as_ref()
                .filter(|_| !skips.iter().any(|skipped| skipped == name))
                .map(|text| (name.to_owned(), serde_json::json!({ "data": text, "type": kind })))
        };
        let status = if self.status == "COMPLETED_SUCCESSFULLY" { "COMPLETED" } else { self.status };
        let mut run: Map<String, Value> = serde_json::json!({
            "id": format!("run_{}", self.id), "taskIdentifier": "task", "status": status,
            "createdAt": self.created_ms, "updatedAt": self.updated_ms, "isFinished": status == "COMPLETED",
        })
        .as_object()
        .expect("an object")
        .clone();
        run.extend(packet("payload", &self.payload, "text/plain"));
        run.extend(packet("metadata", &self.metadata, "application/json"));
        Value::Object(run)
    }
}

pub(super) fn batch<'a>(runs: impl IntoIterator<Item = &'a Truth>) -> Batch {
    Batch { rows: runs.into_iter().map(Truth::item).collect(), drained: true, ..Batch::default() }
}

/// A page: what it has been told.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: BTreeMap<String, (String, Value)>,
    pub(super) skips: Vec<String>,
    pub(super) is_ready: bool,
    pub(super) is_over: bool,
}

impl Page {
    pub(super) fn places(&self) -> Vec<String> {
        self.rows.values().map(|(at, _)| at.clone()).collect()
    }

    /// Follows a feed from where the page is.
    pub(super) fn follow(&mut self, fixture: &Fixture, beat: u64) -> Following {
        self.is_ready = false;
        Following::new(fixture.another(), self.skips.clone(), &self.places(), beat)
    }

    /// Applies an event as a client does. Returns what it was.
    pub(super) fn apply(&mut self, step: Step) -> String {
        let (text, is_whole) = match step {
            Step::Row(text, is_whole) => (text, is_whole),
            Step::Gone(key) => {
                self.rows.remove(&key_text(key));
                return "gone".into();
            }
            Step::Ready { is_partial } => {
                assert!(!std::mem::replace(&mut self.is_ready, true), "ready twice");
                return if is_partial { "partial" } else { "ready" }.into();
            }
            Step::End => {
                self.is_over = true;
                return "end".into();
            }
            Step::Failed(refused) => return format!("failed {}", refused.status.as_u16()),
            Step::Chunk(_) => return "chunk".into(),
            Step::Later => return "later".into(),
            Step::Idle => return "idle".into(),
        };
        let text = std::str::from_utf8(&text).expect("text");
        let data = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("]\n\n")).expect("half an event");
        let event: Value = serde_json::from_str(data).expect("JSON");
        let (key, at) = (event["key"].as_str().expect("a key"), event["at"].as_str().expect("a place"));
        let before = self.rows.get(key).map(|(_, run)| run.clone());
        let run = if is_whole {
            event["run"].clone()
        } else {
            let mut run = before.clone().expect("a change of a row that the page has");
            let fields = run.as_object_mut().expect("a run");
            for field in event["unset"].as_array().into_iter().flatten() {
                fields.remove(field.as_str().expect("a name"));
            }
            fields.extend(event["set"].as_object().expect("fields").clone());
            run
        };
        if let Some(before) = before {
            assert!(run["updatedAt"].as_u64() >= before["updatedAt"].as_u64(), "back in time: {before} to {run}");
            for long in ["payload", "metadata"] {
                let told = if is_whole { event["run"].get(long) } else { event["set"].get(long) };
                let is_long = told.is_some_and(|told| told["data"].as_str().is_some_and(|data| data.len() > 64));
                assert!(!is_long || told != before.get(long), "{long} again");
            }
            // Of a run that changed within one millisecond and back again, that is told.
            assert!(run != before || run["updatedAt"] == before["updatedAt"], "the same again");
        }
        self.rows.insert(key.to_owned(), (at.to_owned(), run));
        if is_whole { "row".into() } else { "change".into() }
    }

    /// The state of each run.
    pub(super) fn runs(&self) -> Vec<Value> {
        let mut runs: Vec<_> = self.rows.values().map(|(_, run)| run.clone()).collect();
        runs.sort_by_key(|run| run["id"].to_string());
        runs
    }
}

pub(super) fn digests() -> Digests {
    Digests::new(&Secret::new("tr_dev_1234567890"))
}
