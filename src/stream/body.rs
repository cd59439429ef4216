//! The body that a stream is being read from, and how it ended.

use crate::sse::Decoder;

/// A body that is being read. Times are the machine's, in milliseconds.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) decoder: Decoder,
    opened_at: u64,
    /// When the last byte came.
    byte_at: Option<u64>,
    /// When the last new value came, or the body was opened.
    silent_since: u64,
    /// The body brought something new.
    pub(super) moved: bool,
    /// `X-Session-Settled: true`: nothing more comes after the end of this body.
    pub(super) settled: bool,
    /// The body was asked for after the run was over: only such a body can tell that the stream is drained (S9).
    pub(super) last: bool,
}

impl Body {
    pub(super) fn new(max_event_bytes: usize, now_ms: u64, settled: bool, last: bool) -> Self {
        Self {
            decoder: Decoder::new(max_event_bytes),
            opened_at: now_ms,
            byte_at: None,
            silent_since: now_ms,
            moved: false,
            settled,
            last,
        }
    }

    /// Bytes came.
    pub(super) fn byte(&mut self, now_ms: u64) {
        self.byte_at = Some(now_ms);
    }

    /// A new value came.
    pub(super) fn progress(&mut self, now_ms: u64) {
        self.moved = true;
        self.silent_since = now_ms;
    }

    /// Whether a byte came at all.
    pub(super) fn has_begun(&self) -> bool {
        self.byte_at.is_some()
    }

    /// Whether bytes came over `healthy_ms` or longer.
    pub(super) fn is_healthy(&self, healthy_ms: u64) -> bool {
        self.byte_at.is_some_and(|at| at.saturating_sub(self.opened_at) >= healthy_ms)
    }

    /// Whether a byte came within the last `alive_ms`: an older connection may be dead without a sign.
    pub(super) fn is_alive(&self, now_ms: u64, alive_ms: u64) -> bool {
        now_ms.saturating_sub(self.byte_at.unwrap_or(self.opened_at)) <= alive_ms
    }

    /// How long the body has been open.
    pub(super) fn lasted_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.opened_at)
    }

    /// How long the body has brought nothing new.
    pub(super) fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.silent_since)
    }

    /// How long the body brought nothing new up to its last byte: after that byte it may have been dead.
    pub(super) fn silent_ms_before_last_byte(&self) -> u64 {
        self.byte_at.map_or(0, |at| at.saturating_sub(self.silent_since))
    }
}

/// How a body ended that did not break.
#[derive(Clone, Copy, Debug)]
pub(super) enum Close {
    /// With v2's `[DONE]`: the window is over.
    Done,
    /// Without a marker.
    Clean,
}

/// Why the end of a body may be the end of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    /// The server closed the window: nothing was written for the time asked.
    Window,
    /// v1: the last of several bodies that ended at once and brought nothing.
    EmptyBodies,
}
