//! HTTP: the clients and the connection pool that the whole process shares, the headers a server
//! expects, single calls with retries and deadlines, long-polls and streams.

mod call;
#[cfg(test)]
mod call_tests;
mod client_slot;
mod clients;
mod error;
#[cfg(test)]
mod half_open;
mod headers;
mod instant;
mod known_servers;
mod lookup;
mod poll;
pub(crate) mod pool;
mod proxy;
mod reconnects;
pub(crate) mod redaction;
mod settings;
mod storage;
mod stream;
mod tls;
mod traces;
mod upload;

pub use call::{Call, Deadlines, Response};
pub(crate) use client_slot::Attempt;
pub(crate) use clients::pass_through;
pub(crate) use error::silent;
pub use headers::{ClientOptions, RetryOptions, feed_headers};
pub use poll::PollOutcome;
pub use pool::LongPollClient;
#[cfg(test)]
pub(crate) use pool::{MemoryListener, Switch};
pub(crate) use settings::KEEPALIVE;
#[cfg(target_os = "linux")]
pub(crate) use settings::TCP_USER_TIMEOUT;
pub use stream::{Opening, StreamBody, StreamOutcome, open_stream, stream_headers};
pub use upload::{Upload, UploadOutcome};
