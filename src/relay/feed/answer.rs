//! Answers one viewer's request from the copy of its feed (F5, F6).

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::{Instant, timeout_at};

use super::body::SharedBody;
use super::body_cache::{BodyKey, Content};
use super::changes::Changes;
use super::copy::{FeedCopy, State};
use super::delete_mark::DeleteMark;
use super::failure::Failure;
use super::feeds::Subscriber;
use super::since::Since;
use super::skipped::SkippedColumns;
use crate::random;
use crate::relay::browser::Hold;
use crate::relay::stats::Bound;
use crate::serve::feed::{self, Cursor, Messages, Operation, UP_TO_DATE};
use crate::serve::{Request, Response};

/// How a viewer is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// From the copy.
    Answer(Response),
    /// By the server, asked with the viewer's own token, because the copy no longer has all rows. After the server's
    /// snapshot, the relay answers the viewer if the offsets of the server are times; else the server goes on.
    Upstream,
}

/// A viewer whose request is being answered.
struct Viewer<'a> {
    subscriber: &'a Subscriber,
    copy: &'a FeedCopy,
    request: &'a Request,
    /// The columns that its token or its request leaves out.
    skipped: Vec<String>,
    /// Set for a browser that is short of connections.
    hold: Option<&'a Hold>,
}

/// Answers a GET or HEAD; a live one when a row changes, or after the hold. The columns of `skipped` are left out, and
/// those of the request's `skipColumns`. `hold` is the place of a browser that is short of connections (F12).
///
/// Dropping the future means that the viewer left.
pub(crate) async fn answer(
    subscriber: &Subscriber,
    request: &Request,
    skipped: &[String],
    hold: Option<&Hold>,
) -> Reply {
    let own = request.parameter("skipColumns").unwrap_or_default();
    let skipped = skipped.iter().cloned().chain(own.split(',').map(str::to_owned)).collect();
    let viewer = Viewer { subscriber, copy: subscriber.copy(), request, skipped, hold };
    match viewer.answer(subscriber.inner.clock.now_ms()).await {
        Ok(reply) => reply,
        Err(failure) => Reply::Answer(failure.answer()),
    }
}

impl Viewer<'_> {
    async fn answer(&self, now_ms: u64) -> Result<Reply, Failure> {
        let stop = &self.subscriber.inner.stop;
        let Some(mut states) = stop.run_until_cancelled(self.copy.ready()).await.transpose()? else {
            return Err(Failure::stopping());
        };
        let Some(cursor) = Cursor::of(self.request) else { return Ok(self.snapshot(now_ms)) };
        // When the hold is over, and the turn if it has one: a request that is answered at once takes none.
        let mut held: Option<(Instant, Option<Duration>)> = None;
        let first = self.since(&cursor);
        let mut since = first;
        let mut waited = false;
        let window_ms = self.copy.key.since_of(&cursor.handle, now_ms);
        loop {
            if let State::Failed(failure) = &*states.borrow_and_update() {
                return Err(failure.clone());
            }
            let (changes, to, is_behind) = {
                let rows = self.copy.rows();
                if rows.is_lost(since, window_ms) {
                    // The viewer's snapshot came from the server, and another one would end at the same offset. So the
                    // server goes on answering this viewer.
                    let is_of_server = rows.is_partial() && !FeedCopy::is_of_a_relay(&cursor.handle);
                    return Ok(if is_of_server {
                        Reply::Upstream
                    } else {
                        Reply::Answer(Response::must_refetch(&cursor.handle))
                    });
                }
                (rows.changes(since, window_ms), rows.sequence(), rows.is_behind(since))
            };
            let is_over = !cursor.live
                || self.request.method == Method::HEAD
                || stop.is_cancelled()
                || held.is_some_and(|(end, _)| end <= Instant::now());
            if !changes.is_empty() || is_over {
                let cursor = match first {
                    Since::Change(_) | Since::Unknown => cursor,
                    Since::Millis(_) | Since::Copy(..) if is_behind => cursor,
                    // From now on the viewer has a handle of this copy, and goes on by changes.
                    Since::Millis(ms) | Since::Copy(ms, _) => {
                        Cursor { handle: self.copy.handle(window_ms, to), offset: format!("{ms}_{to}"), ..cursor }
                    }
                };
                if !changes.is_empty() {
                    let stats = &self.subscriber.inner.stats;
                    stats.updates.fetch_add((changes.rows.len() + changes.deletes.len()) as u64, Relaxed);
                    if waited {
                        stats.lag(u64::try_from(self.copy.lag().as_millis()).unwrap_or(u64::MAX));
                    }
                } else if held.is_some_and(|(_, turn)| turn.is_some()) {
                    self.subscriber.inner.stats.limit(Bound::HeldPerBrowser);
                }
                return Ok(Reply::Answer(self.send_changes(&cursor, &changes, to)));
            }
            // From here on, the viewer is answered by changes: it lacks none of the earlier ones.
            if !is_behind {
                since = Since::Change(to);
            }
            waited = true;
            let (end, _) = *held.get_or_insert_with(|| self.hold(Instant::now()));
            tokio::select! {
                // The next round finds out whether the hold is over, a row changed, or the feed ended.
                _ = timeout_at(end, states.changed()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// When the hold is over that begins now, and its turn where that is not the full time.
    fn hold(&self, now: Instant) -> (Instant, Option<Duration>) {
        let full = feed::hold(self.subscriber.inner.hold);
        // Of very many polls that look like one browser's, the last would have their turn after the full time.
        let turn = self.turn(now).filter(|turn| *turn < full);
        (now + turn.unwrap_or(full), turn)
    }

    /// How long the poll may be held, where that is not the full time. `electric-cursor` of a browser's answers counts the
    /// requests that had ended, and the next request brings it back: those that ended since then went before it.
    fn turn(&self, now: Instant) -> Option<Duration> {
        let ended = self.request.parameter("cursor").and_then(|cursor| cursor.parse().ok());
        self.hold?.turn(ended, now, random::unit())
    }

    /// The answer with the count that [`Viewer::turn`] reads, for a browser.
    fn marked(&self, answer: Response) -> Response {
        match self.hold {
            Some(hold) => answer.with("electric-cursor", &hold.ended().to_string()),
            None => answer,
        }
    }

    /// The changes that the viewer has seen, by its handle and offset.
    fn since(&self, cursor: &Cursor) -> Since {
        // A change that this copy never had is another copy's: the time of the offset counts.
        if self.copy.is_own(&cursor.handle) && cursor.seen <= self.copy.rows().sequence() {
            Since::Change(cursor.seen)
        } else if cursor.is_in_electric_log() {
            Since::Unknown
        } else if let Some(mark) = DeleteMark::of(&cursor.handle) {
            Since::Copy(cursor.seen_ms, mark)
        } else {
            Since::Millis(cursor.seen_ms)
        }
    }

    fn snapshot(&self, now_ms: u64) -> Reply {
        let window_ms = self.copy.key.since_ms(now_ms);
        let mut cache = self.copy.cache();
        let rows = self.copy.rows();
        if rows.is_partial() {
            return Reply::Upstream;
        }
        let to = rows.sequence();
        let key = self.body_key(Content::Snapshot { to, created_since_ms: window_ms });
        let body = if let Some(body) = cache.find(&key) {
            drop(rows);
            body
        } else {
            // The rows as of `to`: changes during the writing go into the next answer.
            let all = rows.all(window_ms);
            drop(rows);
            cache.get(&key, || write(&all, &key, |_| Operation::Insert))
        };
        drop(cache);
        let handle = self.copy.handle(window_ms, to);
        let offset = format!("{}_{to}", body.newest_ms);
        let schema = key.skipped.schema(&key.schema);
        let answer = self.with_body(&body, |bytes| feed::snapshot(self.request, bytes, &handle, &offset, &schema));
        Reply::Answer(self.marked(answer))
    }

    /// The answer to a viewer that goes on at `cursor`: its changes, or that there are none.
    fn send_changes(&self, cursor: &Cursor, changes: &Changes, to: u64) -> Response {
        let key = self.body_key(Content::Changes(changes.ids()));
        if changes.is_empty() {
            return self.with_headers(cursor, UP_TO_DATE.into(), &cursor.offset, to, &key);
        }
        let body = self
            .copy
            .cache()
            .get(&key, || write(changes, &key, |is_new| if is_new { Operation::Insert } else { Operation::Update }));
        let offset = format!("{}_{to}", body.newest_ms.max(cursor.seen_ms));
        self.with_body(&body, |bytes| self.with_headers(cursor, bytes, &offset, to, &key))
    }

    /// The answer with the headers of a live poll, or of a snapshot.
    fn with_headers(&self, cursor: &Cursor, body: Bytes, offset: &str, to: u64, key: &BodyKey) -> Response {
        self.marked(if cursor.live {
            feed::live(self.request, body, &cursor.handle, offset, to)
        } else {
            feed::snapshot(self.request, body, &cursor.handle, offset, &key.skipped.schema(&key.schema))
        })
    }

    fn body_key(&self, content: Content) -> BodyKey {
        let schema = self.copy.schema();
        let skipped = SkippedColumns::new(self.skipped.iter().map(String::as_str), &schema);
        let old_statuses = self.request.wants_old_statuses();
        BodyKey { content, skipped, schema, old_statuses }
    }

    /// The answer with this body, compressed if the viewer takes gzip.
    fn with_body(&self, body: &SharedBody, answer: impl FnOnce(Bytes) -> Response) -> Response {
        match self.request.accepts_gzip().then(|| body.gzip()).flatten() {
            Some(gzip) => answer(gzip).with("content-encoding", "gzip"),
            None => answer(body.plain()),
        }
    }
}

/// Writes a body with the columns that `key` shows, and no others (F4).
fn write(changes: &Changes, key: &BodyKey, operation: impl Fn(bool) -> Operation) -> SharedBody {
    let mut messages = Messages::new(key.old_statuses);
    for tombstone in &changes.deletes {
        messages.push(&tombstone.key, [("id", tombstone.id.as_deref())], Operation::Delete);
    }
    for (name, entry, is_new) in &changes.rows {
        messages.push(name, key.skipped.cells(&entry.row, &key.schema), operation(*is_new));
    }
    SharedBody::new(messages.finish(), changes.newest_ms)
}
