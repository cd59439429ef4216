//! The name and the version of a stream.

/// The protocol version of a run's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamVersion {
    /// Lines, with ids of time and number.
    V1,
    /// Numbered records.
    V2,
}

impl StreamVersion {
    /// The version that `x-trigger-realtime-streams-version` names; v1 without the header.
    pub(crate) fn named(text: Option<&str>) -> Self {
        if text == Some("v2") { Self::V2 } else { Self::V1 }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// A stream of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StreamName {
    /// Output of the run, under the stream's key.
    Output(String),
    /// Input for the run, under the stream's id. Always v2.
    Input(String),
}
