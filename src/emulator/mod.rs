//! A local Trigger.dev realtime API with scripted runs, over an in-memory store.
//!
//! It answers over HTTP/1.1 and h2c on 127.0.0.1 as the server does (protocol.md; the recordings
//! of the native backend), so that a frontend can be built and tested without an account. Its
//! options, tasks and control calls are described in docs/emulator.md.

mod access;
mod answer;
mod clock;
mod column;
mod driver;
mod ident;
mod jwt;
mod lifecycle;
mod options;
mod packet;
mod period;
mod player;
mod routes;
mod row;
mod running;
mod script;
mod server;
mod stats;
mod store;

pub use running::{Running, start};
