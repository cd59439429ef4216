//! A body that is read as it comes, over a line's connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;

use super::inflate::Inflate;
use super::origin::{Origin, Use};
use super::way::{Asked, Way, ask};
use super::{encoding, leads_elsewhere, prepared};
use crate::error::Result;

/// How the request for a body went.
#[derive(Debug)]
pub(in crate::http) enum Sent {
    /// The headers of its answer; the body follows.
    Head(Parts, Box<Body>),
    /// Only the general client knows the way.
    Elsewhere,
    /// No connection, or it broke before the headers.
    Connect(crate::Error),
    /// Not a byte for the whole silence time.
    Silent(crate::Error),
}

/// A body. Dropping it ends the request.
#[derive(Debug)]
pub(in crate::http) struct Body {
    origin: Arc<Origin>,
    /// `None` once the body is over.
    way: Option<Way>,
    inflate: Option<Inflate>,
}

/// Sends a GET for `url`.
///
/// # Errors
/// Only what no retry can mend: a request that cannot be built.
pub(in crate::http) async fn open(url: &str, headers: &HeaderMap, silence: Duration) -> Result<Sent> {
    let Some(url) = url::Url::parse(url).ok() else { return Ok(Sent::Elsewhere) };
    let Some(origin) = Origin::of(&url, Use::Streams) else { return Ok(Sent::Elsewhere) };
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    Ok(match ask(&origin, None, target, &prepared(headers), silence).await? {
        Asked::Head(head, _) if leads_elsewhere(&head) => Sent::Elsewhere,
        Asked::Head(head, way) => {
            let inflate = encoding(&head.headers).map(Inflate::new).transpose()?;
            Sent::Head(head, Box::new(Body { origin, way: Some(way), inflate }))
        }
        Asked::Connect(error) => Sent::Connect(error),
        Asked::Silent(error) => Sent::Silent(error),
    })
}

impl Body {
    /// The next bytes, decompressed, `None` at the end. What is not asked for stays on the wire. May
    /// be dropped before it is ready: nothing is lost.
    ///
    /// # Errors
    /// When the body breaks off, or is not compressed as it says.
    pub(in crate::http) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            // What a chunk expands to is given out in parts: a small one can expand to very much.
            if let Some(bytes) = self.inflate.as_mut().map_or(Ok(None), Inflate::take)? {
                return Ok(Some(bytes));
            }
            let Some(way) = &mut self.way else { return Ok(None) };
            match (way.chunk().await.transpose()?, &mut self.inflate) {
                (Some(bytes), None) => return Ok(Some(bytes)),
                (Some(bytes), Some(inflate)) => inflate.give(bytes),
                (None, inflate) => {
                    if let Some(way) = self.way.take().filter(Way::is_open) {
                        way.leave(&self.origin);
                    }
                    if let Some(inflate) = inflate {
                        inflate.finish();
                    }
                }
            }
        }
    }

    /// It said nothing: nothing new goes out on the same connection (defect 11).
    pub(in crate::http) fn abandon(&self) {
        if let Some(way) = &self.way {
            way.abandon();
        }
    }
}
