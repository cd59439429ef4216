//! Fetches stored packets: payloads and outputs that are too large for a row, kept in an object store (docs/server-protocol.md 4).

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use crate::config::Endpoint;
use crate::error::{Error, Result};
use crate::http::{Call, ClientOptions, Deadlines, Response};
use crate::id;

/// A packet's text and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The text.
    pub data: String,
    /// The content type the store gave, `application/json` if it gave none.
    pub kind: String,
}

#[derive(Deserialize)]
struct Presigned {
    #[serde(rename = "presignedUrl")]
    url: String,
}

/// Fetches the stored packet `field` (`payload` or `output`) of a run, kept at `path`.
///
/// Newer servers give the packet's URL by run and field; from older ones (404, perhaps an HTML page) it is
/// requested by path. The URL itself is fetched **without our credentials**.
///
/// # Errors
/// As [`Call::get_presigned`]; `ERR_PROTOCOL` when an answer holds no URL or no text.
pub async fn fetch(
    endpoint: &Endpoint,
    options: &ClientOptions,
    run_id: &str,
    field: &str,
    path: &str,
) -> Result<Packet> {
    let by_run = format!("/api/v1/runs/{}/packets/{field}", id::path_segment("run id", run_id)?);
    let response = match get(endpoint, options, &by_run).await {
        Err(error) if error.status() == Some(404) => {
            get(endpoint, options, &format!("/api/v1/packets/{}", encode_path(path))).await?
        }
        outcome => outcome?,
    };
    let presigned: Presigned = serde_json::from_slice(&response.body)
        .map_err(|error| Error::protocol("the server gave no URL for a stored packet").with_json(&error))?;
    let stored = Call::get_presigned(&presigned.url, endpoint.base_url()).await?;
    let kind = stored.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Packet { kind: kind.unwrap_or("application/json").to_owned(), data: text(&stored.body)? })
}

async fn get(endpoint: &Endpoint, options: &ClientOptions, path: &str) -> Result<Response> {
    Call { method: Method::GET, path, body: None, deadlines: Deadlines::CALL }.send(endpoint, options).await
}

fn text(body: &Bytes) -> Result<String> {
    String::from_utf8(body.to_vec()).map_err(|error| Error::protocol("a stored packet is not text").with_source(error))
}

/// A path of the object store as one path segment, as `encodeURIComponent` makes it.
pub(crate) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 8);
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_path_becomes_one_segment() {
        assert_eq!(encode_path("run_store001/payload é.json"), "run_store001%2Fpayload%20%C3%A9.json");
    }
}
