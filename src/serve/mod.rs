//! Answering HTTP as the server does: what the emulator, over its store, and the relay, over its upstream, share.

mod answer;
pub(crate) mod clock;
pub(crate) mod feed;
pub(crate) mod hand;
mod limit;
pub(crate) mod listener;
pub(crate) mod period;
mod request;
pub(crate) mod stream;
pub(crate) mod tags;
mod tally;

pub(crate) use answer::{Answer, Body};
pub(crate) use limit::{Limit, Permit};
pub(crate) use request::{Request, body, body_up_to, decode_segment};
