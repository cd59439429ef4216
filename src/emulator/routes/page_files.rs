//! The emulator's page at `/` and its files under `/page/`, from the folder of the build.

use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use flate2::read::GzDecoder;
use http::StatusCode;

use super::Context;
use super::own_page::{is_local, refused};
use crate::serve::{Request, Response};

/// The content security policy: the page loads from its own origin only, and no page may frame it. No inline script or
/// style.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// Answers a request for one file.
pub(super) async fn handle(context: &Context, request: &Request, name: &str) -> Response {
    if let Err(answer) = request.only_reads() {
        return answer;
    }
    if !is_local(&request.origin) {
        return refused();
    }
    let (Some(content_type), Some(folder)) = (content_type(name), &context.page) else {
        return Response::not_found();
    };
    let (path, gzip) = (folder.join(name), request.accepts_gzip());
    // An error of the task is a panic of `read`.
    match tokio::task::spawn_blocking(move || read(&path, gzip)).await.unwrap_or_else(|error| Err(error.into())) {
        Ok(file) => file
            .answer(content_type)
            .with("content-security-policy", POLICY)
            .with("cache-control", "no-cache")
            .with("referrer-policy", "no-referrer")
            .with("x-content-type-options", "nosniff"),
        Err(_) if name == "index.html" => {
            Response::text(StatusCode::NOT_FOUND, "The page was not built: npm run setup")
        }
        Err(_) => Response::not_found(),
    }
}

/// A file in the form it is sent in.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Plain(Vec<u8>),
    Gzip(Vec<u8>),
}

impl Sent {
    fn answer(self, content_type: &str) -> Response {
        match self {
            Self::Plain(bytes) => Response::bytes(content_type, bytes.into()),
            Self::Gzip(bytes) => Response::bytes(content_type, bytes.into()).with("content-encoding", "gzip"),
        }
    }
}

/// Reads the file, or its compressed form beside it: the package has the bundle compressed only.
fn read(path: &Path, gzip: bool) -> io::Result<Sent> {
    match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found.map(Sent::Plain),
    }
    let mut compressed = path.as_os_str().to_owned();
    compressed.push(".gz");
    let compressed = std::fs::read(compressed)?;
    if gzip {
        return Ok(Sent::Gzip(compressed));
    }
    let mut plain = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut plain)?;
    Ok(Sent::Plain(plain))
}

/// The content type of a file of the page; `None` for an invalid name, such as a path out of the folder.
fn content_type(name: &str) -> Option<&'static str> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if stem.is_empty() || !stem.bytes().all(is_plain) {
        return None;
    }
    match extension {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_served() {
        assert_eq!(content_type("page.js"), Some("text/javascript; charset=utf-8"));
        for name in
            ["", ".", "..", ".js", "../page.js", "a/../b.js", "..%2fa.js", "C:\\a.js", "a.b.js", "package.json", "page"]
        {
            assert_eq!(content_type(name), None, "{name}");
        }
    }
}
