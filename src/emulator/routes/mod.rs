//! The routes: which path is whose, and what every request goes through.

mod cancel;
mod claims;
mod context;
mod control;
mod feed;
mod label;
mod public_tokens;
mod request;
mod respond;
mod retrieve;
mod trigger;

pub(super) use context::Context;
pub(super) use label::Label;
pub(super) use respond::respond;
