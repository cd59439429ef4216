//! Spans: things that start and end, such as a feed or a connection. Each has a line for either, with one id.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::level::{Level, enabled};
use super::line::Value;
use super::sinks::emit;
use crate::error::{Error, Kind};

/// The id of the last span; ids count from 1.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The messages of one kind of span, and the level of its start and its plain end.
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
    /// A kind of span that is neither refused nor tried again.
    pub(crate) const fn plain(level: Level, started: &'static str, ended: &'static str) -> Self {
        Self { level, started, retries: started, ended, refused: ended }
    }
}

/// One span. Dropping it logs its end. It is empty, without an allocation, where no sink existed at its start.
#[derive(Debug, Default)]
pub(crate) struct Span(Option<Box<Inner>>);

#[derive(Debug)]
struct Inner {
    kind: &'static SpanKind,
    began: Instant,
    fields: Vec<(&'static str, Value<'static>)>,
}

impl Span {
    /// Logs the start. `fields` is called only where a sink exists; its fields also stand in the lines that follow.
    pub(crate) fn start(kind: &'static SpanKind, fields: impl FnOnce() -> Vec<(&'static str, Value<'static>)>) -> Self {
        // Every sink takes errors, so one load tells whether a sink exists.
        if !enabled(Level::Error) {
            return Self(None);
        }
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let mut all = vec![("id", Value::Number(number))];
        all.extend(fields());
        emit(kind.level, kind.started, &all);
        Self(Some(Box::new(Inner { kind, began: Instant::now(), fields: all })))
    }

    /// Logs another attempt, which is made after a wait of `wait_ms`.
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

    /// Logs the end, with the error that caused it.
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

#[cfg(test)]
mod tests {
    use super::super::sinks::tests::Kept;
    use super::*;

    static KIND: SpanKind = SpanKind {
        level: Level::Info,
        started: "test started",
        retries: "test retries",
        ended: "test ended",
        refused: "test refused",
    };

    /// What a sink of `level` gets of a span that is tried again, and ends with `error`.
    fn lines_at(level: Level, error: Option<&Error>) -> Vec<String> {
        let kept = Kept::new(level);
        let span = Span::start(&KIND, Vec::new);
        span.retries(1, "busy", None, 5);
        span.end(error);
        let lines = kept.messages();
        drop(kept);
        lines
    }

    #[test]
    fn a_fault_of_ours_is_logged_where_errors_alone_are_asked_for() {
        let fault = Error::panicked("a test");
        assert_eq!(lines_at(Level::Error, Some(&fault)), ["error test ended"]);
        assert_eq!(lines_at(Level::Warn, Some(&fault)), ["warn test retries", "error test ended"]);
        assert_eq!(lines_at(Level::Info, None), ["info test started", "warn test retries", "info test ended"]);
        assert_eq!(lines_at(Level::Error, Some(&Error::protocol("no"))), Vec::<String>::new());
    }
}
