//! A page that follows runs, and perhaps a stream, on the relay's live stream (docs/relay-live.md).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use super::backend::Backend;
use super::history::{Filter, View, Watch};
use crate::relay::Relay;
use crate::serve::Body;
use crate::shape::truth::{Cells, FINISHED, TAGS, TYPE, Table};
use crate::timestamp::format_timestamp;

/// A row that a page has: its key in the table, its place, and its run.
#[derive(Debug)]
struct Kept {
    key: String,
    at: String,
    run: Map<String, Value>,
}

/// Runs that a page follows.
pub(super) struct Want {
    pub(super) watch: Watch,
    token: String,
    /// The columns that the want leaves out; its token leaves out others.
    skips: Vec<String>,
    rows: BTreeMap<String, Kept>,
}

/// A page, and what it saw.
pub(super) struct Page {
    pub(super) wants: Vec<Want>,
    body: Option<Body>,
    text: String,
    /// How many wants of the response are not over.
    open: usize,
}

impl Want {
    /// A want whose token leaves out the columns of `view`, and whose request `more` of them.
    pub(super) fn new(mut view: View, more: &[String], token: String) -> Self {
        // A run does not say of which batch it is.
        view.skips.extend(more.iter().cloned().chain(["batchId".to_owned()]));
        Self { watch: Watch::of_runs(view), token, skips: more.to_vec(), rows: BTreeMap::new() }
    }

    fn asked(&self, id: usize) -> Value {
        let view = self.watch.view();
        let places: Vec<&String> = self.rows.values().map(|kept| &kept.at).collect();
        let mut asked = json!({ "id": id.to_string(), "token": self.token, "skipColumns": self.skips, "at": places });
        match &view.filter {
            Filter::Run(n) => asked["run"] = format!("run_{n}").into(),
            Filter::Tags(count) => asked["tags"] = json!(TAGS[..*count]),
            Filter::Batch => asked["batch"] = "batch_1".into(),
        }
        if view.is_recent {
            asked["createdAt"] = "1h".into();
        }
        asked
    }

    /// Applies an event of a row as clients do.
    fn take(&mut self, name: &str, told: &Value, backend: &Backend) {
        let state = backend.state();
        let now_ms = state.table.now_ms;
        let place = told["key"].as_str().expect("a key").to_owned();
        if name == "gone" {
            if let Some(kept) = self.rows.remove(&place) {
                self.watch.gone(&state.history, now_ms, &kept.key);
            }
            return;
        }
        let at = told["at"].as_str().expect("a place").to_owned();
        let run = if name == "row" {
            told["run"].as_object().expect("a run").clone()
        } else {
            let mut run = self.rows.remove(&place).expect("a change of a row that the page has").run;
            for field in told["unset"].as_array().into_iter().flatten() {
                run.remove(field.as_str().expect("a name"));
            }
            run.extend(told["set"].as_object().expect("fields").clone());
            run
        };
        let number = run["id"].as_str().and_then(|id| id.strip_prefix("run_")).expect("a run of ours");
        let key = Table::key(number.parse().expect("a number"));
        self.watch.take(&state.history, now_ms, &key, cells(number, &run));
        self.rows.insert(place, Kept { key, at, run });
    }
}

/// The columns of a run, as the server has them.
fn cells(number: &str, run: &Map<String, Value>) -> Cells {
    let text = |name: &str| run.get(name).and_then(Value::as_str).map(str::to_owned);
    let time = |name: &str| run.get(name).and_then(Value::as_u64).map(format_timestamp);
    let data = |name: &str| run.get(name).and_then(|packet| packet["data"].as_str()).map(str::to_owned);
    let status = match text("status").as_deref() {
        Some("QUEUED") => Some("PENDING".to_owned()),
        Some("COMPLETED") => Some(FINISHED.to_owned()),
        _ => text("status"),
    };
    let tags = run.get("tags").and_then(Value::as_array).map(|tags| {
        let tags: Vec<_> = tags.iter().map(|tag| tag.as_str().expect("a tag")).collect();
        format!("{{{}}}", tags.join(","))
    });
    let columns = [
        ("id", Some(format!("c{number}"))),
        ("friendlyId", text("id")),
        ("taskIdentifier", text("taskIdentifier")),
        ("status", status),
        ("createdAt", time("createdAt")),
        ("updatedAt", time("updatedAt")),
        ("runTags", tags),
        ("payload", data("payload")),
        ("output", data("output")),
        ("metadata", data("metadata")),
        ("payloadType", Some(TYPE.to_owned())),
        ("outputType", Some(TYPE.to_owned())),
        ("metadataType", Some(TYPE.to_owned())),
    ];
    columns.into_iter().filter_map(|(name, cell)| Some((name.to_owned(), cell?))).collect()
}

/// The body of a request to a relay.
pub(super) fn wanting(wants: &[Value]) -> Request<Body> {
    let body = Full::new(json!({ "wants": wants }).to_string().into()).map_err(|never| match never {}).boxed_unsync();
    Request::post("/relay/v1/live").header("host", "app.example").body(body).expect("a request")
}

/// Takes the first event from a text: its name and its data. Comments are passed over.
pub(super) fn next_event(text: &mut String) -> Option<(String, Value)> {
    loop {
        let (event, rest) = text.split_once("\n\n")?;
        let (event, rest) = (event.to_owned(), rest.to_owned());
        *text = rest;
        let Some(name) = event.strip_prefix("event: ").and_then(|rest| rest.lines().next()) else { continue };
        let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        return Some((name.to_owned(), serde_json::from_str(&data.join("\n")).expect("JSON")));
    }
}

impl Page {
    pub(super) fn new(wants: Vec<Want>) -> Self {
        Self { wants, body: None, text: String::new(), open: 0 }
    }

    /// The page loses its response, or gives it up.
    pub(super) fn leave(&mut self) {
        self.body = None;
        self.text.clear();
    }

    /// Reads on for a while; asks a relay where the response before is over. True where it was told something of a run,
    /// or has to ask again.
    pub(super) async fn read(&mut self, relay: &Arc<Relay>, backend: &Backend) -> bool {
        let Some(body) = &mut self.body else { return self.ask(relay).await };
        let frame = match timeout(Duration::from_secs(40), body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_)) | None) => {
                let has_ended = self.open == 0;
                self.leave();
                if has_ended {
                    // All of its runs were finished, and may change all the same.
                    sleep(Duration::from_secs(5)).await;
                }
                return !has_ended;
            }
            Err(late) => panic!("a response without a heartbeat: {late}"),
        };
        self.text.push_str(std::str::from_utf8(&frame.into_data().expect("no trailers")).expect("text"));
        let mut is_news = false;
        while let Some((name, told)) = next_event(&mut self.text) {
            let want = told[0].as_str().map(|id| id.parse::<usize>().expect("an id of ours"));
            match (name.as_str(), want) {
                ("row" | "change" | "gone", Some(want)) => {
                    is_news = true;
                    self.wants[want].take(&name, &told[1], backend);
                }
                ("end", Some(_)) => self.open -= 1,
                ("error", Some(_)) => {
                    assert_eq!(told[1]["retry"], true, "{told}");
                    // Clients ask anew for all that they want.
                    self.leave();
                    sleep(Duration::from_secs(1)).await;
                    return true;
                }
                ("ready", Some(_)) | ("again", None) => {}
                _ => panic!("{name} {told}"),
            }
        }
        is_news
    }

    async fn ask(&mut self, relay: &Arc<Relay>) -> bool {
        let wants: Vec<_> = self.wants.iter().enumerate().map(|(id, want)| want.asked(id)).collect();
        let (head, body) = relay.respond(wanting(&wants), None).await.into_parts();
        assert_eq!(head.status.as_u16(), 200);
        (self.body, self.open) = (Some(body), wants.len());
        false
    }
}
