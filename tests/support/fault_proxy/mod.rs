//! A proxy in front of a server that makes things go wrong: what each rule says, for the requests that it matches, down to
//! a byte of an answer, over HTTP/1.1 and HTTP/2. Without rules it passes everything on as it is.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test, and the program, uses its part")]

mod cache;
mod encode;
mod exchange;
mod frames;
mod http1;
mod http2;
mod listener;
mod proxy;
mod responder;
mod rule;
mod tls;
mod upstream;
mod wire;

pub use proxy::{Open, Protocol, Proxy};
pub use rule::{Action, How, Rule};
pub use tls::acceptor;
