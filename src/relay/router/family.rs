//! The groups of routes that the option `allow` names.

/// A group of routes, which the option `allow` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Feeds of single runs.
    Runs,
    /// Feeds of runs by tag.
    Tags,
    /// Feeds of batches.
    Batches,
    /// Reading streams of runs.
    Streams,
    /// Triggering, and uploads of large payloads for it.
    Trigger,
    /// Triggering in batches.
    BatchTrigger,
    /// Completing wait tokens.
    WaitTokens,
    /// Sending to input streams.
    Inputs,
    /// Reading and cancelling over REST.
    Retrieve,
    /// Sessions and their channels.
    Sessions,
}

impl Family {
    /// Every family.
    #[cfg(test)]
    pub(super) const ALL: [Self; 10] = [
        Self::Runs,
        Self::Tags,
        Self::Batches,
        Self::Streams,
        Self::Trigger,
        Self::BatchTrigger,
        Self::WaitTokens,
        Self::Inputs,
        Self::Retrieve,
        Self::Sessions,
    ];

    /// The name that `allow` takes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Tags => "tags",
            Self::Batches => "batches",
            Self::Streams => "streams",
            Self::Trigger => "trigger",
            Self::BatchTrigger => "batchTrigger",
            Self::WaitTokens => "waitTokens",
            Self::Inputs => "inputs",
            Self::Retrieve => "retrieve",
            Self::Sessions => "sessions",
        }
    }
}
