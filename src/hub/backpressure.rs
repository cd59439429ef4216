//! Backpressure: a feed goes on asking the server while at least one reader keeps up. Full readers do not hold up the
//! others (defect 9).

use std::sync::Arc;

use super::feed::{Feed, State};
use super::inbox::Inbox;
use crate::lock::lock;
use crate::shape::ByKey;

/// Whether the readers of a feed keep up.
#[derive(Debug)]
pub(super) enum Backpressure {
    /// At least one reader keeps up, and none is full.
    Ready,
    /// No reader keeps up: the wire waits.
    Lagging,
    /// Some readers were full. They are subscribers of this feed now, so that the others need not wait.
    Split(Arc<Feed>),
}

impl Feed {
    /// Looks how the readers keep up. Readers that are full, while others are not, are split off to a feed of their
    /// own, which goes on from here and waits for them: no state is lost (defect 9).
    pub(super) fn backpressure(&self) -> Backpressure {
        self.backpressure_by(Inbox::is_full)
    }

    /// As [`Feed::backpressure`]. `is_full` is asked once of each reader: a reader that catches up meanwhile belongs to
    /// one feed or the other, and neither feed is without a reader.
    pub(super) fn backpressure_by(&self, is_full: impl Fn(&Inbox) -> bool) -> Backpressure {
        let mut state = lock(&self.state);
        if !state.subscribers.inboxes().any(|inbox| inbox.has_room()) {
            return Backpressure::Lagging;
        }
        let Some(full) = state.subscribers.split_off_full(is_full) else { return Backpressure::Ready };
        let split = Self::with(
            self.spec().clone(),
            State {
                // Readers cannot join it, so it needs no rows.
                rows: ByKey::default(),
                schema: state.schema.clone(),
                subscribers: full,
                connection: state.connection,
                stats: state.stats,
                partial: true,
                settled: state.settled,
                closed: false,
            },
        );
        lock(&split.state).subscribers.hand_over(&split);
        Backpressure::Split(split)
    }

    /// A reader keeps up again, or is new.
    pub(super) fn make_room(&self) {
        self.room.notify_one();
    }

    /// Waits for [`Feed::make_room`].
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }
}
