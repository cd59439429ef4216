//! A local Trigger.dev realtime API with scripted runs, over an in-memory store.
//!
//! The emulator serves HTTP/1.1 and h2c on 127.0.0.1 as the recorded server does (docs/server-protocol.md), so that a
//! frontend can be built and tested without an account. docs/emulator.md lists its options, tasks and control calls.

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
