//! The native core for Trigger.dev in a server: mint public tokens, follow runs, relay them.
//!
//! Data goes one way: wire (`http`, `shape`) → state (pure machines) → `hub` (one live copy per
//! distinct feed, many readers) → delivery (`bridge` → JavaScript). The core knows nothing of
//! JavaScript; only `bridge` speaks N-API.

#![deny(missing_docs, missing_debug_implementations, unsafe_code)]

#[cfg(feature = "mimalloc")]
mod allocator;
#[cfg(feature = "node")]
pub mod bridge;
mod clock;
pub mod config;
pub mod connection;
pub mod credential;
pub mod emulator;
pub mod error;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/properties/mod.rs"]
pub mod fuzzing;
#[cfg(test)]
mod growth;
pub mod http;
pub mod hub;
pub mod id;
#[cfg(test)]
mod interleave;
mod intern;
mod json;
#[cfg(any(feature = "node", test))]
mod letters;
mod lock;
pub mod log;
pub mod packet;
#[cfg(any(feature = "node", test))]
mod pending_read;
pub mod random;
pub mod relay;
pub mod retry;
pub mod run;
pub mod runtime;
pub mod secret;
mod serve;
#[cfg(test)]
#[path = "../tests/support/serving.rs"]
mod serving;
pub mod shape;
#[cfg(test)]
mod simulator;
pub mod sse;
pub mod stream;
mod table;
mod timestamp;
pub mod token;
mod waker;

pub use error::{Error, Result};
