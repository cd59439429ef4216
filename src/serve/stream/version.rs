//! Which stream, and how it is kept.

/// How the streams of a run are kept and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamVersion {
    /// Lines with ids of time and number.
    V1,
    /// Numbered records.
    V2,
}

impl StreamVersion {
    /// As `x-trigger-realtime-streams-version` names it. Who names none is told v1.
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
    /// What the run writes, under its key.
    Output(String),
    /// What is sent to the run, under its id. Always kept as v2.
    Input(String),
}
