//! The subscribers of one feed. Each knows its index, so that it leaves without a search: 50,000 may leave together.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use super::inbox::Inbox;
use crate::lock::lock;

/// An inbox, and the feed `F` that fills it: another feed once the reader was too slow for the first.
#[derive(Debug)]
pub(super) struct Subscriber<F> {
    pub(super) inbox: Arc<Inbox>,
    feed: Arc<Mutex<Arc<F>>>,
}

impl<F> Subscriber<F> {
    pub(super) fn new(inbox: Arc<Inbox>, feed: Arc<F>) -> Self {
        Self { inbox, feed: Arc::new(Mutex::new(feed)) }
    }

    /// The present feed.
    pub(super) fn feed(&self) -> Arc<F> {
        lock(&self.feed).clone()
    }

    fn hand_over(&self, feed: Arc<F>) {
        *lock(&self.feed) = feed;
    }
}

impl<F> Clone for Subscriber<F> {
    fn clone(&self) -> Self {
        Self { inbox: self.inbox.clone(), feed: self.feed.clone() }
    }
}

/// The subscribers of the feed `F`. Each inbox knows its index here.
#[derive(Debug)]
pub(super) struct Subscribers<F>(Vec<Subscriber<F>>);

impl<F> Default for Subscribers<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F> Subscribers<F> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn inboxes(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.0.iter().map(|subscriber| &subscriber.inbox)
    }

    pub(super) fn push(&mut self, subscriber: Subscriber<F>) {
        subscriber.inbox.index.store(self.0.len(), Relaxed);
        self.0.push(subscriber);
    }

    /// Removes a subscriber, if it is one of these.
    pub(super) fn remove(&mut self, inbox: &Arc<Inbox>) {
        let index = inbox.index.load(Relaxed);
        if self.0.get(index).is_some_and(|kept| Arc::ptr_eq(&kept.inbox, inbox)) {
            self.0.swap_remove(index);
            if let Some(moved) = self.0.get(index) {
                moved.inbox.index.store(index, Relaxed);
            }
        }
    }

    /// Removes the subscribers that have ended.
    pub(super) fn remove_ended(&mut self) {
        self.0.retain(|subscriber| !subscriber.inbox.is_ended());
        self.number();
    }

    /// Splits off the subscribers that are full, while others are not. `is_full` is asked once of each, and neither
    /// side is ever empty.
    pub(super) fn split_off_full(&mut self, is_full: impl Fn(&Inbox) -> bool) -> Option<Self> {
        let (full, room): (Vec<_>, Vec<_>) = self.0.drain(..).partition(|subscriber| is_full(&subscriber.inbox));
        if full.is_empty() || room.is_empty() {
            // In the order they were in.
            self.0 = if full.is_empty() { room } else { full };
            return None;
        }
        self.0 = room;
        self.number();
        let full = Self(full);
        full.number();
        Some(full)
    }

    /// `feed` fills all of these from now on.
    pub(super) fn hand_over(&self, feed: &Arc<F>) {
        for subscriber in &self.0 {
            subscriber.hand_over(feed.clone());
        }
    }

    fn number(&self) {
        for (index, inbox) in self.inboxes().enumerate() {
            inbox.index.store(index, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;
    use crate::hub::inbox::ReaderOptions;

    #[test]
    fn eighty_thousand_readers_come_and_leave_one_by_one_without_a_look_at_each_for_each() {
        assert_linear("readers of a feed", |length| {
            let mut subscribers = Subscribers::default();
            let inboxes: Vec<Arc<Inbox>> =
                (0..length).map(|_| Arc::new(Inbox::new(ReaderOptions::default()))).collect();
            for inbox in &inboxes {
                subscribers.push(Subscriber::new(inbox.clone(), Arc::new(())));
            }
            for inbox in &inboxes {
                subscribers.remove(inbox);
            }
            assert!(subscribers.is_empty());
        });
    }
}
