//! HTTP: clients that are shared by the whole process, the headers a server expects, single calls
//! with retries and deadlines, and the polls of a feed.

mod answered;
mod call;
mod client;
mod echo;
#[cfg(test)]
mod half_open;
mod headers;
mod line;
mod poll;
mod pool;
mod proxy;
mod since;
mod stream;
mod tls;
mod upload;

pub use call::{Answer, Call, Deadlines};
#[cfg(target_os = "linux")]
pub(crate) use client::UNHEARD;
pub(crate) use client::{KEEPALIVE, passing};
pub use headers::{ClientOptions, RetryOptions, feed_headers};
pub use line::Line;
pub use poll::Polled;
pub(crate) use pool::Attempt;
pub(crate) use stream::silent;
pub use stream::{Opened, StreamBody, open_stream, stream_headers};
pub(crate) use tls::refusal as certificate_refusal;
pub use upload::{Upload, Uploaded};
