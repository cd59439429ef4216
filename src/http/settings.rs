//! The time-outs and the name that every connection of the process shares.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

/// How long a connection may take to open, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is trusted; Node's own clients have the same. A NAT, a load balancer or
/// an old server on the way forgets an idle connection without closing it, and the next request on it
/// would wait for its time-out.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// TCP keep-alive: the idle time before the first probe, the time between two probes, and how many
/// unanswered probes end the connection.
pub(crate) const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);

/// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged, or unsent because the server's
/// window is closed. As long as one attempt, so that a server that only pauses is not cut off.
#[cfg(target_os = "linux")]
pub(crate) const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The `User-Agent` of every request.
pub(super) const AGENT: &str = concat!("trigger-native/", env!("CARGO_PKG_VERSION"));

/// Sets [`KEEPALIVE`] and [`TCP_USER_TIMEOUT`] on a connector of the pool.
pub(super) fn keep_alive<R>(tcp: &mut HttpConnector<R>) {
    let (idle, interval, retries) = KEEPALIVE;
    tcp.set_keepalive(Some(idle));
    tcp.set_keepalive_interval(Some(interval));
    tcp.set_keepalive_retries(Some(retries));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
}
