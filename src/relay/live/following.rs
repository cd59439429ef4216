//! A want that follows a feed: which row the page is told next, and what of it.
//!
//! Nothing is queued but keys, so a page that reads slowly gets each row in its newest state.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::StatusCode;
use tokio_util::sync::ReusableBoxFuture;

use super::event::Refused;
use super::fields::{self, RowEvent};
use super::place::{Digests, Place, key_of};
use super::step::Step;
use crate::relay::feed::{Changed, ColumnSet, Gone, RowView, SkippedColumns, Standing, States, Subscriber, TextKey};
use crate::relay::limits::Reserved;
use crate::run;
use crate::shape::Schema;

/// How many keys of changed rows wait at once. A page that lacks more is told the others after these.
const MAX_WAITING: usize = 256;
/// After how many heartbeats a doubt is settled in favour of this relay's copy.
const PATIENCE: u64 = 2;
/// How many rows are compared of which the page lacks nothing, before others have their turn. Each costs a digest of all
/// that the page has of it.
const MAX_SILENT: usize = 64;

/// A row that the page has from before, and that was not compared with this copy's yet.
#[derive(Debug)]
struct Pending {
    place: Place,
    /// The key of the row, and the heartbeat from which the copy is right where the two are of one time; once the row was
    /// seen here.
    seen: Option<(Arc<str>, u64)>,
}

/// A want that follows a feed.
#[derive(Debug)]
pub(super) struct Following {
    subscriber: Subscriber,
    /// `None` while `wait` has it.
    states: Option<States>,
    wait: ReusableBoxFuture<'static, States>,
    skip_columns: Box<[String]>,
    skipped: SkippedColumns,
    schema: Arc<Schema>,
    window_ms: u64,
    /// Every change up to this one was told, but for `pending` ones.
    base: u64,
    /// Of the changes after it, those of rows that did not change again were told up to this one.
    reached: u64,
    /// The last change at the last look at the copy.
    looked: u64,
    /// The changes that are being told go up to this one; whether they are all.
    to: Option<(u64, bool)>,
    keys: VecDeque<Arc<str>>,
    gone: VecDeque<Gone>,
    /// Rows of `pending` that are not here, and that are waited for no longer.
    missing: Vec<u64>,
    /// Rows that were told in a newer state than `base` says, and in which.
    ahead: HashMap<Arc<str>, u64>,
    pending: HashMap<u64, Pending>,
    /// They count as bytes under way.
    reserved: Option<Reserved>,
    /// Up to here, changes were lost to this copy before the page came.
    lost: u64,
    /// The same when the changes that are being told were looked up.
    lost_before: u64,
    /// Changes up to this one are the first; `None` once they were told.
    first: Option<u64>,
    /// The heartbeat at which doubts are settled that the first rows left.
    settles_at: u64,
    /// The heartbeat at which doubts were last looked at.
    settled_at: Option<u64>,
    is_finished: bool,
    /// Whether it goes on after the end of its run.
    is_lasting: bool,
    is_partial: bool,
}

impl Following {
    /// Follows a feed whose first rows are there or are waited for. `places` are those that the page has reached; `beat`
    /// is the present heartbeat.
    pub(super) fn new(subscriber: Subscriber, skip_columns: Vec<String>, places: &[String], beat: u64) -> Self {
        let states = subscriber.states();
        let (skipped, schema) = subscriber.skipped(&skip_columns);
        let places = places.iter().filter_map(|text| Place::decode(text));
        let pending = places.map(|place| (place.key, Pending { place, seen: None })).collect();
        Self {
            wait: ReusableBoxFuture::new(changed(states.clone())),
            states: Some(states),
            skip_columns: skip_columns.into(),
            skipped,
            schema,
            window_ms: subscriber.window_ms(),
            subscriber,
            base: 0,
            reached: 0,
            looked: 0,
            to: None,
            keys: VecDeque::new(),
            gone: VecDeque::new(),
            missing: Vec::new(),
            ahead: HashMap::new(),
            pending,
            reserved: None,
            lost: 0,
            lost_before: 0,
            first: Some(u64::MAX),
            settles_at: beat + PATIENCE,
            settled_at: None,
            is_finished: false,
            is_lasting: false,
            is_partial: false,
        }
    }

    /// The same, which goes on after the end of its run where `is_lasting`.
    pub(super) fn lasting(self, is_lasting: bool) -> Self {
        Self { is_lasting, ..self }
    }

    /// The same, whose places count as bytes under way until all were compared.
    pub(super) fn counting(self, reserved: Option<Reserved>) -> Self {
        Self { reserved, ..self }
    }

    /// What comes next. `waker` is woken when there may be something after [`Step::Idle`].
    pub(super) fn step(&mut self, digests: &Digests, beat: u64, waker: &Waker) -> Step {
        let mut silent = 0;
        loop {
            while let Some(key) = self.keys.pop_front() {
                if let Some(step) = self.visit(&key, digests, beat) {
                    return step;
                }
                silent += 1;
                if silent >= MAX_SILENT {
                    return Step::Later;
                }
            }
            while let Some(gone) = self.gone.pop_front() {
                if let Some(step) = self.leave(&gone) {
                    return step;
                }
            }
            while let Some(hashed) = self.missing.pop() {
                // It may have come meanwhile.
                if self.pending.get(&hashed).is_some_and(|pending| pending.seen.is_none()) {
                    self.pending.remove(&hashed);
                    return Step::Gone(hashed);
                }
            }
            if let Some((to, is_all)) = self.to.take() {
                self.reached = to;
                if is_all {
                    self.base = to;
                    self.ahead.retain(|_, version| *version > to);
                }
            }
            // A row that changes as the first ones are told comes after the others.
            if self.first.is_some_and(|first| self.base >= first) {
                self.first = None;
                return Step::Ready { is_partial: self.is_partial };
            }
            if self.first.is_none() && beat >= self.settles_at && self.settled_at.is_none_or(|last| last < beat) {
                self.settled_at = Some(beat);
                self.settle(beat);
                continue;
            }
            if self.pending.is_empty() && self.reserved.take().is_some() {
                self.pending.shrink_to_fit();
            }
            let is_over = self.is_finished && self.first.is_none();
            // All that the last look found was told, and there is no news since: nothing that pages share is touched.
            let is_level = self.first.is_none() && !is_over && self.base >= self.looked;
            if is_level && self.states.as_ref().is_some_and(|states| matches!(states.has_changed(), Ok(false))) {
                self.watch();
            }
            let Some(mut states) = self.take_states(waker) else {
                return if is_over { Step::End } else { Step::Idle };
            };
            let standing = Subscriber::standing(&mut states);
            self.states = Some(states);
            match standing {
                Standing::Connecting => self.watch(),
                Standing::Failed(answer) => return Step::Failed(answer.into()),
                Standing::Live => {
                    if let Err(refused) = self.begin() {
                        return Step::Failed(refused);
                    }
                    if self.to.is_none() {
                        // A run may change once more after it is finished.
                        if is_over {
                            return Step::End;
                        }
                        self.watch();
                    }
                }
            }
        }
    }

    /// Whether the page has rows that only time tells apart from this copy's.
    pub(super) fn has_doubts(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The watch of the copy, unless there is no news of it.
    fn take_states(&mut self, waker: &Waker) -> Option<States> {
        if let Some(states) = self.states.take() {
            return Some(states);
        }
        match self.wait.poll(&mut Context::from_waker(waker)) {
            Poll::Ready(states) => Some(states),
            Poll::Pending => None,
        }
    }

    /// Waits for news of the copy, of which there may be some already.
    fn watch(&mut self) {
        if let Some(states) = self.states.take() {
            self.wait.set(changed(states));
        }
    }

    /// Begins to tell what changed since, if anything did.
    ///
    /// # Errors
    /// The page lacks rows that the copy no longer has.
    fn begin(&mut self) -> Result<(), Refused> {
        let horizon = self.subscriber.horizon();
        self.looked = horizon.sequence;
        if self.first == Some(u64::MAX) {
            self.first = Some(horizon.sequence);
            self.lost = horizon.lost;
            self.is_partial = self.lacks_evicted(horizon.evicted_ms);
            self.widen();
            (self.skipped, self.schema) = self.subscriber.skipped(&self.skip_columns);
        } else if horizon.lost > self.lost && horizon.lost > self.reached {
            return Err(forgotten());
        }
        self.lost_before = horizon.lost;
        if horizon.sequence > self.reached {
            let Changed { keys, gone, to, is_all } = self.subscriber.changed(self.reached, MAX_WAITING);
            (self.keys, self.gone, self.to) = (keys.into(), gone.into(), Some((to, is_all)));
        }
        Ok(())
    }

    /// Whether the page has not seen all that the copy evicted. It is told what there is, which is the newest.
    fn lacks_evicted(&self, evicted_ms: Option<u64>) -> bool {
        let seen_ms = self.pending.values().map(|pending| pending.place.updated_ms).max();
        evicted_ms.is_some_and(|evicted_ms| seen_ms.is_none_or(|seen_ms| seen_ms < evicted_ms))
    }

    /// Lets the window begin with the oldest run that the page has: it goes on to be told of that run (F8).
    fn widen(&mut self) {
        if self.pending.is_empty() || self.window_ms == 0 {
            return;
        }
        let is_known = |key: &str| self.pending.contains_key(&key_of(key));
        self.window_ms = self.subscriber.oldest_before(self.window_ms, is_known).unwrap_or(self.window_ms);
    }

    /// What the page is told of a row that changed; `None` where it lacks nothing.
    fn visit(&mut self, key: &Arc<str>, digests: &Digests, beat: u64) -> Option<Step> {
        let Some(view) = self.subscriber.row(key) else {
            // A row that was deleted meanwhile leaves with the next changes, of one that was evicted there are none.
            let is_lost = self.subscriber.horizon().lost > self.lost_before;
            return is_lost.then(|| Step::Failed(forgotten()));
        };
        // The row's columns may have been announced with the row.
        if let Some(anew) = self.subscriber.skipped_anew(&self.schema, &self.skip_columns) {
            (self.skipped, self.schema) = anew;
        }
        let hashed = if self.pending.is_empty() { 0 } else { key_of(key) };
        let (columns, is_whole) = if let Some(pending) = self.pending.get_mut(&hashed) {
            let shown = fields::shown(&view.row, &self.schema, |name| self.skipped.has(name));
            let lacking = digests.lacking(&pending.place, &view.row, shown);
            // Of two states of one time, nobody knows the newer one: the page keeps its own for a while.
            let doubted_until = if self.first.is_some() { self.settles_at } else { beat + PATIENCE };
            let (_, settles_at) = pending.seen.get_or_insert_with(|| (key.clone(), doubted_until));
            let is_known = pending.place.updated_ms < view.updated_ms || lacking.is_empty() || *settles_at <= beat;
            if pending.place.updated_ms > view.updated_ms {
                // The doubt begins with the state of that time.
                *settles_at = u64::MAX;
                return None;
            }
            if !is_known {
                *settles_at = (*settles_at).min(doubted_until);
                return None;
            }
            self.pending.remove(&hashed);
            (lacking, false)
        } else {
            if view.created_ms < self.window_ms {
                return None;
            }
            let told = self.ahead.get(key).copied().unwrap_or(self.base);
            if view.version <= told {
                return None;
            }
            let is_new = |since: u64| since > told;
            let columns =
                ColumnSet::of(&view.row, |index, _| view.columns.get(index).is_some_and(|since| is_new(*since)));
            // A column that was always null has no change.
            (columns, view.columns.iter().all(|since| *since == 0 || is_new(*since)))
        };
        // Once all is told up to a change, that says which state the page has of a row that did not change after it.
        let will_say = match self.to {
            Some((to, true)) => to,
            Some((_, false)) | None => self.base,
        };
        if view.version > will_say {
            self.ahead.insert(key.clone(), view.version);
        }
        self.is_finished = !self.is_lasting && self.subscriber.is_of_one_run() && run::is_finished(&view.row);
        let text = self.text(key, &view, columns, is_whole, digests);
        if text.is_empty() {
            return None;
        }
        self.subscriber.count_told(self.first.is_none());
        Some(Step::Row(text, is_whole))
    }

    /// The text of an event, shared by all who make the same step. Empty where no field of the run changed.
    fn text(&self, key: &Arc<str>, view: &RowView, columns: ColumnSet, is_whole: bool, digests: &Digests) -> Bytes {
        let text_key = TextKey { version: view.version, columns, is_whole, skipped: self.skipped.clone() };
        self.subscriber.text(&self.schema, text_key, || {
            let shown = fields::shown(&view.row, &self.schema, |name| self.skipped.has(name));
            let told = ColumnSet::of(&view.row, |index, _| columns.has(index) && shown.has(index));
            if !fields::has_fields(&view.row, told) {
                return Bytes::new();
            }
            let columns = fields::completed(&view.row, &self.schema, told, shown);
            let hashed = key_of(key);
            let at = digests.place(hashed, view, shown).encode();
            RowEvent { key: hashed, at: &at, row: &view.row, schema: &self.schema, columns, shown, is_whole }.text()
        })
    }

    /// What the page is told of a row that was deleted.
    fn leave(&mut self, gone: &Gone) -> Option<Step> {
        let hashed = key_of(&gone.key);
        if gone.is_back {
            // It may be deleted once more before its turn comes: the page still has what was there before.
            if gone.first_version <= self.base && gone.created_ms >= self.window_ms && self.base > 0 {
                self.ahead.entry(gone.key.clone()).or_insert(gone.version);
            }
            return None;
        }
        let has_place = self.pending.remove(&hashed).is_some();
        let had = gone.first_version <= self.base && gone.created_ms >= self.window_ms && self.base > 0;
        // A row that was deleted and came again may have been told in that state alone.
        let is_ahead = self.ahead.remove(&gone.key).is_some();
        (has_place || had || is_ahead).then_some(Step::Gone(hashed))
    }

    /// Settles what time alone can tell: rows of one time with other columns are told as they stand here, and rows that
    /// are not here are gone. A page that saw a newer state elsewhere keeps it.
    fn settle(&mut self, beat: u64) {
        if self.pending.is_empty() {
            return;
        }
        let horizon = self.subscriber.horizon();
        for (key, pending) in &self.pending {
            match &pending.seen {
                Some((row, settles_at)) if *settles_at <= beat => self.keys.push_back(row.clone()),
                Some(_) => {}
                None => {
                    let is_evicted = horizon.evicted_ms.is_some_and(|evicted| pending.place.updated_ms <= evicted);
                    if pending.place.updated_ms <= horizon.newest_ms && !is_evicted {
                        self.missing.push(*key);
                    }
                }
            }
        }
    }
}

/// The refusal of a page that is far behind. With the places of its rows it is told the rest.
fn forgotten() -> Refused {
    let why = "Rows were forgotten before this page was told of them: ask again";
    Refused::new(StatusCode::CONFLICT, why, true)
}

/// The watch of a copy, once there is news.
async fn changed(mut states: States) -> States {
    // The sender is in the copy, which the subscriber keeps.
    let _ = states.changed().await;
    states
}
