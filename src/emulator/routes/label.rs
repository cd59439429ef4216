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
    Preflight "OPTIONS",
    Unknown "unknown",
    Control "/emulator",
}

impl Label {
    /// How many there are.
    pub(in super::super) const COUNT: usize = Self::ALL.len();

    /// Whether it is one of the emulator's own.
    pub(in super::super) fn is_control(self) -> bool {
        self == Self::Control
    }
}
