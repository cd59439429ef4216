//! The columns of a run's row, in the order the feed writes them (recorded: `run-snapshot`).

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A time in UTC, written without a `Z`.
    Timestamp,
    /// A 32-bit integer.
    Int4,
    /// `t` or `f`.
    Bool,
    /// A double.
    Float8,
    /// A Postgres array literal of texts.
    TextArray,
    /// JSON.
    Jsonb,
}

impl Kind {
    /// Its entry in `electric-schema`.
    fn schema(self) -> &'static str {
        match self {
            Self::Text => r#"{"type":"text"}"#,
            Self::Timestamp => r#"{"type":"timestamp"}"#,
            Self::Int4 => r#"{"type":"int4"}"#,
            Self::Bool => r#"{"type":"bool"}"#,
            Self::Float8 => r#"{"type":"float8"}"#,
            Self::TextArray => r#"{"type":"text","dims":1}"#,
            Self::Jsonb => r#"{"type":"jsonb"}"#,
        }
    }
}

macro_rules! columns {
    ($($variant:ident $name:literal $kind:ident,)*) => {
        /// A column of a run's row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Column { $(
            #[doc = $name]
            $variant,
        )* }

        impl Column {
            /// All columns, in wire order.
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its type.
            pub(super) fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }
        }
    };
}

columns! {
    Id "id" Text,
    TaskIdentifier "taskIdentifier" Text,
    CreatedAt "createdAt" Timestamp,
    UpdatedAt "updatedAt" Timestamp,
    StartedAt "startedAt" Timestamp,
    DelayUntil "delayUntil" Timestamp,
    QueuedAt "queuedAt" Timestamp,
    ExpiredAt "expiredAt" Timestamp,
    CompletedAt "completedAt" Timestamp,
    FriendlyId "friendlyId" Text,
    Number "number" Int4,
    IsTest "isTest" Bool,
    Status "status" Text,
    UsageDurationMs "usageDurationMs" Int4,
    CostInCents "costInCents" Float8,
    BaseCostInCents "baseCostInCents" Float8,
    Ttl "ttl" Text,
    Payload "payload" Text,
    PayloadType "payloadType" Text,
    Metadata "metadata" Text,
    MetadataType "metadataType" Text,
    Output "output" Text,
    OutputType "outputType" Text,
    RunTags "runTags" TextArray,
    Error "error" Jsonb,
    RealtimeStreams "realtimeStreams" TextArray,
}

impl Column {
    /// The number of columns.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// The column with that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|column| column.name() == name)
    }

    /// Whether readers always get it (docs/server-protocol.md 4).
    fn is_kept(self) -> bool {
        matches!(self, Self::Id | Self::TaskIdentifier | Self::FriendlyId | Self::Status | Self::CreatedAt)
    }
}

/// The columns that a reader, or its token, leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped(u32);

impl Skipped {
    /// Adds columns by name. Unknown names, and columns that readers always get, are ignored.
    pub(super) fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for column in names.into_iter().filter_map(|name| Column::named(name.trim())) {
            if !column.is_kept() {
                self.0 |= 1 << column as u32;
            }
        }
    }

    /// Whether `column` is left out.
    pub(super) fn has(self, column: Column) -> bool {
        self.0 & (1 << column as u32) != 0
    }

    /// The `electric-schema` header, without the columns that are left out.
    pub(super) fn schema(self) -> String {
        let entries: Vec<String> = Column::ALL
            .iter()
            .filter(|column| !self.has(**column))
            .map(|column| format!("\"{}\":{}", column.name(), column.kind().schema()))
            .collect();
        format!("{{{}}}", entries.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_run_cannot_be_skipped() {
        let mut skipped = Skipped::default();
        skipped.add(["id", "status", "payload", " output", "nonsense"]);
        assert!(skipped.has(Column::Payload) && skipped.has(Column::Output));
        assert!(!skipped.has(Column::Id) && !skipped.has(Column::Status));
        assert!(!skipped.schema().contains("\"payload\":") && skipped.schema().contains("\"payloadType\":"));
    }
}
