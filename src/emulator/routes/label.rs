//! The routes by name.

macro_rules! labels {
    ($($variant:ident $text:literal,)*) => {
        /// A route, as the statistics name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in super::super) enum Label { $(
            #[doc = $text]
            $variant,
        )* }

        impl Label {
            /// All of them.
            pub(in super::super) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub(in super::super) fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

labels! {
    Claims "POST /api/v1/auth/jwt/claims",
    PublicTokens "POST /api/v1/auth/public-tokens",
    Trigger "POST /api/v1/tasks/{id}/trigger",
    Retrieve "GET /api/v3/runs/{id}",
    Cancel "POST /api/v2/runs/{id}/cancel",
    Feed "GET /realtime/v1/runs/{id}",
    TagFeed "GET /realtime/v1/runs",
    BatchFeed "GET /realtime/v1/batches/{id}",
    Stream "GET /realtime/v1/streams/{id}/{key}",
    StreamWrite "/realtime/v1/streams/{id}/{target}/{key}",
    StreamAppend "POST /realtime/v1/streams/{id}/{target}/{key}/append",
    InputRead "GET /realtime/v1/streams/{id}/input/{key}",
    InputSend "POST /realtime/v1/streams/{id}/input/{key}",
    List "GET /api/v1/runs",
    Replay "POST /api/v1/runs/{id}/replay",
    Reschedule "POST /api/v1/runs/{id}/reschedule",
    RunResult "GET /api/v1/runs/{id}/result",
    BatchCreate "POST /api/v3/batches",
    BatchItems "POST /api/v3/batches/{id}/items",
    BatchRetrieve "GET /api/v2/batches/{id}",
    Metadata "GET /api/v1/runs/{id}/metadata",
    BatchResults "GET /api/v1/batches/{id}/results",
    TokenCreate "POST /api/v1/waitpoints/tokens",
    TokenList "GET /api/v1/waitpoints/tokens",
    TokenRetrieve "GET /api/v1/waitpoints/tokens/{id}",
    TokenComplete "POST /api/v1/waitpoints/tokens/{id}/complete",
    TokenCallback "POST /api/v1/waitpoints/tokens/{id}/callback/{hash}",
    PacketUpload "PUT /api/v2/packets/{name}",
    PacketUrl "GET /api/v1/packets/{name}",
    RunPacket "GET /api/v1/runs/{id}/packets/{field}",
    Object "/packets",
    Preflight "OPTIONS",
    Unknown "unknown",
    Page "/page",
    Control "/emulator",
}

impl Label {
    /// How many there are.
    pub(in super::super) const COUNT: usize = Self::ALL.len();

    /// The names of the routes that faults can be told to hit.
    pub(in super::super) fn names() -> Vec<&'static str> {
        Self::ALL.iter().filter(|label| !label.is_control()).map(|label| label.text()).collect()
    }

    /// Whether it is one of the emulator's own.
    pub(in super::super) fn is_control(self) -> bool {
        self == Self::Control || self == Self::Page
    }
}
