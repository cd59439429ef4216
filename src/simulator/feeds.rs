//! The server's answers to requests of feeds, on either backend (docs/server-protocol.md 4).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::backend::{Backend, Kind, State};
use super::history::{Filter, View};
use super::shape_log::ShapeLog;
use super::wire::Answer;
use crate::shape::truth::{COLUMNS, MUST_REFETCH, Table, UP_TO_DATE, add_noise, message};

/// How long the native server remembers a change between two live requests.
const MEMORY_MS: u64 = 2_000;

/// One request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a request line").to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { path: path.to_owned(), query, headers, target }
    }

    pub(super) fn is_live(&self) -> bool {
        self.query.get("live").is_some_and(|live| live == "true")
    }

    fn offset(&self) -> Option<&str> {
        self.query.get("offset").map(String::as_str).filter(|offset| *offset != "-1")
    }
}

/// The answer to a request, as soon as the server gives one.
pub(super) async fn answer(backend: &Backend, asked: &Asked) -> Answer {
    let view = View::of(&asked.path, &asked.query);
    let (hold, hits_cache) = {
        let mut state = backend.state();
        (17_000 + state.rng.below(6_000) as u64, state.rng.one_in(16))
    };
    let end = Instant::now() + Duration::from_millis(hold);
    let mut changes = backend.changes();
    if hits_cache && let Some(cached) = backend.state().cache.get(&asked.target) {
        return cached.clone();
    }
    loop {
        changes.borrow_and_update();
        let is_over = end <= Instant::now();
        let answer = {
            let mut state = backend.state();
            match state.kind {
                Kind::Native => state.native(asked, &view, backend.now_ms(), is_over),
                Kind::Electric => state.electric(asked, &view, is_over),
            }
        };
        if let Some(answer) = answer {
            return answer;
        }
        let _ = timeout_at(end, changes.changed()).await;
    }
}

impl State {
    /// Whole rows, by the number of the last change in the offset. A change that is older than the server's memory does
    /// not end a live request, until another one does or the hold is over.
    fn native(&mut self, asked: &Asked, view: &View, now_ms: u64, is_over: bool) -> Option<Answer> {
        let columns: Vec<&str> = COLUMNS.into_iter().filter(|name| view.shows(name)).collect();
        let from = asked.offset().map(|offset| offset.split_once('_').expect("an offset of ours").1);
        let from: usize = from.map_or(0, |from| from.parse().expect("a number of ours"));
        let mut keys: Vec<&String> = if asked.offset().is_some() {
            self.changes[from..].iter().map(|(key, _)| key).collect()
        } else {
            self.table.rows.keys().collect()
        };
        keys.sort();
        keys.dedup();
        // Notifications of the environment's feed are lost now and then, and nothing tells of them later.
        if asked.is_live() && view.filter == Filter::Tags(0) && self.loses_notifications {
            keys.retain(|_| !self.rng.one_in(4));
        }
        let table = &self.table;
        let row = |key: &&String| table.rows.get(*key).filter(|cells| view.has(cells, table.now_ms));
        let rows: Vec<_> = keys.into_iter().filter_map(|key| Some((key, row(&key)?))).collect();
        let is_young = self.changes[from..].iter().any(|(key, at)| {
            at + MEMORY_MS > now_ms && table.rows.get(key).is_some_and(|cells| view.has(cells, table.now_ms))
        });
        if asked.is_live() && asked.offset().is_some() && !is_over && !is_young {
            return None;
        }
        let operation = if asked.offset().is_some() { "update" } else { "insert" };
        let mut messages: Vec<String> =
            rows.iter().map(|(key, cells)| message(operation, key, cells, &columns, &mut self.rng)).collect();
        messages.push(UP_TO_DATE.into());
        let to = self.changes.len();
        let handle = asked.query.get("handle").cloned().unwrap_or_else(|| {
            match view.path().strip_prefix("/realtime/v1/runs/") {
                Some(run) => format!("run-{run}"),
                None => format!("runs_{}_{to}_78450bdb", now_ms - super::history::HOUR_MS),
            }
        });
        Some(self.answered(asked, view, handle, format!("{}_{to}", table_ms(&self.table)), &messages))
    }

    /// Electric's log, with partial updates, in parts; a must-refetch now and then.
    fn electric(&mut self, asked: &Asked, view: &View, is_over: bool) -> Option<Answer> {
        let (table, rng) = (&self.table, &mut self.rng);
        let log = self.shapes.entry(view.clone()).or_insert_with(|| ShapeLog::new(view.clone(), table, rng));
        // A live request that waited keeps its handle.
        if rng.one_in(60) && !is_over {
            log.rebuild(table, rng);
        }
        let named = asked.query.get("handle");
        if asked.offset().is_some() && named != Some(&log.handle()) {
            let body = format!("[{MUST_REFETCH}]");
            if rng.one_in(5) {
                let (handle, offset) = (log.handle(), asked.offset().unwrap_or_default().to_owned());
                return Some(self.answered(asked, view, handle, offset, &[MUST_REFETCH.into()]));
            }
            let headers = if rng.one_in(6) { vec![] } else { vec![("electric-handle", log.handle())] };
            return Some(Answer { status: 409, headers, body: body.into_bytes() });
        }
        let from = asked.offset().map_or(0, |offset| offset.split('_').next().expect("a part").parse().expect("ours"));
        let end = log.messages.len();
        if asked.is_live() && asked.offset().is_some() && from == end && !is_over {
            return None;
        }
        let handle = log.handle();
        if asked.is_live() && from == end && rng.one_in(8) {
            let offset = asked.offset().unwrap_or_default().to_owned();
            let headers = vec![("electric-handle", handle), ("electric-offset", offset)];
            return Some(Answer { status: 204, headers, body: Vec::new() });
        }
        let to = if rng.one_in(4) { from + rng.below(end - from + 1) } else { end };
        let mut messages = log.messages[from..to].to_vec();
        if rng.one_in(8) {
            add_noise(&mut messages, rng);
        }
        if to == end {
            messages.push(UP_TO_DATE.into());
        }
        let offset = if to == end && rng.one_in(4) { format!("{to}_inf") } else { format!("{to}_0") };
        let answer = self.answered(asked, view, handle, offset, &messages);
        self.cache.insert(asked.target.clone(), answer.clone());
        Some(answer)
    }

    fn answered(&mut self, asked: &Asked, view: &View, handle: String, offset: String, messages: &[String]) -> Answer {
        self.answers += 1;
        let mut headers = vec![("electric-handle", handle), ("electric-offset", offset)];
        if asked.is_live() {
            headers.push(("electric-cursor", self.answers.to_string()));
        }
        headers.push(("electric-schema", Table::schema(|name| view.shows(name))));
        Answer { status: 200, headers, body: format!("[{}]", messages.join(",")).into_bytes() }
    }
}

/// The time of the newest change.
fn table_ms(table: &Table) -> u64 {
    table.now_ms
}
