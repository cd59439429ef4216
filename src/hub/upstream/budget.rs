//! The budget of one environment: its permits, its own feed, and the pace of checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::cost::CostLimits;
use super::environment::{Environment, Open};
use super::pacer::Pacer;
use super::permits::Permits;
use crate::config::Endpoint;

/// Long-polls at once, where the app says nothing: below the 10 of the smallest plan.
pub(super) const CONNECTIONS: usize = 8;
/// The same where Electric serves the feeds, which knows no plans.
const ELECTRIC_CONNECTIONS: usize = 200;
/// Checks a second of one environment.
const CHECKS_PER_SECOND: u32 = 100;
/// Requests without `live` of feeds that were told, at once.
const ASKING: usize = 32;

/// What an app says of a budget. Of several that say something, the last one counts.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Long-polls at once, from 1; 0 is no limit. Default 8, and 200 where Electric serves the feeds.
    pub connections: Option<usize>,
    /// Follow the runs with this tag in place of all runs of the environment.
    pub tag: Option<Arc<str>>,
    /// How much may be told that nobody watches.
    pub cost: Option<CostLimits>,
}

/// The budget of one environment.
#[derive(Debug)]
pub struct Budget {
    pub(super) permits: Permits,
    pub(super) environment: Arc<Environment>,
    pub(super) checks: Pacer,
    pub(super) asking: Arc<Semaphore>,
    /// Feeds that are checked every few seconds.
    pub(super) polling: AtomicUsize,
    /// What the app said; 0 where it said nothing.
    connections: AtomicUsize,
    is_electric: AtomicBool,
    /// Whether a feed was answered, so that it is known whether Electric serves them.
    is_known: AtomicBool,
}

/// The present counts of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Long-polls that may be held at once, that of the environment's feed included. Fewer for a while after a refusal.
    pub connections: usize,
    /// Long-polls of feeds that have one of their own.
    pub own: usize,
    /// Whether the environment's feed is followed.
    pub environment: bool,
    /// Whether it was given up for a while, because most of its runs are watched by nobody.
    pub costly: bool,
    /// Feeds without a long-poll of their own.
    pub shared: usize,
    /// Those of them that nothing tells of changes: they are checked every few seconds.
    pub polling: usize,
}

impl Budget {
    pub(super) fn new(endpoint: &Endpoint, open: Open) -> Self {
        let permits = Permits::new(0);
        let budget = Self {
            environment: Arc::new(Environment::new(endpoint.clone(), open, permits.clone())),
            permits,
            checks: Pacer::new(CHECKS_PER_SECOND),
            asking: Arc::new(Semaphore::new(ASKING)),
            polling: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            is_electric: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
        };
        budget.set_limit();
        budget
    }

    /// Takes the options that say something.
    pub(super) fn set(&self, options: &Options) {
        self.environment.set(options.tag.clone(), options.cost);
        if let Some(connections) = options.connections {
            self.connections.store(connections, Ordering::Relaxed);
            self.set_limit();
        }
    }

    /// A feed of this environment was answered, by Electric or not. Once it was Electric, it stays that.
    pub(super) fn note_electric(&self, is_electric: bool) {
        let is_news = is_electric && !self.is_electric.swap(true, Ordering::Relaxed);
        if !self.is_known.swap(true, Ordering::Relaxed) || is_news {
            self.environment.set_electric(is_electric);
        }
        if is_news {
            self.set_limit();
        }
    }

    /// Whether the long-poll of the environment's feed comes out of the budget.
    fn reserved(&self) -> usize {
        usize::from(self.environment.is_readable())
    }

    fn set_limit(&self) {
        let said = match self.connections.load(Ordering::Relaxed) {
            0 if self.is_electric.load(Ordering::Relaxed) => ELECTRIC_CONNECTIONS,
            0 => CONNECTIONS,
            said => said,
        };
        self.permits.set_limit(said - self.reserved());
    }

    /// The present counts.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.permits.limit() + self.reserved(),
            own: self.permits.held(),
            environment: self.environment.is_live(),
            costly: self.environment.is_costly(),
            shared: self.environment.interests(),
            polling: self.polling.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::upstream::environment::silent;

    /// How many long-polls feeds may have of their own, and how many there may be in all.
    fn limits(key: &str, connections: Option<usize>, is_electric: bool) -> (usize, usize) {
        let budget = Budget::new(&Endpoint::new("http://a.b", key, None).expect("valid"), silent);
        budget.set(&Options { connections, ..Options::default() });
        budget.note_electric(is_electric);
        (budget.permits.limit(), budget.counts().connections)
    }

    #[test]
    fn one_long_poll_of_a_secret_keys_budget_is_kept_for_the_environments_feed() {
        let token = "e30.eyJwdWIiOnRydWUsInN1YiI6ImVudl8xIn0.c2ln";
        assert_eq!(limits("tr_dev_1", None, false), (7, 8));
        assert_eq!(limits(token, None, false), (8, 8), "a public token may not follow the environment");
        assert_eq!(limits("tr_dev_1", Some(1), false), (0, 1));
        assert_eq!(limits(token, Some(1), false), (1, 1));
    }

    #[test]
    fn electric_knows_no_plans_and_what_the_app_says_counts_all_the_same() {
        assert_eq!(limits("tr_dev_1", None, true), (199, 200));
        assert_eq!(limits("tr_dev_1", Some(12), true), (11, 12));
    }
}
