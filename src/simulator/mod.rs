//! A simulated server with a truth of its own, and the readers that are held against it: of the hub, of the relay, of
//! streams. Everything runs in simulated time, without sockets, and by a seed (docs/reliability.md).

mod backend;
mod feeds;
mod history;
mod hub_tests;
mod live_tests;
mod page;
mod relay_tests;
mod scenario;
mod shape_log;
mod stream_tests;
#[path = "../../tests/stream_support/server.rs"]
mod streams;
mod trouble;
mod viewer;
mod wire;

use crate::stream::Request;
