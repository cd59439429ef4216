//! The receivers of lines: standard error, and loggers of JavaScript.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use super::level::{self, Level};
use super::line::{Line, Value};
use super::text::shown;
use crate::clock::unix_ms;
use crate::lock::lock;
use crate::timestamp::format_timestamp;

/// The environment variable that has lines printed. Its value is their level.
const VARIABLE: &str = "TRIGGER_NATIVE_LOG";

/// A receiver of lines. A line comes on the thread where its event happened, so `take` must not block.
pub trait Sink: Send + Sync {
    /// The most verbose level that it takes.
    fn level(&self) -> Level;

    /// Takes a line of that level or a level above it.
    fn take(&self, line: Line<'_>);
}

type Sinks = Vec<Arc<dyn Sink>>;

static SINKS: Mutex<Sinks> = Mutex::new(Vec::new());

/// Adds a sink.
pub fn add(sink: Arc<dyn Sink>) {
    let mut sinks = lock(&SINKS);
    sinks.push(sink);
    level::set(sinks.iter().map(|sink| sink.level()).max());
}

/// Removes a sink. Idempotent.
pub fn remove(sink: &Arc<dyn Sink>) {
    let mut sinks = lock(&SINKS);
    sinks.retain(|kept| !Arc::ptr_eq(kept, sink));
    level::set(sinks.iter().map(|sink| sink.level()).max());
}

/// Passes a line to every sink of its level. `log!` and `Span` call this only where a sink exists.
#[cold]
pub(crate) fn emit(level: Level, message: &'static str, fields: &[(&'static str, Value<'_>)]) {
    // Outside the lock, which a sink takes when it is removed.
    let takers: Sinks = lock(&SINKS).iter().filter(|sink| sink.level() >= level).cloned().collect();
    for sink in takers {
        sink.take(Line { level, message, fields });
    }
}

/// Has lines printed where `TRIGGER_NATIVE_LOG` names a level. The variable is read once per process; for a value that is no
/// level, one line says what to set.
pub(crate) fn from_environment() {
    static LOOKED: Once = Once::new();
    LOOKED.call_once(|| {
        let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else { return };
        let value = value.to_string_lossy();
        match Level::parse(&value).ok_or_else(|| shown(value)) {
            Ok(level) => add(Arc::new(Printer { level, dropped: AtomicU64::new(0) })),
            Err(value) => {
                let _ = print(&format!(
                    "trigger-native: {VARIABLE} is {value:?}, which is no level: set it to error, warn, info or debug, or not at all\n"
                ));
            }
        }
    });
}

/// The sink that prints lines to standard error.
struct Printer {
    level: Level,
    /// The number of lines that standard error refused since it took one.
    dropped: AtomicU64,
}

impl Sink for Printer {
    fn level(&self) -> Level {
        self.level
    }

    fn take(&self, line: Line<'_>) {
        let time = format!("{}Z", format_timestamp(unix_ms()));
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let mut text = String::new();
        if dropped > 0 {
            text = Line::dropped(&[("lines", dropped.into())]).to_text(&time);
        }
        text.push_str(&line.to_text(&time));
        if print(&text).is_err() {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

/// Writes a line in one piece, so that lines of several threads do not mix. A closed standard error fails, and so does a
/// full pipe that is non-blocking, which Node makes of it.
fn print(text: &str) -> std::io::Result<()> {
    std::io::stderr().lock().write_all(text.as_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::MutexGuard;

    use super::*;
    use crate::log::{enabled, log};

    struct Memory(Level, Mutex<Vec<(String, String)>>);

    impl Sink for Memory {
        fn level(&self) -> Level {
            self.0
        }

        fn take(&self, line: Line<'_>) {
            if line.message.starts_with("test ") {
                let short = format!("{} {}", line.level.as_str(), line.message);
                lock(&self.1).push((short, line.to_json()));
            }
        }
    }

    /// A sink that keeps what tests log, while it lives.
    pub(in crate::log) struct Kept {
        memory: Arc<Memory>,
        sink: Arc<dyn Sink>,
        _alone: Option<MutexGuard<'static, ()>>,
    }

    impl Kept {
        /// The only sink, until it is dropped: sinks are of the process, and its tests run at once.
        pub(in crate::log) fn new(level: Level) -> Self {
            static ALONE: Mutex<()> = Mutex::new(());
            Self::with(level, Some(lock(&ALONE)))
        }

        /// One beside it.
        fn another(level: Level) -> Self {
            Self::with(level, None)
        }

        fn with(level: Level, alone: Option<MutexGuard<'static, ()>>) -> Self {
            let memory = Arc::new(Memory(level, Mutex::default()));
            let sink: Arc<dyn Sink> = memory.clone();
            add(sink.clone());
            Self { memory, sink, _alone: alone }
        }

        pub(in crate::log) fn messages(&self) -> Vec<String> {
            lock(&self.memory.1).iter().map(|(short, _)| short.clone()).collect()
        }

        fn lines(&self) -> Vec<String> {
            lock(&self.memory.1).iter().map(|(_, json)| json.clone()).collect()
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            remove(&self.sink);
        }
    }

    #[test]
    fn a_line_goes_to_the_sinks_of_its_level_until_they_are_gone() {
        let (quiet, loud) = (Kept::new(Level::Warn), Kept::another(Level::Debug));
        assert!(enabled(Level::Debug));
        log!(Info, "test started", "feed" => 1_u64);
        log!(Error, "test failed");
        remove(&loud.sink);
        log!(Error, "test over");
        remove(&quiet.sink);
        log!(Error, "test unheard", "never" => { panic!("no sink wants it"); #[allow(unreachable_code, reason = "it is the point")] 0_u64 });
        assert_eq!(loud.lines(), ["[\"info\",\"test started\",{\"feed\":1}]", "[\"error\",\"test failed\",{}]"]);
        assert_eq!(quiet.lines(), ["[\"error\",\"test failed\",{}]", "[\"error\",\"test over\",{}]"]);
    }
}
