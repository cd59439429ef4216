//! A relay, held by JavaScript.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::StatusCode;
use http_body_util::BodyExt as _;
use napi::bindgen_prelude::{Either, External, FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use serde::Deserialize;

use super::client::Client;
use super::error::failure;
use super::exchange::{Exchange, ExchangeInit};
use super::grant::read_grant;
use super::listening::{RelayListener, authorizer};
use crate::config::KeyKind;
use crate::error::{Error, ErrorCode, Result};
use crate::hub::{BudgetOptions, CostLimits};
use crate::relay::{self, Limits, Listen, Options, TlsIdentity, Warnings};
use crate::runtime;

/// The options of a relay, as `js/relay/options.js` checked them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelayOptions {
    /// `None`: anything may stand before the server's paths.
    base_path: Option<String>,
    allow: Option<Vec<String>>,
    #[serde(default)]
    limits: RelayLimits,
    #[serde(default)]
    upstream: RelayUpstream,
    hold_ms: Option<u64>,
    keep_ms: Option<u64>,
    metrics_path: Option<String>,
    #[serde(default)]
    authorizes: bool,
    #[serde(default)]
    allow_origins: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelayUpstream {
    connections: Option<usize>,
    tag: Option<String>,
    rows_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
}

impl RelayUpstream {
    fn budget(self) -> BudgetOptions {
        let usual = CostLimits::default();
        let says_cost = self.rows_per_second.or(self.bytes_per_second).is_some();
        let cost = says_cost.then(|| CostLimits {
            rows_per_second: self.rows_per_second.unwrap_or(usual.rows_per_second),
            bytes_per_second: self.bytes_per_second.unwrap_or(usual.bytes_per_second),
        });
        BudgetOptions { connections: self.connections, tag: self.tag.map(Into::into), cost }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelayLimits {
    viewers_per_token: Option<usize>,
    held_per_browser: Option<usize>,
    viewers_per_feed: Option<usize>,
    viewers: Option<usize>,
    feeds: Option<usize>,
    feeds_per_token: Option<usize>,
    passing: Option<usize>,
    authorizing: Option<usize>,
    query_bytes: Option<usize>,
    body_bytes: Option<u64>,
    header_bytes: Option<usize>,
    connections: Option<usize>,
    streams_per_connection: Option<u32>,
    bytes_under_way: Option<u64>,
    send_timeout_ms: Option<u64>,
}

impl RelayLimits {
    fn over(&self, usual: Limits) -> Limits {
        Limits {
            per_token: self.viewers_per_token.unwrap_or(usual.per_token),
            held_per_browser: self.held_per_browser.unwrap_or(usual.held_per_browser),
            per_feed: self.viewers_per_feed.unwrap_or(usual.per_feed),
            viewers: self.viewers.unwrap_or(usual.viewers),
            feeds: self.feeds.unwrap_or(usual.feeds),
            feeds_per_token: self.feeds_per_token.unwrap_or(usual.feeds_per_token),
            passing: self.passing.unwrap_or(usual.passing),
            // More calls of `authorize` than there may be viewers would be of no use.
            authorizing: self.authorizing.unwrap_or(usual.authorizing.min(self.viewers.unwrap_or(usual.viewers))),
            query_bytes: self.query_bytes.unwrap_or(usual.query_bytes),
            body_bytes: self.body_bytes.unwrap_or(usual.body_bytes),
            header_bytes: self.header_bytes.unwrap_or(usual.header_bytes),
            connections: self.connections.unwrap_or(usual.connections),
            streams_per_connection: self.streams_per_connection.unwrap_or(usual.streams_per_connection),
            bytes_under_way: self.bytes_under_way.unwrap_or(usual.bytes_under_way),
            send_timeout: self.send_timeout_ms.map_or(usual.send_timeout, Duration::from_millis),
        }
    }
}

/// One relay. It ends with `stop()`, or when it is garbage-collected.
#[napi]
#[derive(Debug)]
pub struct Relay {
    relay: Arc<relay::Relay>,
}

/// The relay of a client, or a failure.
#[napi(catch_unwind)]
pub fn open_relay(
    client: &External<Client>,
    options: String,
    tell: Function<'_, String, ()>,
) -> napi::Result<Either<Relay, String>> {
    // The function keeps no process alive.
    let tell = tell
        .build_threadsafe_function::<String>()
        .callee_handled::<false>()
        .weak::<true>()
        .build_callback(|context| Ok(context.value))?;
    // A warning that cannot be passed on is dropped: the process is ending.
    let warnings = Warnings::new(move |line| {
        let _ = tell.call(line, ThreadsafeFunctionCallMode::NonBlocking);
    });
    Ok(match open(client, &options, warnings) {
        Ok(relay) => Either::A(relay),
        Err(error) => Either::B(failure(&error)),
    })
}

fn open(client: &Client, options: &str, warnings: Warnings) -> Result<Relay> {
    let options: RelayOptions = serde_json::from_str(options)
        .map_err(|error| Error::new(ErrorCode::InvalidOptions, "the options cannot be read").with_source(error))?;
    match client.endpoint.kind() {
        KeyKind::Root | KeyKind::Additional => {}
        KeyKind::Public | KeyKind::Run => {
            return Err(Error::new(
                ErrorCode::InvalidAccessToken,
                "a relay needs a secret key, and this is a token: set TRIGGER_SECRET_KEY or accessToken to the environment's secret key",
            ));
        }
    }
    let _within = runtime::get()?.enter();
    let relay = relay::Relay::new(Options {
        endpoint: client.endpoint.clone(),
        client: client.options.clone(),
        base_path: options.base_path.map(Into::into),
        allow: options.allow.map(Into::into),
        limits: options.limits.over(Limits::default()),
        upstream: options.upstream.budget(),
        hold: options.hold_ms.map_or(Options::HOLD, Duration::from_millis),
        keep: options.keep_ms.map_or(Options::KEEP, Duration::from_millis),
        authorizes: options.authorizes,
        allow_origins: options.allow_origins.into(),
        warnings,
        metrics_path: options.metrics_path.map(Into::into),
    });
    Ok(Relay { relay })
}

/// The counts of a relay that has answered nothing, as JSON.
#[napi(catch_unwind)]
pub fn no_relay_stats() -> String {
    relay::Relay::no_stats()
}

#[napi]
impl Relay {
    /// One request: the head as `js/relay/relay.js` writes it, the grant of `authorize`, the body or its first piece, and
    /// whether more pieces follow; and the peer's address, empty where it is not known, if the request came over HTTP/1.x
    /// without TLS. Or a failure.
    #[napi(catch_unwind)]
    pub fn exchange(
        &self,
        head: String,
        grant: Option<String>,
        body: Option<&[u8]>,
        more: bool,
        peer: Option<String>,
    ) -> Either<Exchange, String> {
        let open = || {
            let grant = grant.as_deref().map(read_grant).transpose()?;
            Exchange::open(ExchangeInit { relay: &self.relay, head: &head, grant, body, more, peer: peer.as_deref() })
        };
        match open() {
            Ok(exchange) => Either::A(exchange),
            Err(error) => Either::B(failure(&error)),
        }
    }

    /// The response that refuses a request before `authorize` is called: status, names and values, and the body, a line
    /// each. `host`: the app's host, where it is known from elsewhere than the head.
    #[napi(catch_unwind)]
    pub fn refuses(&self, head: String, host: Option<String>) -> Option<String> {
        let Some(request) = relay::decode_request_head(&head) else { return Some("400\n0\n\nBad Request".into()) };
        let mut refusal = self.relay.refusal(&request.into_parts().0, host.as_deref())?;
        relay::for_this_origin(&mut refusal);
        let (head, body) = refusal.into_parts();
        let body = body.collect().now_or_never()?.ok()?.to_bytes();
        let text = relay::encode_response_head(head.status, &head.headers, false);
        Some(format!("{text}\n\n{}", String::from_utf8_lossy(&body)))
    }

    /// Whether one more call of `authorize` may begin. It then counts as pending until `authorized()`.
    #[napi(catch_unwind)]
    pub fn authorizes(&self) -> bool {
        self.relay.begin_authorize()
    }

    /// A call of `authorize` is over.
    #[napi(catch_unwind)]
    pub fn authorized(&self) {
        self.relay.end_authorize();
    }

    /// A listener that has not started. `authorize` gets `(ticket, head)` and owes one `decide`. With `cert` and `key`, both
    /// PEM, it serves TLS.
    #[napi(catch_unwind)]
    pub fn listener(
        &self,
        host: String,
        port: u16,
        authorize: Option<Function<'_, FnArgs<(u32, String)>, ()>>,
        cert: Option<&[u8]>,
        key: Option<&[u8]>,
    ) -> napi::Result<Either<RelayListener, String>> {
        let Ok(host) = host.parse::<IpAddr>() else {
            let why = "listen(): host must be an IP address of this machine, such as \"127.0.0.1\" or \"0.0.0.0\"";
            return Ok(Either::B(failure(&Error::new(ErrorCode::InvalidOptions, why))));
        };
        let tls = match cert.zip(key).map(|(cert, key)| TlsIdentity::from_pem(cert, key)).transpose() {
            Ok(tls) => tls,
            Err(error) => return Ok(Either::B(failure(&error))),
        };
        let (pending, authorize) = authorize.map(authorizer).transpose()?.unzip();
        let listen = Listen { host, port, authorize, tls };
        Ok(Either::A(RelayListener::new(self.relay.clone(), listen, pending.unwrap_or_default())))
    }

    /// Counts a refusal that the app sent in the relay's place.
    #[napi(catch_unwind)]
    pub fn refused_elsewhere(&self, status: u16) {
        if let Ok(status) = StatusCode::from_u16(status) {
            self.relay.count_refusal(status);
        }
    }

    /// Counts a response that JavaScript dropped because the viewer did not read it.
    #[napi(catch_unwind)]
    pub fn dropped_unread(&self) {
        self.relay.count_unread();
    }

    /// The relay's counts, as JSON.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        self.relay.stats()
    }

    /// Ends held polls and streams, every upstream and every listener. Idempotent.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.relay.stop();
    }
}
