//! The routes: which path is whose, and what every request goes through.

mod batch;
mod batch_items;
mod caller;
mod cancel;
mod claims;
mod context;
mod control;
mod control_switches;
mod describe;
mod feed;
mod group;
mod input;
mod label;
mod objects;
mod packets;
mod page;
mod public_tokens;
mod reader;
mod replay;
mod reschedule;
mod respond;
mod result;
mod retrieve;
mod route;
mod run_filter;
mod runs;
mod streams;
mod token_list;
mod tokens;
mod trigger;
mod writes;

pub(super) use context::Context;
pub(super) use label::Label;
pub(super) use respond::respond;
