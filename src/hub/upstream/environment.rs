//! The environment's feed: one long-poll that tells which runs changed, however many there are (docs/server-protocol.md 7).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::cost::{self, Cost, CostLimits};
use super::interests::{Interest, Interests, Key};
use super::permits::Permits;
use super::subject::{RUNS, Subject, created_ms, tags_of};
use crate::clock::unix_ms;
use crate::config::{Endpoint, KeyKind};
use crate::connection::{ConnectionState, Notice, RetryPolicy};
use crate::error::Error;
use crate::hub::batch::{Batch, End};
use crate::hub::spec::FeedSpec;
use crate::lock::lock;
use crate::log::log;
use crate::shape::Reason;
use crate::table::Row;

/// What the feed leaves out: it only has to tell that a run changed. `updatedAt` differs with every change.
const SKIPPED: &str = "payload,payloadType,output,outputType,metadata,metadataType,error,realtimeStreams,startedAt,delayUntil,\
    queuedAt,expiredAt,completedAt,number,isTest,usageDurationMs,costInCents,baseCostInCents,ttl,idempotencyKey";

/// The window: the longest that the server gives. Runs created before it are never told of.
const WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// The window where Electric serves the feeds: its first answer holds every run of the window, however many there are.
const ELECTRIC_WINDOW: Duration = Duration::from_secs(3_600);
/// How far the clocks of server and client may differ: runs near the beginning of the window count as before it.
const MARGIN: Duration = Duration::from_secs(600);

/// How long the feed is kept after the last that it told.
const KEEP: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long it stays away where it cost too much.
const COSTLY_FOR: Duration = Duration::from_secs(300);

/// A feed as its only reader sees it.
pub(crate) trait Changes: Send + Sync {
    /// The next batch.
    fn next(&self) -> BoxFuture<'_, Batch>;
}

/// Opens a feed without a budget.
pub(crate) type Open = fn(&FeedSpec) -> Box<dyn Changes>;

/// Opens a feed that says nothing.
#[cfg(test)]
pub(super) fn silent(_: &FeedSpec) -> Box<dyn Changes> {
    struct Silent;
    impl Changes for Silent {
        fn next(&self) -> BoxFuture<'_, Batch> {
            Box::pin(std::future::pending())
        }
    }
    Box::new(Silent)
}

/// What the environment's feed can tell of now.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Whether it is up to date.
    pub(super) is_live: bool,
    /// Counts how often that changed: between two of them, changes may have been missed.
    pub(super) generation: u64,
    /// Runs created earlier are not told of, in Unix milliseconds.
    since_ms: u64,
    /// The tag that the runs have; `None` is every run.
    tag: Option<Arc<str>>,
    /// Its connection is up to date; its first rows may still be missing.
    is_up: bool,
}

impl Told {
    /// Whether it tells of a feed's runs. `row` is the run's, where the feed is of one run.
    pub(super) fn tells(&self, subject: &Subject, row: Option<&Row>) -> bool {
        let has_tag = |tags: &[String]| self.tag.as_ref().is_none_or(|tag| tags.iter().any(|has| **has == **tag));
        self.is_live
            && match subject {
                Subject::Run(_) => row.is_some_and(|row| {
                    created_ms(row).is_some_and(|created| created >= self.since_ms) && has_tag(&tags_of(row))
                }),
                Subject::Tags(tags) => self.tag.as_ref().is_none_or(|tag| tags.contains(tag)),
                Subject::Other => false,
            }
    }
}

/// The feed of one environment, and those that it tells.
#[derive(Debug)]
pub(super) struct Environment {
    endpoint: Endpoint,
    open: Open,
    /// The long-polls of the budget: a refusal of this feed's lowers how many there are, as any does.
    permits: Permits,
    shared: Mutex<Shared>,
    told: watch::Sender<Told>,
    /// Notified when the last that it tells has left.
    idle: Notify,
    /// Notified when it is known whether Electric serves the feeds.
    known: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    interests: Interests,
    tag: Option<Arc<str>>,
    limits: CostLimits,
    /// Whether Electric serves the feeds; `None` until one was answered.
    is_electric: Option<bool>,
    is_watching: bool,
    /// It cost too much, and is not opened before, whoever leaves and comes meanwhile.
    costly_until: Option<Instant>,
}

/// A feed that is told. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Registration {
    environment: Arc<Environment>,
    key: Key,
    pub(super) interest: Arc<Interest>,
}

/// Why the environment's feed is not followed any longer.
enum Stop {
    Idle,
    Failed(Option<Arc<Error>>),
    TooCostly,
}

impl Environment {
    pub(super) fn new(endpoint: Endpoint, open: Open, permits: Permits) -> Self {
        let (told, idle, known) = (watch::Sender::default(), Notify::new(), Notify::new());
        Self { endpoint, open, permits, shared: Mutex::default(), told, idle, known }
    }

    /// Whether its key may read the feed of the environment: a public token seldom may, and is asked for one run.
    pub(super) fn is_readable(&self) -> bool {
        matches!(self.endpoint.kind(), KeyKind::Root | KeyKind::Additional)
    }

    /// The options, which the feed takes when it is opened next.
    pub(super) fn set(&self, tag: Option<Arc<str>>, limits: Option<CostLimits>) {
        let mut shared = lock(&self.shared);
        shared.tag = tag.or_else(|| shared.tag.take());
        shared.limits = limits.unwrap_or(shared.limits);
    }

    /// Whether Electric serves the feeds. The environment's feed is not opened before that is known.
    pub(super) fn set_electric(&self, is_electric: bool) {
        lock(&self.shared).is_electric = Some(is_electric);
        self.known.notify_one();
    }

    /// Tells a feed of changes from now on. The environment's feed is opened for the first one. Must be called within a
    /// Tokio runtime.
    pub(super) fn register(self: &Arc<Self>, subject: &Subject) -> Registration {
        let mut shared = lock(&self.shared);
        let (key, interest) = shared.interests.add(subject);
        if self.is_readable() && !std::mem::replace(&mut shared.is_watching, true) {
            tokio::spawn(self.clone().watch());
        }
        drop(shared);
        Registration { environment: self.clone(), key, interest }
    }

    /// What it tells of, and when that changes.
    pub(super) fn told(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// How many feeds it tells, or would tell.
    pub(super) fn interests(&self) -> usize {
        lock(&self.shared).interests.len()
    }

    /// Whether it holds a long-poll.
    pub(super) fn is_live(&self) -> bool {
        self.told.borrow().is_live
    }

    /// Whether it was given up for a while because of what nobody watches.
    pub(super) fn is_costly(&self) -> bool {
        lock(&self.shared).costly_until.is_some_and(|until| Instant::now() < until)
    }

    /// Follows the environment's feed as long as somebody is to be told.
    async fn watch(self: Arc<Self>) {
        loop {
            let stop = tokio::select! {
                stop = self.follow_when_known() => stop,
                () = self.is_idle() => Stop::Idle,
            };
            self.told.send_modify(|told| told.is_live = false);
            let pause = match stop {
                Stop::Idle => Duration::ZERO,
                Stop::Failed(error) => {
                    let code = error.as_ref().map_or("", |error| error.code().as_str());
                    log!(Warn, "environment feed failed", "code" => code);
                    RETRY_AFTER
                }
                Stop::TooCostly => {
                    log!(Warn, "environment feed given up: most of its runs are watched by nobody");
                    lock(&self.shared).costly_until = Some(Instant::now() + COSTLY_FOR);
                    Duration::ZERO
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.is_idle() => {}
            }
            let mut shared = lock(&self.shared);
            if shared.interests.len() == 0 {
                shared.is_watching = false;
                return;
            }
        }
    }

    /// Ready when nobody has been there to be told for a while.
    async fn is_idle(&self) {
        loop {
            if self.interests() > 0 {
                self.idle.notified().await;
                continue;
            }
            sleep(KEEP).await;
            if self.interests() == 0 {
                return;
            }
        }
    }

    /// As [`Environment::follow`], once it is known for how long the window may be, which the first answer of any feed
    /// tells, and once it stayed away where it cost too much.
    async fn follow_when_known(&self) -> Stop {
        while lock(&self.shared).is_electric.is_none() {
            self.known.notified().await;
        }
        let costly_until = lock(&self.shared).costly_until;
        if let Some(until) = costly_until {
            sleep_until(until).await;
        }
        self.follow().await
    }

    /// Opens the feed, and tells its changes until it ends or costs too much.
    async fn follow(&self) -> Stop {
        let (spec, limits) = self.spec();
        let changes = (self.open)(&spec);
        let mut cost = Cost::new(limits);
        let mut ticks = interval_at(Instant::now() + cost::WINDOW, cost::WINDOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_settled = false;
        loop {
            let batch = tokio::select! {
                batch = changes.next() => batch,
                _ = ticks.tick() => {
                    if cost.is_too_much() {
                        return Stop::TooCostly;
                    }
                    continue;
                }
            };
            // The first rows are no changes: whoever registered before asks once more anyway.
            if is_settled {
                self.tell(&batch, &mut cost);
            }
            is_settled |= batch.settled;
            for notice in &batch.notices {
                // Other processes hold the rest: its own feeds make room, for this one tells all of them.
                if matches!(notice, Notice::Retry { retry, .. } if retry.reason == Reason::RateLimited) {
                    self.permits.refused();
                }
            }
            let state = batch.notices.iter().rev().find_map(|notice| match notice {
                Notice::State(state) => Some(*state),
                Notice::Retry { .. } => None,
            });
            self.note(state, is_settled);
            match batch.end {
                None => {}
                Some(End::Complete) => return Stop::Failed(None),
                Some(End::Failed(error)) => return Stop::Failed(Some(error)),
            }
        }
    }

    /// Tells the feeds that a batch concerns, and counts the rows that concern none.
    fn tell(&self, batch: &Batch, cost: &mut Cost) {
        let shared = lock(&self.shared);
        for item in &batch.rows {
            let run = item.row.get("friendlyId").unwrap_or_default();
            if !shared.interests.tell(run, &tags_of(&item.row)) {
                cost.add(item.row.text_len());
            }
        }
    }

    /// Notes whether the feed is up to date. `state` is `None` where it is as before.
    fn note(&self, state: Option<ConnectionState>, is_settled: bool) {
        self.told.send_if_modified(|told| {
            let is_up = state.map_or(told.is_up, |state| state == ConnectionState::Live);
            let is_live = is_up && is_settled;
            let is_news = is_live != told.is_live;
            told.generation += u64::from(is_news);
            (told.is_up, told.is_live) = (is_up, is_live);
            is_news
        });
    }

    /// The feed to open now.
    fn spec(&self) -> (FeedSpec, CostLimits) {
        let shared = lock(&self.shared);
        let is_electric = shared.is_electric == Some(true);
        let window = if is_electric { ELECTRIC_WINDOW } else { WINDOW };
        let since = unix_ms().saturating_sub(u64::try_from(window.as_millis()).unwrap_or(0));
        self.told.send_modify(|told| {
            told.is_up = false;
            told.since_ms = since + u64::try_from(MARGIN.as_millis()).unwrap_or(0);
            told.tag.clone_from(&shared.tag);
        });
        let mut query = vec![("skipColumns", SKIPPED.to_owned())];
        query.extend(shared.tag.as_ref().map(|tag| ("tags", tag.to_string())));
        query.extend(is_electric.then(|| ("createdAt", "1h".to_owned())));
        let spec = FeedSpec {
            endpoint: self.endpoint.clone(),
            path: RUNS.into(),
            query: query.into(),
            retry: RetryPolicy::default(),
        };
        (spec, shared.limits)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut shared = lock(&self.environment.shared);
        shared.interests.remove(&self.key);
        let is_last = shared.interests.len() == 0;
        drop(shared);
        if is_last {
            self.environment.idle.notify_one();
        }
    }
}
