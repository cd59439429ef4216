//! What a feed of a budget does when its next request would be a long-poll: it takes a permit, or waits to be told.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::budget::Budget;
use super::environment::{Registration, Told};
use super::pacer::Slot;
use super::permits::{Permit, Place, Rank};
use super::subject::Subject;
use super::verdict::{Standing, Verdict, check_after, verdict};
use crate::hub::spec::FeedSpec;
use crate::random;
use crate::table::Row;

/// How long a feed that was told waits behind others that ask, before it asks all the same, at the pace of
/// checks: of those that ask, many may wait for a server that does not answer.
const ASK_WITHIN: Duration = Duration::from_secs(1);

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Turn {
    /// The long-poll may be sent.
    Poll,
    /// One request without `live` is to be sent in its place.
    Ask,
}

/// The turns of one feed.
#[derive(Debug)]
pub(in crate::hub) struct Turns {
    budget: Arc<Budget>,
    subject: Subject,
    permit: Option<Permit>,
    /// A long-poll was answered under this permit. Until then it is not handed on: the first request may be one without
    /// `live`, and a permit that went round for those would bring nobody a long-poll.
    is_used: bool,
    place: Option<Place>,
    registration: Option<Registration>,
    told: watch::Receiver<Told>,
    /// When the environment's feed was up to date as the request in flight was sent: its generation, else 0.
    asked: Option<u64>,
    /// Held while the request in flight is one of the few that are asked at once.
    asking: Option<OwnedSemaphorePermit>,
    /// The generation of the last answer.
    synced: u64,
    /// When the last answer came.
    answered: Instant,
    /// The present interval of checks, drawn anew after each answer.
    jitter: f64,
    /// The moment of the next check. It is kept until it is used: what wakes many feeds that wait for theirs would have
    /// them ask all at once.
    slot: Option<Slot>,
    /// The feed was checked because nothing tells it: it says so until it is told, or has a permit.
    is_polling: bool,
}

impl Turns {
    pub(in crate::hub) fn new(budget: Arc<Budget>, spec: &FeedSpec) -> Self {
        let told = budget.environment.told();
        Self {
            budget,
            subject: Subject::of(spec),
            permit: None,
            is_used: false,
            place: None,
            registration: None,
            told,
            asked: None,
            asking: None,
            synced: 0,
            answered: Instant::now(),
            jitter: 0.0,
            slot: None,
            is_polling: false,
        }
    }

    /// The turns of a feed that is split off from this one.
    pub(in crate::hub) fn split(&self, spec: &FeedSpec) -> Self {
        Self::new(self.budget.clone(), spec)
    }

    /// Whether the feed may hold a long-poll.
    pub(in crate::hub) fn has_permit(&self) -> bool {
        self.permit.is_some()
    }

    /// Whether the feed is checked every few seconds.
    pub(in crate::hub) fn is_polling(&self) -> bool {
        self.is_polling
    }

    /// A request without `live` is about to be sent. Of many feeds that are told at once, few ask at once.
    pub(in crate::hub) async fn ask(&mut self) {
        let was_told = self.registration.is_some();
        if self.permit.is_none() && !was_told {
            // The first rows: where there is no permit to be had, what changes from now on is told, so that they need
            // not be asked for twice.
            match self.budget.permits.try_take() {
                Some(permit) => self.take(permit),
                None => self.register(),
            }
        }
        if was_told {
            let asking = self.budget.asking.clone().acquire_owned();
            let patience = async {
                sleep(ASK_WITHIN).await;
                let slot = self.budget.checks.slot();
                sleep_until(slot.at()).await;
            };
            self.asking = tokio::select! {
                biased;
                asking = asking => asking.ok(),
                () = patience => None,
            };
        }
        self.begin();
    }

    /// The answer is there, or there will be none. `was_live`: it is that of a long-poll.
    pub(in crate::hub) fn answered(&mut self, was_live: bool) {
        self.asking = None;
        self.is_used |= was_live;
    }

    fn begin(&mut self) {
        if let Some(registration) = &self.registration {
            registration.interest.begin();
        }
        let told = self.told.borrow();
        self.asked = Some(if told.is_live && self.registration.is_some() { told.generation } else { 0 });
    }

    /// What follows now that the machine named a long-poll. `row` is the run's, where the feed is of one run. Dropping
    /// the future loses nothing.
    pub(in crate::hub) async fn next(&mut self, row: Option<&Row>, is_electric: bool) -> Turn {
        self.budget.note_electric(is_electric);
        if let Some(generation) = self.asked.take() {
            self.synced = generation;
            self.answered = Instant::now();
            self.jitter = random::unit();
        }
        let row = row.filter(|_| matches!(self.subject, Subject::Run(_)));
        loop {
            let is_told = self.told.borrow_and_update().tells(&self.subject, row);
            if self.hands_on(is_told) {
                self.permit = None;
            }
            // Its turn may have come while it asked.
            let given = match &mut self.place {
                _ if self.permit.is_some() => None,
                Some(place) => place.given(),
                None => self.budget.permits.try_take(),
            };
            if let Some(permit) = given {
                self.take(permit);
            }
            if self.permit.is_some() {
                return self.poll();
            }
            if self.registration.is_none() {
                self.register();
            }
            self.queue(is_told);
            if is_told {
                self.set_polling(false);
            }
            let due = self.due(is_told);
            let standing = Standing {
                is_told,
                is_synced: self.synced == self.told.borrow().generation,
                is_changed: self.is_changed(),
                is_due: due <= Instant::now(),
            };
            match verdict(standing) {
                Verdict::Ask => {
                    self.slot = None;
                    return Turn::Ask;
                }
                Verdict::Check => {
                    if !is_told {
                        self.set_polling(true);
                    }
                    let slot = self.slot.get_or_insert_with(|| self.budget.checks.slot()).at();
                    if slot <= Instant::now() {
                        self.slot = None;
                        return Turn::Ask;
                    }
                    if self.wait_until(slot).await {
                        return self.poll();
                    }
                }
                Verdict::Wait => {
                    self.slot = None;
                    if self.wait_until(due).await {
                        return self.poll();
                    }
                }
            }
        }
    }

    /// Whether the permit goes to another feed now.
    fn hands_on(&self, is_told: bool) -> bool {
        let wanted = |permit: &Permit| permit.is_beyond() || self.is_used && permit.is_wanted(is_told);
        self.permit.as_ref().is_some_and(wanted)
    }

    fn take(&mut self, permit: Permit) {
        self.permit = Some(permit);
        self.is_used = false;
    }

    /// Waits until a time, a change, or news of the environment's feed. True where the feed got a permit.
    async fn wait_until(&mut self, time: Instant) -> bool {
        let permit = or_never(self.place.as_mut().map(Place::permit));
        let told = or_never(self.registration.as_ref().map(|registration| registration.interest.told()));
        tokio::select! {
            permit = permit => {
                self.take(permit);
                true
            }
            () = told => false,
            // The sender is in the budget, which this feed keeps.
            _ = self.told.changed() => false,
            () = sleep_until(time) => false,
        }
    }

    /// The long-poll may be sent.
    fn poll(&mut self) -> Turn {
        self.place = None;
        self.registration = None;
        self.slot = None;
        self.synced = 0;
        self.set_polling(false);
        Turn::Poll
    }

    /// A long-poll, or what was asked in its place, was answered with a failure or a refusal: what is waited for next is
    /// no long-poll.
    pub(in crate::hub) fn failed(&mut self, is_refused: bool) {
        if let Some(permit) = self.permit.take()
            && is_refused
        {
            permit.refused();
        }
        self.let_go();
    }

    /// The feed asks for nothing for a while: others have its permit, or its turn. What changes meanwhile is told to it.
    pub(in crate::hub) fn let_go(&mut self) {
        self.permit = None;
        self.place = None;
    }

    fn register(&mut self) {
        self.registration = Some(self.budget.environment.register(&self.subject));
    }

    fn is_changed(&self) -> bool {
        self.registration.as_ref().is_some_and(|registration| registration.interest.is_changed())
    }

    /// Joins the queue, or leaves it, by whether anything tells the feed of changes. A run that is told has no need of a
    /// long-poll; of several runs, each question brings all rows, and a long-poll only those that changed.
    fn queue(&mut self, is_told: bool) {
        let rank = match (is_told, &self.subject) {
            (false, _) => Some(Rank::Needs),
            (true, Subject::Run(_)) => None,
            (true, Subject::Tags(_) | Subject::Other) => Some(Rank::Wishes),
        };
        if self.place.as_ref().map(|place| place.rank) != rank {
            self.place = None;
            self.place = rank.map(|rank| self.budget.permits.queue(rank));
        }
    }

    /// When the last answer is as old as it may become.
    fn due(&self, is_told: bool) -> Instant {
        self.answered + check_after(is_told, self.jitter)
    }

    fn set_polling(&mut self, is_polling: bool) {
        if std::mem::replace(&mut self.is_polling, is_polling) != is_polling {
            if is_polling {
                self.budget.polling.fetch_add(1, Ordering::Relaxed);
            } else {
                self.budget.polling.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.set_polling(false);
    }
}

/// The future, or one that is never ready.
async fn or_never<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
