//! The progress of every viewer, for `npm run relay-repeats`: a run that stops says at once which viewers wait for what.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time between two looks at the progress.
const LOOK: Duration = Duration::from_millis(500);
/// The number of waiting viewers that are named.
const MAX_NAMED: usize = 40;

/// What a viewer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Queued,
    Connecting,
    Snapshot,
    CatchUp,
    Poll,
    Done,
}

/// The names of the phases, in the order of `Phase`.
const PHASES: [&str; 6] = ["queued", "connecting", "snapshot", "catch-up", "poll", "done"];

/// The progress of one viewer.
#[derive(Debug, Default)]
struct Viewer {
    phase: AtomicU8,
    /// The local port of its connection, by which the kernel's table of connections names it.
    port: AtomicU16,
    version: AtomicU64,
}

/// The progress of all viewers.
#[derive(Debug)]
pub(crate) struct Progress {
    viewers: Vec<Viewer>,
    /// The number of steps that any viewer took.
    steps: AtomicU64,
}

impl Progress {
    pub(crate) fn new(viewers: u64) -> Self {
        Self { viewers: (0..viewers).map(|_| Viewer::default()).collect(), steps: AtomicU64::new(0) }
    }

    fn of(&self, viewer: u64) -> &Viewer {
        &self.viewers[usize::try_from(viewer).unwrap_or(usize::MAX)]
    }

    pub(crate) fn step(&self, viewer: u64, phase: Phase) {
        self.of(viewer).phase.store(phase as u8, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self, viewer: u64, port: u16) {
        self.of(viewer).port.store(port, Ordering::Relaxed);
    }

    pub(crate) fn saw(&self, viewer: u64, version: u64) {
        self.of(viewer).version.store(version, Ordering::Relaxed);
    }

    /// Prints `progress <steps>` to standard error after each look at which there was some, and `stalled <JSON>` once
    /// there was none for `limit`, and again after each `limit`.
    #[allow(clippy::print_stderr, reason = "its output is its interface")]
    pub(crate) async fn report(&self, limit: Duration) {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            tokio::time::sleep(LOOK).await;
            let steps = self.steps.load(Ordering::Relaxed);
            if steps != before {
                eprintln!("progress {steps}");
                (before, since) = (steps, Instant::now());
            } else if since.elapsed() >= limit {
                eprintln!("stalled {}", self.waiting());
                since = Instant::now();
            }
        }
    }

    /// The number of viewers in each phase and at each update, and those that are behind, as JSON.
    fn waiting(&self) -> String {
        let mut phases = [0_u64; PHASES.len()];
        let newest = self.viewers.iter().map(|viewer| viewer.version.load(Ordering::Relaxed)).max().unwrap_or(0);
        let (mut behind, mut named) = (0_u64, String::new());
        for (index, viewer) in self.viewers.iter().enumerate() {
            let (phase, version) = (viewer.phase.load(Ordering::Relaxed), viewer.version.load(Ordering::Relaxed));
            let port = viewer.port.load(Ordering::Relaxed);
            phases[usize::from(phase)] += 1;
            let done = phase == Phase::Done as u8;
            if done || (phase == Phase::Poll as u8 && version == newest) {
                continue;
            }
            behind += 1;
            if behind <= MAX_NAMED as u64 {
                let comma = if named.is_empty() { "" } else { "," };
                let phase = PHASES[usize::from(phase)];
                let _ =
                    write!(named, r#"{comma}{{"viewer":{index},"phase":"{phase}","version":{version},"port":{port}}}"#);
            }
        }
        let phases: Vec<_> = PHASES.iter().zip(phases).map(|(name, count)| format!(r#""{name}":{count}"#)).collect();
        format!(r#"{{"newest":{newest},"phases":{{{}}},"behind":{behind},"named":[{named}]}}"#, phases.join(","))
    }
}
