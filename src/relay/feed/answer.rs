//! One viewer's request, answered from its feed's copy.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::Method;
use tokio::time::{Instant, timeout_at};

use super::body::SharedBody;
use super::cache::{CacheKey, Content};
use super::copy::{FeedCopy, State};
use super::failure::Failure;
use super::feeds::Seat;
use super::mark::Mark;
use super::rows::{News, Since};
use super::skips::Skips;
use crate::serve::feed::{self, Cursor, Messages, Operation, UP_TO_DATE};
use crate::serve::{Request, Response};

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Its answer.
    Answer(Response),
    /// The copy has not all rows any more: the server has to be asked for this, with the viewer's own token. What
    /// follows its snapshot goes on here where its offsets are times, and at the server where they are not.
    Elsewhere,
}

/// A viewer, while its request is answered.
struct Viewer<'a> {
    seat: &'a Seat,
    copy: &'a FeedCopy,
    request: &'a Request,
    /// The columns it asked to leave out, and those its token leaves out.
    skipped: Vec<String>,
}

/// Answers a GET or HEAD; a live one when something changes, or after the hold. `skipped` are the columns that are left
/// out whatever the request says; its own `skipColumns` come on top.
///
/// Dropping the future costs nothing: the viewer is gone.
pub(crate) async fn answer(seat: &Seat, request: &Request, skipped: &[String]) -> Reply {
    let own = request.parameter("skipColumns").unwrap_or_default();
    let skipped = skipped.iter().cloned().chain(own.split(',').map(str::to_owned)).collect();
    let viewer = Viewer { seat, copy: seat.copy(), request, skipped };
    match viewer.answer(seat.inner.clock.now_ms()).await {
        Ok(reply) => reply,
        Err(failure) => Reply::Answer(failure.answer()),
    }
}

impl Viewer<'_> {
    async fn answer(&self, now_ms: u64) -> Result<Reply, Failure> {
        let stop = &self.seat.inner.stop;
        let Some(mut states) = stop.run_until_cancelled(self.copy.ready()).await.transpose()? else {
            return Err(Failure::later("The relay is stopping"));
        };
        let Some(cursor) = Cursor::of(self.request) else { return Ok(self.snapshot(now_ms)) };
        let end = Instant::now() + feed::hold(self.seat.inner.hold);
        let first = self.since(&cursor);
        let mut since = first;
        let mut waited = false;
        let window_ms = self.copy.key.since_of(&cursor.handle, now_ms);
        loop {
            if let State::Failed(failure) = &*states.borrow_and_update() {
                return Err(failure.clone());
            }
            let (news, to, is_behind) = {
                let rows = self.copy.rows();
                if rows.is_lost(since, window_ms) {
                    // A snapshot would come from the server again, and end where this one did: it goes on there.
                    let goes_on_there = rows.is_partial() && !FeedCopy::is_a_relays(&cursor.handle);
                    return Ok(if goes_on_there {
                        Reply::Elsewhere
                    } else {
                        Reply::Answer(Response::must_refetch(&cursor.handle))
                    });
                }
                (rows.news(since, window_ms), rows.sequence(), rows.is_behind(since))
            };
            let is_over =
                !cursor.live || self.request.method == Method::HEAD || stop.is_cancelled() || end <= Instant::now();
            if !news.is_empty() || is_over {
                let cursor = match first {
                    Since::Change(_) | Since::Unknown => cursor,
                    Since::Millis(_) | Since::Copy(..) if is_behind => cursor,
                    // It goes on with a handle of this copy's own, and is no stranger any more.
                    Since::Millis(ms) | Since::Copy(ms, _) => {
                        Cursor { handle: self.copy.handle(window_ms, to), offset: format!("{ms}_{to}"), ..cursor }
                    }
                };
                if !news.is_empty() {
                    let stats = &self.seat.inner.stats;
                    stats.updates.fetch_add((news.rows.len() + news.gone.len()) as u64, Relaxed);
                    if waited {
                        stats.lag(u64::try_from(self.copy.lag().as_millis()).unwrap_or(u64::MAX));
                    }
                }
                return Ok(Reply::Answer(self.go_on(&cursor, &news, to)));
            }
            // From here on by changes, also a stranger: there was nothing to tell it of those before.
            if !is_behind {
                since = Since::Change(to);
            }
            waited = true;
            tokio::select! {
                // Over, or the copy is: the next look tells.
                _ = timeout_at(end, states.changed()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// What the viewer has seen.
    fn since(&self, cursor: &Cursor) -> Since {
        // A change that never was is nobody's: it is asked by its time then.
        if self.copy.is_own(&cursor.handle) && cursor.seen <= self.copy.rows().sequence() {
            Since::Change(cursor.seen)
        } else if cursor.is_in_electric_log() {
            Since::Unknown
        } else if let Some(mark) = Mark::of(&cursor.handle) {
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
            return Reply::Elsewhere;
        }
        let to = rows.sequence();
        let key = self.cache_key(Content::Snapshot { to, created_since_ms: window_ms });
        let body = if let Some(body) = cache.find(&key) {
            drop(rows);
            body
        } else {
            // The rows of that very change: what comes while they are written is told by the next answer.
            let news = rows.all(window_ms);
            drop(rows);
            cache.get(&key, || write(&news, &key, |_| Operation::Insert))
        };
        drop(cache);
        let handle = self.copy.handle(window_ms, to);
        let offset = format!("{}_{to}", body.newest_ms);
        let schema = key.skips.schema(&key.schema);
        Reply::Answer(self.give(&body, |bytes| feed::snapshot(self.request, bytes, &handle, &offset, &schema)))
    }

    /// The answer to who goes on at `cursor`: what it has to be told, or that there is nothing.
    fn go_on(&self, cursor: &Cursor, news: &News, to: u64) -> Response {
        let key = self.cache_key(Content::News(news.told()));
        if news.is_empty() {
            return self.headed(cursor, UP_TO_DATE.into(), &cursor.offset, to, &key);
        }
        let body = self
            .copy
            .cache()
            .get(&key, || write(news, &key, |is_new| if is_new { Operation::Insert } else { Operation::Update }));
        let offset = format!("{}_{to}", body.newest_ms.max(cursor.seen_ms));
        self.give(&body, |bytes| self.headed(cursor, bytes, &offset, to, &key))
    }

    fn headed(&self, cursor: &Cursor, body: Bytes, offset: &str, to: u64, key: &CacheKey) -> Response {
        if cursor.live {
            feed::live(self.request, body, &cursor.handle, offset, to)
        } else {
            feed::snapshot(self.request, body, &cursor.handle, offset, &key.skips.schema(&key.schema))
        }
    }

    fn cache_key(&self, content: Content) -> CacheKey {
        let schema = self.copy.schema();
        let skips = Skips::new(self.skipped.iter().map(String::as_str), &schema);
        let old_statuses = self.request.wants_old_statuses();
        CacheKey { content, skips, schema, old_statuses }
    }

    /// The answer with this body, compressed where the viewer takes it.
    fn give(&self, body: &SharedBody, answer: impl FnOnce(Bytes) -> Response) -> Response {
        match self.request.accepts_gzip().then(|| body.gzip()).flatten() {
            Some(gzip) => answer(gzip).with("content-encoding", "gzip"),
            None => answer(body.plain()),
        }
    }
}

/// Writes a body: only what `key` says may be shown (F4).
fn write(news: &News, key: &CacheKey, operation: impl Fn(bool) -> Operation) -> SharedBody {
    let mut messages = Messages::new(key.old_statuses);
    for gone in &news.gone {
        messages.push(&gone.key, [("id", gone.id.as_deref())], Operation::Delete);
    }
    for (name, entry, is_new) in &news.rows {
        messages.push(name, key.skips.cells(&entry.row, &key.schema), operation(*is_new));
    }
    SharedBody::new(messages.finish(), news.newest_ms)
}
