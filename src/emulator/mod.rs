//! A local Trigger.dev realtime API with scripted runs, over an in-memory store.
//!
//! It answers over HTTP/1.1 and h2c on 127.0.0.1 as the server does (docs/server-protocol.md; the
//! recordings of the native backend), so that a frontend can be built and tested without an account.
//! Its options, tasks and control calls are described in docs/emulator.md.

mod access;
mod batch;
mod column;
mod driver;
mod effects;
mod engine;
mod fault;
mod handle;
mod ident;
mod interpreter;
mod journal;
mod jwt;
mod lifecycle;
mod mounted_relay;
mod object;
mod options;
mod packet;
mod routes;
mod row;
mod run;
mod running;
mod script;
mod stats;
mod store;
mod trigger;
mod validate;
mod waitpoint;

pub use handle::Handle;
pub use running::{Running, start};
