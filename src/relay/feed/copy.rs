//! One shared copy of a feed: its rows, its state, and what wakes its viewers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::cache::Cache;
use super::failure::Failure;
use super::key::FeedKey;
use super::rows::{Keep, Rows};
use crate::clock::unix_ms;
use crate::config::Endpoint;
use crate::connection::Notice;
use crate::hub::{Batch, End, Reader};
use crate::lock::lock;
use crate::random;
use crate::relay::notices::{Notices, Trouble};
use crate::run;
use crate::shape::{Reason, Row, Schema};

/// How long viewers wait for the first rows.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How long they wait where nobody answers at the server's.
const SOON: Duration = Duration::from_secs(1);

/// What a copy is to its viewers.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nothing was published yet: they wait.
    Connecting,
    /// It has rows; the last change it published.
    Live(u64),
    /// It ended.
    Failed(Failure),
}

/// What scopes are decided by, of the one run of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The task's id.
    pub(crate) task: String,
    /// The run's tags.
    pub(crate) tags: Vec<String>,
}

/// One shared copy of a feed.
#[derive(Debug)]
pub(super) struct FeedCopy {
    pub(super) key: FeedKey,
    /// What tells its handles from those of every other copy, anywhere.
    nonce: String,
    rows: Mutex<Rows>,
    schema: Mutex<Arc<Schema>>,
    cache: Mutex<Cache>,
    states: watch::Sender<State>,
    /// When the last change came.
    changed: Mutex<Instant>,
    /// What keeps it from the server, while it has no answer.
    trouble: Mutex<Option<Trouble>>,
}

impl FeedCopy {
    pub(super) fn new(key: FeedKey, keep: Keep) -> Self {
        Self {
            key,
            nonce: random::uuid(),
            rows: Mutex::new(Rows::new(keep, unix_ms())),
            schema: Mutex::default(),
            cache: Mutex::default(),
            states: watch::Sender::new(State::Connecting),
            changed: Mutex::new(Instant::now()),
            trouble: Mutex::default(),
        }
    }

    /// Follows its feed to the end, which is told to its viewers. `requests` counts what that takes.
    pub(super) async fn follow(&self, reader: &Reader, endpoint: &Endpoint, requests: &AtomicU64, notices: &Notices) {
        let mut settled = false;
        let mut counted = 0;
        loop {
            let batch = reader.next().await;
            let sent = reader.status().stats.requests;
            requests.fetch_add(sent.saturating_sub(counted), Ordering::Relaxed);
            counted = counted.max(sent);
            settled |= batch.settled;
            self.note(&batch.notices, notices);
            let is_whole = batch.drained;
            if let Some(end) = self.take(batch, endpoint) {
                if let Some(trouble) = end.trouble {
                    notices.tell(trouble.text());
                }
                self.fail(end);
                return;
            }
            // What was published together is told together, and nothing before all of the first is there.
            if settled && is_whole {
                self.publish();
            }
        }
    }

    /// Keeps in mind that nobody answers, and says so to whoever runs the relay.
    fn note(&self, seen: &[Notice], notices: &Notices) {
        for notice in seen {
            match notice {
                Notice::Retry { retry, .. } if retry.reason == Reason::Unreachable => {
                    *lock(&self.trouble) = Some(Trouble::Unreachable);
                    notices.tell(Trouble::Unreachable.text());
                }
                Notice::Retry { .. } => *lock(&self.trouble) = None,
                Notice::State(_) => {}
            }
        }
    }

    /// Takes rows in; how the feed ended, if it did.
    pub(super) fn take(&self, batch: Batch, endpoint: &Endpoint) -> Option<Failure> {
        if let Some(schema) = batch.rows.last().map(|item| &item.schema).or(batch.schema.as_ref()) {
            *lock(&self.schema) = schema.clone();
        }
        let mut rows = lock(&self.rows);
        rows.at(unix_ms());
        for key in &batch.gone {
            rows.remove(key);
        }
        for item in &batch.rows {
            rows.put(&item.key, &item.row);
        }
        rows.let_go();
        match batch.end? {
            End::Failed(error) => Some(Failure::of(&error, endpoint)),
            End::Complete => Some(Failure::later("The relay is stopping")),
        }
    }

    /// Wakes viewers, if there is anything new.
    pub(super) fn publish(&self) {
        let now = lock(&self.rows).sequence();
        *lock(&self.changed) = Instant::now();
        self.states.send_if_modified(|state| {
            let is_news = match state {
                State::Connecting => true,
                State::Live(before) => *before != now,
                State::Failed(_) => false,
            };
            if is_news {
                *state = State::Live(now);
            }
            is_news
        });
    }

    /// It is over: viewers are told why.
    pub(super) fn fail(&self, failure: Failure) {
        self.states.send_replace(State::Failed(failure));
    }

    /// Its state, and what wakes who waits for another.
    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.states.subscribe()
    }

    /// Waits for the first rows.
    ///
    /// # Errors
    /// What to tell the viewer: why there are none, or that they did not come in time.
    pub(super) async fn ready(&self) -> Result<watch::Receiver<State>, Failure> {
        let mut states = self.states();
        let end = Instant::now() + PATIENCE;
        // What ends the wait is looked at below; nothing but time can end it otherwise.
        while timeout(SOON, states.wait_for(|state| !matches!(state, State::Connecting))).await.is_err() {
            if let Some(trouble) = *lock(&self.trouble) {
                return Err(Failure::of_trouble(trouble));
            }
            if end <= Instant::now() {
                break;
            }
        }
        let state = states.borrow().clone();
        match state {
            State::Live(_) => Ok(states),
            State::Failed(failure) => Err(failure),
            State::Connecting => Err(Failure::later("The relay has no answer from the Trigger.dev server yet")),
        }
    }

    /// How long ago the last change came.
    pub(super) fn lag(&self) -> Duration {
        lock(&self.changed).elapsed()
    }

    /// What scopes are decided by, of a feed of one run.
    ///
    /// # Errors
    /// As [`FeedCopy::ready`], and the 404 of a run that is not there.
    pub(super) async fn facts(&self) -> Result<Facts, Failure> {
        self.ready().await?;
        lock(&self.rows).one().map(facts_of).ok_or_else(Failure::not_found)
    }

    pub(super) fn rows(&self) -> MutexGuard<'_, Rows> {
        lock(&self.rows)
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.cache)
    }

    pub(super) fn schema(&self) -> Arc<Schema> {
        lock(&self.schema).clone()
    }

    /// The handle of who reads up to `sequence`, with a window from `since_ms`.
    pub(super) fn handle(&self, since_ms: u64, sequence: u64) -> String {
        let mark = self.rows().mark(sequence);
        format!("{}_{sequence}_{mark}_{}", self.key.handle_name(since_ms), self.nonce)
    }

    /// Whether it gave this handle out.
    pub(super) fn is_own(&self, handle: &str) -> bool {
        handle.rsplit('_').next() == Some(&self.nonce)
    }

    /// Whether any relay's copy gave this handle out. Every other one is a server's.
    pub(super) fn is_a_relays(handle: &str) -> bool {
        // A server's own end in fewer characters than a UUID has.
        handle.rsplit_once('_').is_some_and(|(_, nonce)| nonce.len() == 36)
    }
}

fn facts_of(row: &Row) -> Facts {
    let tags = row.get("runTags").and_then(|literal| run::elements(literal).ok()).unwrap_or_default();
    Facts {
        task: row.get("taskIdentifier").unwrap_or_default().to_owned(),
        tags: tags.into_iter().flatten().map(std::borrow::Cow::into_owned).collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::hub::Item;

    /// The header a feed of [`row`]s has.
    pub(in crate::relay::feed) const SCHEMA: &str = r#"{"id":{"type":"text"},"friendlyId":{"type":"text"},"taskIdentifier":{"type":"text"},"status":{"type":"text"},"createdAt":{"type":"timestamp"},"updatedAt":{"type":"timestamp"},"payload":{"type":"text"},"runTags":{"type":"text","dims":1}}"#;

    /// A row.
    pub(in crate::relay::feed) fn row(id: &str, status: &str, created_ms: u64, updated_ms: u64) -> Arc<Row> {
        let time = crate::timestamp::format_timestamp;
        let pairs = [
            ("id", id.to_owned()),
            ("friendlyId", format!("run_{id}")),
            ("taskIdentifier", "task".to_owned()),
            ("status", status.to_owned()),
            ("createdAt", time(created_ms)),
            ("updatedAt", time(updated_ms)),
            ("payload", "\"hidden\"".to_owned()),
            ("runTags", r#"{"a","b,c"}"#.to_owned()),
        ];
        let pairs = pairs.into_iter().map(|(name, text)| (name.into(), Some(text.into())));
        Arc::new(Row::merge(&mut Arc::default(), None, None, pairs))
    }

    /// A batch of rows as the hub gives them.
    pub(in crate::relay::feed) fn batch(rows: impl IntoIterator<Item = Arc<Row>>) -> Batch {
        let schema = Arc::new(Schema::parse(SCHEMA.as_bytes()).expect("a schema"));
        let items = rows.into_iter().map(|row| {
            let key = format!("\"public\".\"TaskRun\"/\"{}\"", row.get("id").expect("an id")).into();
            Item { key, row, schema: schema.clone() }
        });
        Batch { rows: items.collect(), drained: true, ..Batch::default() }
    }

    pub(in crate::relay::feed) fn endpoint() -> Endpoint {
        Endpoint::new("http://127.0.0.1:1", "tr_dev_1234567890", None).expect("an endpoint")
    }

    /// A copy that was told these rows.
    fn copy() -> FeedCopy {
        FeedCopy::new(FeedKey::run("run_a").expect("a key"), Keep::default())
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_first_rows_is_told_them_or_to_come_back() {
        let copy = copy();
        assert_eq!(copy.facts().await, Err(Failure::later("The relay has no answer from the Trigger.dev server yet")));
        copy.take(batch([row("a", "PENDING", 1, 1)]), &endpoint());
        copy.publish();
        let facts = copy.facts().await.expect("facts");
        assert_eq!(facts, Facts { task: "task".into(), tags: vec!["a".into(), "b,c".into()] });
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_not_there_is_a_404_for_everybody_who_waits() {
        let copy = copy();
        let end = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            copy.fail(Failure::not_found());
        };
        let (one, two, ()) = tokio::join!(copy.facts(), copy.facts(), end);
        assert_eq!((one, two), (Err(Failure::not_found()), Err(Failure::not_found())));
    }

    #[test]
    fn only_its_own_handles_are_its_own() {
        let (one, two) = (copy(), copy());
        assert!(one.is_own(&one.handle(0, 7)) && !two.is_own(&one.handle(0, 7)));
        assert!(!one.is_own("run-cj58") && !one.is_own(""));
        assert!(FeedCopy::is_a_relays(&one.handle(0, 7)));
        for servers in ["", "run-cj58", "runs_1795249080000_265_78450bdb", "batch_9_f", "31415926-1795333503488123"] {
            assert!(!FeedCopy::is_a_relays(servers), "{servers}");
        }
    }
}
