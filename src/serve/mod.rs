//! Answering HTTP as the server does: what the emulator, over its store, and the relay, over its upstream, share.

mod answer;
pub(crate) mod clock;
mod connection;
mod counts;
pub(crate) mod feed;
pub(crate) mod hand;
mod idle;
mod limit;
pub(crate) mod listener;
#[cfg(test)]
mod listener_tests;
pub(crate) mod period;
mod reading;
mod request;
mod sliced;
pub(crate) mod stream;
pub(crate) mod tags;
mod tally;
mod upload;
mod wire;

pub(crate) use answer::{Answer, Body};
pub(crate) use counts::Counts;
pub(crate) use limit::{Limit, Permit};
pub(crate) use request::{Request, body, body_up_to, decode_segment};
pub(crate) use upload::Upload;
