//! Every state that each run ever had, and what one reader saw of them.

use std::collections::BTreeMap;

use crate::shape::truth::{Cells, Changed, TAGS, Table};
use crate::timestamp::parse_utc;

/// Columns that are shown whatever a reader skips (docs/server-protocol.md 4).
const REQUIRED: [&str; 5] = ["id", "taskIdentifier", "friendlyId", "status", "createdAt"];
pub(super) const HOUR_MS: u64 = 3_600_000;

/// Which runs a feed has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Filter {
    Run(usize),
    /// All of the first so many tags; of none, every run.
    Tags(usize),
    Batch,
}

/// What a feed shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct View {
    pub(super) filter: Filter,
    /// Whether runs older than an hour are left out.
    pub(super) is_recent: bool,
    pub(super) skips: Vec<String>,
}

impl View {
    /// The view that a request asks for, as the server reads it.
    pub(super) fn of(path: &str, query: &BTreeMap<String, String>) -> Self {
        let skips = query.get("skipColumns").map_or("", String::as_str).split(',');
        let filter = if let Some(run) = path.strip_prefix("/realtime/v1/runs/run_") {
            Filter::Run(run.parse().expect("a run of ours"))
        } else if path == "/realtime/v1/runs" {
            // Without tags it is the feed of the environment (docs/server-protocol.md 7).
            Filter::Tags(query.get("tags").map_or(0, |tags| tags.split(',').count()))
        } else {
            assert_eq!(path, "/realtime/v1/batches/batch_1");
            Filter::Batch
        };
        let is_recent = query.contains_key("createdAt");
        Self { filter, is_recent, skips: skips.filter(|name| !name.is_empty()).map(str::to_owned).collect() }
    }

    /// The path that asks for it.
    pub(super) fn path(&self) -> String {
        match &self.filter {
            Filter::Run(n) => format!("/realtime/v1/runs/run_{n}"),
            Filter::Tags(_) => "/realtime/v1/runs".to_owned(),
            Filter::Batch => "/realtime/v1/batches/batch_1".to_owned(),
        }
    }

    /// The feed's own parameters, without the columns that it skips.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if let Filter::Tags(count) = self.filter {
            pairs.push(("tags", TAGS[..count].join(",")));
        }
        if self.is_recent {
            pairs.push(("createdAt", "1h".to_owned()));
        }
        pairs
    }

    pub(super) fn shows(&self, column: &str) -> bool {
        REQUIRED.contains(&column) || !self.skips.iter().any(|name| name == column)
    }

    /// Whether a run is in the feed; `now_ms` is the time on the server.
    pub(super) fn has(&self, cells: &Cells, now_ms: u64) -> bool {
        let created_ms = parse_utc(&cells["createdAt"]).expect("a time");
        if self.is_recent && created_ms + HOUR_MS + HOUR_MS / 2 < now_ms {
            return false;
        }
        match &self.filter {
            Filter::Run(n) => cells["id"] == format!("c{n}"),
            Filter::Tags(count) => TAGS[..*count].iter().all(|tag| cells["runTags"].contains(tag)),
            Filter::Batch => cells.contains_key("batchId"),
        }
    }

    pub(super) fn shown(&self, cells: &Cells) -> Cells {
        cells.iter().filter(|(name, _)| self.shows(name)).map(|(name, text)| (name.clone(), text.clone())).collect()
    }
}

/// The states of each run, oldest first; `None` is its absence.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<String, Vec<Option<Cells>>>);

impl History {
    pub(super) fn record(&mut self, changed: &Changed) {
        self.0.entry(changed.key.clone()).or_default().push(changed.after.clone());
    }
}

/// What a reader saw.
#[derive(Debug)]
pub(super) struct Watch {
    view: View,
    /// Whether the reader may be given a state that it has, as a viewer that changes servers may.
    may_repeat: bool,
    /// Whether it learns which runs are gone.
    sees_deletes: bool,
    /// Whether it is given runs and not rows: an empty packet is none.
    is_of_runs: bool,
    rows: BTreeMap<String, Cells>,
    /// The number of the state that was seen last, for each run.
    at: BTreeMap<String, usize>,
}

impl Watch {
    pub(super) fn new(view: View, may_repeat: bool, sees_deletes: bool) -> Self {
        let (rows, at) = (BTreeMap::new(), BTreeMap::new());
        Self { view, may_repeat, sees_deletes, is_of_runs: false, rows, at }
    }

    /// What a page sees, which may change servers and learns which runs are gone.
    pub(super) fn of_runs(view: View) -> Self {
        Self { is_of_runs: true, ..Self::new(view, true, true) }
    }

    fn shown(&self, cells: &Cells) -> Cells {
        let mut shown = self.view.shown(cells);
        shown.retain(|_, text| !self.is_of_runs || !text.is_empty());
        shown
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn row(&self, key: &str) -> Option<&Cells> {
        self.rows.get(key)
    }

    /// The reader was given a row. It must be a state of that very run, in the columns of the view, and no older than
    /// the last one seen.
    pub(super) fn take(&mut self, history: &History, now_ms: u64, key: &str, cells: Cells) {
        for name in cells.keys() {
            assert!(self.view.shows(name), "{key}: the skipped column {name}");
        }
        let states = history.0.get(key).unwrap_or_else(|| panic!("{key} never was"));
        let from = self.at.get(key).copied().unwrap_or(0);
        let is_it = |state: &Option<Cells>| {
            state.as_ref().is_some_and(|state| self.view.has(state, now_ms) && self.shown(state) == cells)
        };
        let Some(at) = (from..states.len()).find(|&at| is_it(&states[at])) else {
            let older = (0..from).any(|at| is_it(&states[at]));
            let what = if older { "an older state" } else { "a state that it never had" };
            panic!("{key}: {what} {cells:?} after the state {from} of {states:?}");
        };
        let before = self.rows.insert(key.to_owned(), cells);
        if !self.may_repeat && self.view.shows("updatedAt") {
            assert!(before.as_ref() != self.rows.get(key), "{key}: the same state twice: {before:?}");
        }
        self.at.insert(key.to_owned(), at);
    }

    /// The reader was told that a run is gone.
    pub(super) fn gone(&mut self, history: &History, now_ms: u64, key: &str) {
        let states = history.0.get(key).unwrap_or_else(|| panic!("{key} never was"));
        let from = self.at.get(key).copied().unwrap_or(0);
        let is_gone = |state: &Option<Cells>| state.as_ref().is_none_or(|state| !self.view.has(state, now_ms));
        let at = (from..states.len()).find(|&at| is_gone(&states[at]));
        // A viewer that changes relays may learn of a delete from the one that is behind.
        let was = self.may_repeat && (0..from).any(|at| is_gone(&states[at]));
        assert!(at.is_some() || was, "{key} is told gone, and is there: {states:?}");
        // States that the reader did not read yet are dropped with their run.
        self.rows.remove(key);
        if let Some(at) = at {
            self.at.insert(key.to_owned(), at);
        }
    }

    /// The reader begins anew, and goes on from what it saw.
    pub(super) fn restart(&mut self) {
        self.rows.clear();
    }

    /// After everything was read, the reader has what the server has.
    pub(super) fn complete(&self, table: &Table, keeps_deleted: bool) {
        let mut count = 0;
        for (key, cells) in table.rows.iter().filter(|(_, cells)| self.view.has(cells, table.now_ms)) {
            count += 1;
            let shown = self.shown(cells);
            assert_eq!(self.rows.get(key), Some(&shown), "the last state of {key}");
        }
        if self.sees_deletes && !keeps_deleted {
            let keys: Vec<&String> = self.rows.keys().collect();
            assert_eq!(self.rows.len(), count, "runs that are gone are among {keys:?}");
        }
    }
}
