//! The server side of HTTP: listeners, requests, responses, feeds and streams. The emulator serves its store with it, the
//! relay its upstream.

mod bounds;
pub(crate) mod clock;
mod connection;
mod connection_io;
mod counts;
pub(crate) mod duration;
pub(crate) mod feed;
mod idle;
mod idle_tracker;
mod limit;
pub(crate) mod listener;
mod listener_state;
mod listener_stop;
#[cfg(test)]
mod listener_tests;
mod long_response;
#[cfg(test)]
mod long_response_tests;
mod manual_clock;
mod plain_peer;
mod read_deadline;
mod request;
mod request_body;
mod response;
mod split_body;
pub(crate) mod stream;
pub(crate) mod tags;
mod tls_identity;
#[cfg(test)]
mod tls_tests;
mod transport;

pub(crate) use bounds::{Bounds, Timeouts};
pub(crate) use counts::Counts;
pub(crate) use limit::{Limit, Permit};
pub(crate) use listener_stop::ListenerStop;
pub(crate) use plain_peer::PlainPeer;
pub(crate) use request::{Request, decode_segment, read_body, read_body_up_to};
pub(crate) use request_body::RequestBody;
pub(crate) use response::{Body, Response};
pub use tls_identity::TlsIdentity;
