//! A response body that is read as it arrives, over a connection of the pool.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;

use super::connection::PooledConnection;
use super::headers::{encoding, is_redirection, with_defaults};
use super::origin::Origin;
use super::purpose::Purpose;
use super::request::{SendOutcome, send};
use super::stream_decoder::StreamDecoder;
use crate::error::Result;

/// How the request for a stream went.
#[derive(Debug)]
pub(in crate::http) enum OpenOutcome {
    /// The head of the response; the body follows.
    Head(Parts, Box<Body>),
    /// The pool does not reach the server: the general client has to be used.
    Fallback,
    /// No connection, or it broke before the head.
    Connect(crate::Error),
    /// Not a byte within the silence time.
    Silent(crate::Error),
}

/// A response body. Dropping it ends the request.
#[derive(Debug)]
pub(in crate::http) struct Body {
    origin: Arc<Origin>,
    /// `None` once the body is over.
    connection: Option<PooledConnection>,
    decoder: Option<StreamDecoder>,
}

/// Sends a GET for `url`.
///
/// # Errors
/// Only errors that no retry can mend: a request that cannot be built.
pub(in crate::http) async fn open(url: &str, headers: &HeaderMap, silence: Duration) -> Result<OpenOutcome> {
    let Some(url) = url::Url::parse(url).ok() else { return Ok(OpenOutcome::Fallback) };
    let Some(origin) = Origin::of(&url, Purpose::Streams) else { return Ok(OpenOutcome::Fallback) };
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let target = &mut || Ok(target.to_owned());
    Ok(match send(&origin, None, target, &with_defaults(headers), silence).await? {
        SendOutcome::Head(head, _) if is_redirection(&head) => OpenOutcome::Fallback,
        SendOutcome::Head(head, connection) => {
            let decoder = encoding(&head.headers).map(StreamDecoder::new).transpose()?;
            OpenOutcome::Head(head, Box::new(Body { origin, connection: Some(connection), decoder }))
        }
        SendOutcome::Connect(error) => OpenOutcome::Connect(error),
        SendOutcome::Silent(error) => OpenOutcome::Silent(error),
    })
}

impl Body {
    /// The next bytes, decompressed, `None` at the end. Bytes that are not asked for stay on the
    /// wire. Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// When the body breaks off, or is not compressed as its headers say.
    pub(in crate::http) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            // Decompressed bytes are given out in parts: a small chunk can expand to very much.
            if let Some(bytes) = self.decoder.as_mut().map_or(Ok(None), StreamDecoder::decode)? {
                return Ok(Some(bytes));
            }
            let Some(connection) = &mut self.connection else { return Ok(None) };
            match (connection.chunk().await.transpose()?, &mut self.decoder) {
                (Some(bytes), None) => return Ok(Some(bytes)),
                (Some(bytes), Some(decoder)) => decoder.push(bytes),
                (None, decoder) => {
                    if let Some(connection) = self.connection.take().filter(PooledConnection::is_open) {
                        self.origin.release(connection);
                    }
                    if let Some(decoder) = decoder {
                        decoder.finish();
                    }
                }
            }
        }
    }

    /// Takes a connection that fell silent out of use (defect 11).
    pub(in crate::http) fn abandon(&self) {
        if let Some(connection) = &self.connection {
            connection.abandon();
        }
    }
}
