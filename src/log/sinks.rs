//! The receivers of lines: standard error, and loggers of JavaScript.

use std::io::Write as _;
use std::sync::{Arc, Mutex, Once};

use super::level::{self, Level};
use super::line::{Line, Value};
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
        match Level::parse(&value) {
            Some(level) => add(Arc::new(Printer(level))),
            None => print(&format!(
                "trigger-native: {VARIABLE} is {value:?}, which is no level: set it to error, warn, info or debug, or not at all\n"
            )),
        }
    });
}

/// The sink that prints lines to standard error.
struct Printer(Level);

impl Sink for Printer {
    fn level(&self) -> Level {
        self.0
    }

    fn take(&self, line: Line<'_>) {
        print(&line.to_text(&format!("{}Z", format_timestamp(unix_ms()))));
    }
}

/// Writes a line in one piece, so that lines of several threads do not mix. A closed standard error loses it.
fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{enabled, log};

    struct Kept(Level, Mutex<Vec<String>>);

    impl Sink for Kept {
        fn level(&self) -> Level {
            self.0
        }

        fn take(&self, line: Line<'_>) {
            if line.message.starts_with("test ") {
                self.1.lock().expect("whole").push(line.to_json());
            }
        }
    }

    #[test]
    fn a_line_goes_to_the_sinks_of_its_level_until_they_are_gone() {
        let (loud, quiet) =
            (Arc::new(Kept(Level::Debug, Mutex::default())), Arc::new(Kept(Level::Warn, Mutex::default())));
        let (loud_sink, quiet_sink): (Arc<dyn Sink>, Arc<dyn Sink>) = (loud.clone(), quiet.clone());
        add(quiet_sink.clone());
        add(loud_sink.clone());
        assert!(enabled(Level::Debug));
        log!(Info, "test started", "feed" => 1_u64);
        log!(Error, "test failed");
        remove(&loud_sink);
        log!(Error, "test over");
        remove(&quiet_sink);
        log!(Error, "test unheard", "never" => { panic!("no sink wants it"); #[allow(unreachable_code, reason = "it is the point")] 0_u64 });
        let lines = |kept: &Kept| kept.1.lock().expect("whole").clone();
        assert_eq!(lines(&loud), ["[\"info\",\"test started\",{\"feed\":1}]", "[\"error\",\"test failed\",{}]"]);
        assert_eq!(lines(&quiet), ["[\"error\",\"test failed\",{}]", "[\"error\",\"test over\",{}]"]);
    }
}
