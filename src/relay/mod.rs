//! The relay: the server's own protocol on the app's own origin, with one upstream for each distinct feed and stream,
//! however many viewers there are (docs/relay.md). It verifies tokens itself, answers feeds and streams from memory,
//! and proxies the other routes of its table with the viewer's own token.

mod admission;
mod authorizer;
#[cfg(test)]
mod bounds_tests;
mod browser;
mod digest;
mod feed;
mod head;
mod idle_cache;
mod limits;
mod listen;
pub(crate) mod live;
mod log;
mod metrics;
mod options;
mod proxy;
#[expect(clippy::module_inception, reason = "the type that composes the steps is the relay itself")]
mod relay;
mod request;
mod response;
pub(crate) mod router;
mod stats;
mod stream;
mod upstream;
mod warnings;

pub use crate::serve::TlsIdentity;
pub use authorizer::Grant;
pub use head::{decode_request_head, decode_response_head, encode_request_head, encode_response_head};
pub use listen::{Authorize, Authorized, Listen, Listening, for_this_origin};
pub use options::{Limits, Options};
pub use relay::Relay;
pub use warnings::Warnings;
