//! The options of a relay, and their defaults.

use std::sync::Arc;
use std::time::Duration;

use super::warnings::Warnings;
use crate::config::Endpoint;
use crate::http::ClientOptions;
use crate::hub::BudgetOptions;

/// The options of a relay. The maker checks their texts: the relay refuses none.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, and the relay's own key, which is used for shared feeds and streams.
    pub endpoint: Endpoint,
    /// Headers and retries of requests with the relay's own key.
    pub client: Arc<ClientOptions>,
    /// The mount point, before the server's paths: empty, or such as `/api/trigger`. `None` is any plain one.
    pub base_path: Option<Arc<str>>,
    /// The families of routes that are served (see `router/family.rs`); `None` is all of them.
    pub allow: Option<Arc<[String]>>,
    /// How much is served at once.
    pub limits: Limits,
    /// The budget of upstream connections, which feeds of the same environment outside of the relay share.
    pub upstream: BudgetOptions,
    /// How long a live poll without news is held, give or take 15 percent. Default 20 s.
    pub hold: Duration,
    /// How long a feed or stream is kept after its last viewer. Default 5 s.
    pub keep: Duration,
    /// Whether the app authorizes requests itself (`authorize`).
    pub authorizes: bool,
    /// Origins whose pages may send the app's cookies along and read the answers, such as `https://app.example`.
    pub allow_origins: Arc<[String]>,
    /// Warnings for the operator.
    pub warnings: Warnings,
    /// The path of the Prometheus text, such as `/metrics`, outside of `base_path`; `None` serves none.
    pub metrics_path: Option<Arc<str>>,
}

impl Options {
    /// The default of [`Options::hold`]: in the middle of what the server does (docs/server-protocol.md 4).
    pub const HOLD: Duration = Duration::from_secs(20);
    /// The default of [`Options::keep`].
    pub const KEEP: Duration = Duration::from_secs(5);

    /// The defaults: any mount point, every family, the token of each viewer.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            client: Arc::default(),
            base_path: None,
            allow: None,
            limits: Limits::default(),
            upstream: BudgetOptions::default(),
            hold: Self::HOLD,
            keep: Self::KEEP,
            authorizes: false,
            allow_origins: Arc::new([]),
            warnings: Warnings::default(),
            metrics_path: None,
        }
    }
}

/// How much is served at once. A viewer beyond a limit gets a 429 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Held polls, open streams and proxied requests of one token. Default 1,000.
    pub per_token: usize,
    /// Polls of one browser over HTTP/1.x that are held for their full time; its open streams count among them. Default
    /// 3: a browser opens six connections, and the page's own requests need some.
    pub held_per_browser: usize,
    /// Held polls and open streams of one feed or stream. Default 20,000.
    pub per_feed: usize,
    /// Held polls and open streams in all. Default 50,000.
    pub viewers: usize,
    /// Distinct feeds and streams kept at once. Default 10,000.
    pub feeds: usize,
    /// Distinct feeds that one token opened and that are kept, and streams likewise. Default 1,000.
    pub feeds_per_token: usize,
    /// Proxied requests in flight. Default 1,000.
    pub passing: usize,
    /// Calls of `authorize` in flight. Default 1,000.
    pub authorizing: usize,
    /// The longest query of a request, in bytes. Default 8 KiB.
    pub query_bytes: usize,
    /// The longest body of a proxied request, in bytes. Default 10 MiB.
    pub body_bytes: u64,
    /// The longest headers of a request, in bytes. Default 16 KiB, as in Node.
    pub header_bytes: usize,
    /// Connections of all its listeners. Default 60,000.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection of a listener. Default 1,000.
    pub streams_per_connection: u32,
    /// Bytes of answers that viewers have not read yet; a body that many viewers share counts once. Default 256 MiB.
    pub bytes_under_way: u64,
    /// How long an answer may go without a byte of it being read. Default 30 s.
    pub send_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_token: 1_000,
            held_per_browser: 3,
            per_feed: 20_000,
            viewers: 50_000,
            feeds: 10_000,
            feeds_per_token: 1_000,
            passing: 1_000,
            authorizing: 1_000,
            query_bytes: 8 << 10,
            body_bytes: 10 << 20,
            header_bytes: 16 << 10,
            connections: 60_000,
            streams_per_connection: 1_000,
            bytes_under_way: 256 << 20,
            send_timeout: Duration::from_secs(30),
        }
    }
}
