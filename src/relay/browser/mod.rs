//! Browsers over HTTP/1.x: which requests are of one, and how many of its six connections its polls may hold (F12).

mod holds;
mod identity;

pub(crate) use holds::{Hold, Holds, Kind};
pub(crate) use identity::Identity;
