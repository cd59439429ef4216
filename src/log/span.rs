//! What starts and ends: a line for each, with one number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::level::{Level, enabled};
use super::line::Value;
use super::sinks::emit;
use crate::error::{Error, Kind};

/// Numbers spans, from 1, in the order in which they started.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The messages of one kind of span, and the level of the first two.
#[derive(Debug)]
pub(crate) struct SpanKind {
    pub(crate) level: Level,
    pub(crate) started: &'static str,
    /// Tried again after a failure: a warning.
    pub(crate) retries: &'static str,
    pub(crate) ended: &'static str,
    /// Ended by the server's refusal: a warning.
    pub(crate) refused: &'static str,
}

impl SpanKind {
    /// A kind of what is neither refused nor tried again.
    pub(crate) const fn plain(level: Level, started: &'static str, ended: &'static str) -> Self {
        Self { level, started, retries: started, ended, refused: ended }
    }
}

/// Something that goes on. Its end is logged when it is dropped. Nothing is kept where its start was not logged.
#[derive(Debug, Default)]
pub(crate) struct Span(Option<Box<Inner>>);

#[derive(Debug)]
struct Inner {
    kind: &'static SpanKind,
    began: Instant,
    fields: Vec<(&'static str, Value<'static>)>,
}

impl Span {
    /// Logs the start of something. `fields` is asked where that is on, only; they are of the end's line, too.
    pub(crate) fn start(kind: &'static SpanKind, fields: impl FnOnce() -> Vec<(&'static str, Value<'static>)>) -> Self {
        if !enabled(kind.level) && !enabled(Level::Warn) {
            return Self(None);
        }
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let mut all = vec![("id", Value::Number(number))];
        all.extend(fields());
        emit(kind.level, kind.started, &all);
        Self(Some(Box::new(Inner { kind, began: Instant::now(), fields: all })))
    }

    /// Logs that it is tried again.
    pub(crate) fn retries(&self, attempt: u32, reason: &'static str, status: Option<u16>, wait_ms: u64) {
        let Some(inner) = &self.0 else { return };
        let mut fields = inner.fields.clone();
        fields.extend([
            ("attempt", attempt.into()),
            ("reason", reason.into()),
            ("status", status.into()),
            ("delayMs", wait_ms.into()),
        ]);
        emit(Level::Warn, inner.kind.retries, &fields);
    }

    /// Logs its end, and with what error it ended.
    pub(crate) fn end(mut self, error: Option<&Error>) {
        let Some(mut inner) = self.0.take() else { return };
        let Some(error) = error else { return inner.end(inner.kind.level, inner.kind.ended) };
        inner.fields.push(("code", error.code().as_str().into()));
        inner.fields.push(("status", error.status().into()));
        let (level, message) = match error.kind() {
            Kind::Api => (Level::Warn, inner.kind.refused),
            Kind::Internal => (Level::Error, inner.kind.ended),
            Kind::Connection
            | Kind::Timeout
            | Kind::Protocol
            | Kind::NoProgress
            | Kind::Config
            | Kind::Argument
            | Kind::Decode
            | Kind::Aborted => (Level::Warn, inner.kind.ended),
        };
        inner.end(level, message);
    }
}

impl Inner {
    fn end(&mut self, level: Level, message: &'static str) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.fields.push(("ms", Value::Number(ms)));
        emit(level, message, &self.fields);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut inner) = self.0.take() {
            inner.end(inner.kind.level, inner.kind.ended);
        }
    }
}
