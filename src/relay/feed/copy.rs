//! The shared copy of a feed: its rows, its state, and the watch that wakes its viewers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::body_cache::BodyCache;
use super::failure::Failure;
use super::key::FeedKey;
use super::rows::{Retention, Rows};
use super::text_cache::TextCache;
use crate::clock::unix_ms;
use crate::config::Endpoint;
use crate::connection::Notice;
use crate::hub::{Batch, End, Reader};
use crate::lock::lock;
use crate::random;
use crate::relay::warnings::{UpstreamError, Warnings};
use crate::run;
use crate::shape::{Reason, Row, Schema};

/// How long viewers wait for the first rows (F3).
pub(super) const FIRST_ROWS_TIMEOUT: Duration = Duration::from_secs(15);

/// How long viewers wait for the first rows of a server that cannot be reached.
const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The state of a copy, which viewers watch.
#[derive(Clone, Debug)]
pub(in crate::relay) enum State {
    /// No rows yet: viewers wait.
    Connecting,
    /// The copy has rows, up to this change.
    Live(u64),
    /// The copy ended.
    Failed(Failure),
}

/// The columns of a run that scopes can name.
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
    /// A UUID, which ends all of its handles and no other copy's.
    nonce: String,
    rows: Mutex<Rows>,
    schema: Mutex<Arc<Schema>>,
    cache: Mutex<BodyCache>,
    /// The events of readers that follow by changes.
    pub(super) texts: Mutex<TextCache>,
    states: watch::Sender<State>,
    /// When the last change came.
    changed: Mutex<Instant>,
    /// The reason why the server does not answer; `None` while it answers.
    upstream_error: Mutex<Option<UpstreamError>>,
}

impl FeedCopy {
    pub(super) fn new(key: FeedKey, retention: Retention) -> Self {
        Self {
            key,
            nonce: random::uuid(),
            rows: Mutex::new(Rows::new(retention, unix_ms())),
            schema: Mutex::default(),
            cache: Mutex::default(),
            texts: Mutex::default(),
            states: watch::Sender::new(State::Connecting),
            changed: Mutex::new(Instant::now()),
            upstream_error: Mutex::default(),
        }
    }

    /// Reads its feed to the end. `requests` counts the requests upstream.
    pub(super) async fn follow(&self, reader: &Reader, endpoint: &Endpoint, requests: &AtomicU64, warnings: &Warnings) {
        let mut settled = false;
        let mut counted = 0;
        loop {
            let batch = reader.next().await;
            let sent = reader.status().stats.requests;
            requests.fetch_add(sent.saturating_sub(counted), Ordering::Relaxed);
            counted = counted.max(sent);
            settled |= batch.settled;
            self.observe(&batch.notices, warnings);
            let is_whole = batch.drained;
            if let Some(end) = self.take(batch, endpoint) {
                if let Some(error) = end.upstream_error {
                    warnings.warn(error.text());
                }
                self.fail(end);
                return;
            }
            // Rows that the hub published together are published together. None are published before all of the first
            // rows have come (F11).
            if settled && is_whole {
                self.publish();
            }
        }
    }

    /// Records that the server cannot be reached, and warns the operator.
    fn observe(&self, notices: &[Notice], warnings: &Warnings) {
        for notice in notices {
            match notice {
                Notice::Retry { retry, .. } if retry.reason == Reason::Unreachable => {
                    *lock(&self.upstream_error) = Some(UpstreamError::Unreachable);
                    warnings.warn(UpstreamError::Unreachable.text());
                }
                Notice::Retry { .. } => *lock(&self.upstream_error) = None,
                Notice::State(_) => {}
            }
        }
    }

    /// Takes a batch of rows; the failure, if the feed ended with it.
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
        rows.evict();
        match batch.end? {
            End::Failed(error) => Some(Failure::of(&error, endpoint)),
            End::Complete => Some(Failure::stopping()),
        }
    }

    /// Wakes viewers, if a row changed.
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

    /// Ends the copy. Viewers get the failure.
    pub(super) fn fail(&self, failure: Failure) {
        self.states.send_replace(State::Failed(failure));
    }

    /// Watches its state.
    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.states.subscribe()
    }

    /// Waits for the first rows.
    ///
    /// # Errors
    /// The reason why there are no rows, or a timeout.
    pub(super) async fn ready(&self) -> Result<watch::Receiver<State>, Failure> {
        let mut states = self.states();
        let end = Instant::now() + FIRST_ROWS_TIMEOUT;
        // The state is read below: here only the time can run out.
        while timeout(UNREACHABLE_TIMEOUT, states.wait_for(|state| !matches!(state, State::Connecting))).await.is_err()
        {
            if let Some(error) = *lock(&self.upstream_error) {
                return Err(Failure::of_upstream(error));
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

    /// The columns that scopes can name, of a feed of one run.
    ///
    /// # Errors
    /// As [`FeedCopy::ready`], and the 404 of an unknown run.
    pub(super) async fn facts(&self) -> Result<Facts, Failure> {
        self.ready().await?;
        lock(&self.rows).one().map(facts_of).ok_or_else(Failure::not_found)
    }

    pub(super) fn rows(&self) -> MutexGuard<'_, Rows> {
        lock(&self.rows)
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, BodyCache> {
        lock(&self.cache)
    }

    pub(super) fn schema(&self) -> Arc<Schema> {
        lock(&self.schema).clone()
    }

    /// Whether the schema is this one.
    pub(super) fn has_schema(&self, schema: &Arc<Schema>) -> bool {
        Arc::ptr_eq(&lock(&self.schema), schema)
    }

    /// The handle of a viewer that has read up to `sequence`, with a window from `since_ms`.
    pub(super) fn handle(&self, since_ms: u64, sequence: u64) -> String {
        let mark = self.rows().mark(sequence);
        format!("{}_{sequence}_{mark}_{}", self.key.handle_name(since_ms), self.nonce)
    }

    /// Whether this copy gave the handle out.
    pub(super) fn is_own(&self, handle: &str) -> bool {
        handle.rsplit('_').next() == Some(&self.nonce)
    }

    /// Whether a copy of any relay gave the handle out. All other handles are a server's.
    pub(super) fn is_of_a_relay(handle: &str) -> bool {
        // A server's handles end in fewer characters than a UUID has.
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

    /// A copy without rows.
    fn copy() -> FeedCopy {
        FeedCopy::new(FeedKey::run("run_a").expect("a key"), Retention::default())
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
        assert!(FeedCopy::is_of_a_relay(&one.handle(0, 7)));
        for servers in ["", "run-cj58", "runs_1795249080000_265_78450bdb", "batch_9_f", "31415926-1795333503488123"] {
            assert!(!FeedCopy::is_of_a_relay(servers), "{servers}");
        }
    }
}
