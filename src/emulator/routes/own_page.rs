//! Admission of the emulator's own page, which needs no key.
//!
//! The emulator listens on 127.0.0.1, and every page in a browser of this machine can send requests there. Calls
//! without a key therefore refuse pages of other origins, other ports included, and host names that were made to point
//! at this machine (DNS rebinding).

use http::StatusCode;

use super::Context;
use super::control::owner;
use crate::serve::{Request, Response};

/// The environment of the call: that of the key, or the main one for the emulator's own page.
///
/// # Errors
/// The refusal.
pub(super) fn admit(context: &Context, request: &Request) -> Result<usize, Response> {
    match owner(context, request) {
        Some(environment) => Ok(environment),
        None if is_own(request) => Ok(0),
        None => Err(refused()),
    }
}

/// Whether the request comes from the emulator's own page, or from a program.
pub(super) fn is_own(request: &Request) -> bool {
    is_local(&request.origin)
        && request.headers.get("origin").is_none_or(|origin| origin.as_bytes() == request.origin.as_bytes())
        && request.headers.get("sec-fetch-site").is_none_or(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Whether the host is a name that always means this machine.
pub(super) fn is_local(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").unwrap_or(origin);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

/// The 403 for any other caller.
pub(super) fn refused() -> Response {
    Response::error(
        StatusCode::FORBIDDEN,
        "this call is for the emulator's own page, at http://127.0.0.1 or http://localhost",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};

    fn request(host: &str, headers: &[(&'static str, &str)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        Request { method: Method::POST, headers: map, query: None, origin: format!("http://{host}") }
    }

    #[test]
    fn the_own_page_and_programs_of_this_machine_are_let_in() {
        for host in ["127.0.0.1:3030", "localhost:3030", "LocalHost", "127.0.0.1"] {
            let own = format!("http://{host}");
            assert!(is_own(&request(host, &[])), "{host}");
            assert!(is_own(&request(host, &[("origin", &own), ("sec-fetch-site", "same-origin")])), "{host}");
            assert!(is_own(&request(host, &[("sec-fetch-site", "none")])), "{host}");
        }
    }

    #[test]
    fn pages_of_others_are_kept_out() {
        for headers in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:3000"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://127.0.0.1:3030")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("origin", "http://127.0.0.1:3030"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_own(&request("127.0.0.1:3030", headers)), "{headers:?}");
        }
    }

    #[test]
    fn a_name_made_to_point_here_is_kept_out() {
        for host in [
            "evil.example:3030",
            "127.0.0.1.evil.example",
            "localhost.evil.example:3030",
            "0.0.0.0:3030",
            "127.0.0.1:3030@evil.example",
            "127.0.0.1:x",
            "",
        ] {
            let own = format!("http://{host}");
            assert!(!is_own(&request(host, &[("origin", &own), ("sec-fetch-site", "same-origin")])), "{host}");
        }
    }
}
