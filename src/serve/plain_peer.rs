//! The peer of a request, for what depends on the connections that a client has.

use std::net::IpAddr;

/// An extension of a request that came over HTTP/1.x without TLS: the peer's address, where it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainPeer(pub(crate) Option<IpAddr>);
