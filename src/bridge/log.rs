//! Log lines on their way to a logger in JavaScript.
//!
//! Lines of every thread wait in one bounded queue per logger. The first one calls JavaScript, which takes all that wait. A
//! logger keeps no process alive: JavaScript takes the lines that wait when its process exits.

use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use super::mailbox::{Signal, Text, signal_of};
use crate::lock::lock;
use crate::log::{self, Level, Line, Sink};

/// The most lines that wait. Further ones are dropped and counted.
const MAX_WAITING: usize = 1_000;

#[derive(Default)]
struct Lines {
    /// Lines as JSON, oldest first.
    waiting: Vec<String>,
    dropped: u64,
}

impl Lines {
    /// Takes all lines as `[line,line,…]`, with one more that counts those that were dropped.
    fn take(&mut self) -> String {
        let mut lines = std::mem::take(&mut self.waiting);
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            lines.push(Line::dropped(&[("lines", dropped.into())]).to_json());
        }
        format!("[{}]", lines.join(","))
    }
}

struct Queue {
    level: Level,
    lines: Arc<Mutex<Lines>>,
    signal: Signal,
}

impl Sink for Queue {
    fn level(&self) -> Level {
        self.level
    }

    fn take(&self, line: Line<'_>) {
        let first = {
            let mut lines = lock(&self.lines);
            if lines.waiting.len() >= MAX_WAITING {
                lines.dropped += 1;
                return;
            }
            lines.waiting.push(line.to_json());
            lines.waiting.len() == 1
        };
        if first {
            // This fails only while the environment ends.
            let _ = self.signal.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// A logger of one JavaScript environment. It ends with `close()`, or when it is garbage collected.
#[napi]
pub struct LogSink {
    sink: Arc<dyn Sink>,
    lines: Arc<Mutex<Lines>>,
}

impl std::fmt::Debug for LogSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogSink").finish_non_exhaustive()
    }
}

#[napi]
impl LogSink {
    /// `deliver` gets `[[level, message, fields], …]` as JSON text, and must not throw. `level` is the most of it.
    #[napi(constructor)]
    pub fn new(level: String, deliver: Function<'_, Text, ()>) -> napi::Result<Self> {
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (taken, kept) = (lines.clone(), lines.clone());
        let signal = signal_of(deliver, move || lock(&taken).take())?;
        let level = Level::parse(&level).unwrap_or(Level::Debug);
        let sink: Arc<dyn Sink> = Arc::new(Queue { level, lines, signal });
        log::add(sink.clone());
        Ok(Self { sink, lines: kept })
    }

    /// Takes the lines that wait, as `deliver` gets them: a process that exits calls `deliver` no more.
    #[napi(catch_unwind)]
    pub fn take(&self) -> String {
        lock(&self.lines).take()
    }

    /// Ends the logger. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        log::remove(&self.sink);
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        log::remove(&self.sink);
    }
}
