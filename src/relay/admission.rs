//! Admission: the checks that a request passes before any decision. Its size is within the bounds, and every server
//! reads it in the same way (A13). Where the app's session decides, no page of another origin may have sent it (A17,
//! A18).

use std::collections::HashSet;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{StatusCode, Uri};

use super::options::Options;
use super::stats::{Bound, Stats};
use crate::serve::{Body, Response};

/// Headers that decisions depend on: a request has each at most once. All that begin with `x-trigger-` count as such.
const SINGLE: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("timeout-seconds"),
];

/// The parameters of feeds.
const PARAMETERS: [&str; 7] = ["tags", "createdAt", "skipColumns", "offset", "handle", "live", "cursor"];

/// The headers of an answer that a page with credentials may read. To such a page `*` is no wildcard.
const EXPOSED: HeaderValue = HeaderValue::from_static(concat!(
    "electric-handle,electric-offset,electric-cursor,electric-schema,electric-shape-id,electric-chunk-last-offset,",
    "x-stream-version,x-should-retry,x-trigger-jwt,x-trigger-jwt-claims,retry-after",
));

/// Lets requests in, and answers out to pages.
#[derive(Debug)]
pub(super) struct Admission {
    header_bytes: usize,
    query_bytes: usize,
    /// Whether the app authorizes by the request itself (`authorize`), cookies included.
    authorizes: bool,
    allow_origins: Arc<[String]>,
    stats: Arc<Stats>,
}

impl Admission {
    pub(super) fn new(options: &Options, stats: Arc<Stats>) -> Self {
        Self {
            header_bytes: options.limits.header_bytes,
            query_bytes: options.limits.query_bytes,
            authorizes: options.authorizes,
            allow_origins: options.allow_origins.clone(),
            stats,
        }
    }

    /// Refuses a request that is too long, or that could be read in two ways.
    ///
    /// # Errors
    /// The 431, 414, 400 or 401.
    pub(super) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
        self.check_size(headers, uri.query())?;
        check_ambiguity(headers, uri)
    }

    /// Refuses a request that is too long.
    ///
    /// # Errors
    /// The 431 or 414.
    pub(super) fn check_size(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), Response> {
        let (bound, status, text) = if size_of(headers) > self.header_bytes {
            (Bound::HeaderBytes, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
        } else if query.is_some_and(|query| query.len() > self.query_bytes) {
            (Bound::QueryBytes, StatusCode::URI_TOO_LONG, "Request query too long")
        } else {
            return Ok(());
        };
        self.stats.limit(bound);
        Err(Response::api_error(status, text))
    }

    /// As [`Admission::check`], for a request that the app's session decides on: also refuses parameters that are given
    /// twice, and pages of another origin. `own` is the app's host, where it is known from elsewhere than the request's
    /// headers.
    ///
    /// # Errors
    /// Those of [`Admission::check`], the 400, and the 403.
    pub(super) fn check_with_origin(&self, head: &Parts, own: Option<&str>) -> Result<(), Response> {
        self.check(&head.headers, &head.uri)?;
        check_parameters(head.uri.query().unwrap_or_default())?;
        self.check_origin(&head.headers, &head.uri, own)
    }

    fn check_origin(&self, headers: &HeaderMap, uri: &Uri, own: Option<&str>) -> Result<(), Response> {
        if !self.authorizes || self.allows(headers.get(header::ORIGIN)) {
            return Ok(());
        }
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
        let is_other = || {
            let origin = text(header::ORIGIN);
            origin.is_some_and(|origin| !hosts(headers, uri).chain(own).any(|host| is_at(origin, host)))
        };
        // Only browsers send `sec-fetch-site`, and no page can change it.
        let is_foreign = match text(HeaderName::from_static("sec-fetch-site")) {
            Some("same-origin" | "none") => false,
            Some("same-site") | None => is_other(),
            Some(_) => true,
        };
        if !is_foreign {
            return Ok(());
        }
        let why = "A page of another origin asked: name its origin in allowOrigins of createRealtimeHandler()";
        Err(Response::api_error(StatusCode::FORBIDDEN, why))
    }

    /// Sets the CORS headers of an answer: a page may read it with credentials if the app named the page's origin,
    /// whatever the server says.
    pub(super) fn set_cors(&self, origin: Option<&HeaderValue>, answer: &mut http::Response<Body>) {
        let headers = answer.headers_mut();
        headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        // A cache must not give one origin's page the answer to another's.
        if !self.allow_origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = origin.filter(|origin| self.allows(Some(origin))) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }

    fn allows(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_some_and(|origin| self.allow_origins.iter().any(|one| one.as_bytes() == origin.as_bytes()))
    }
}

/// The bytes of all header lines.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// Refuses a request that two servers could read in different ways.
fn check_ambiguity(headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
    let mut hosts = hosts(headers, uri);
    // The URL that the app sees is made of the first host.
    let first = hosts.next();
    let is_plain = first.is_none_or(|first| is_host(first) && hosts.all(|other| first.eq_ignore_ascii_case(other)));
    if !is_plain {
        return Err(bad_request("The request names no host, or more than one"));
    }
    let twice = headers.keys().find(|name| {
        let is_single = SINGLE.contains(name) || name.as_str().starts_with("x-trigger-");
        is_single && headers.get_all(*name).iter().nth(1).is_some()
    });
    match twice {
        None => Ok(()),
        Some(name) if *name == header::AUTHORIZATION => {
            Err(Response::api_error(StatusCode::UNAUTHORIZED, "More than one Authorization header"))
        }
        Some(name) => Err(bad_request(&format!("More than one {name} header"))),
    }
}

/// Refuses a query that gives a feed's parameter twice: the server takes the last one, and an app that calls
/// `searchParams.get()` decides about the first.
fn check_parameters(query: &str) -> Result<(), Response> {
    let mut seen = HashSet::new();
    let mut given = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let twice = given.find_map(|name| PARAMETERS.into_iter().find(|one| *one == name).filter(|one| !seen.insert(*one)));
    match twice {
        Some(name) => Err(bad_request(&format!("More than one {name} parameter"))),
        None => Ok(()),
    }
}

/// Every host that a request names: the URI's, and those of `Host`. A `Host` that is no text counts as empty.
fn hosts<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> impl Iterator<Item = &'r str> {
    let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    uri.authority().map(http::uri::Authority::as_str).into_iter().chain(named)
}

/// Whether a text is a host as URLs have it, with or without a port, and nothing else.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) => {
            let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
            (if is_address { "v6" } else { "" }, after.strip_prefix(':').or(after.is_empty().then_some("0")))
        }
        None => text.split_once(':').map_or((text, Some("0")), |(name, port)| (name, Some(port))),
    };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_name && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Whether an origin is at a host.
fn is_at(origin: &str, host: &str) -> bool {
    let plain = |text: &str, port| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    match origin.split_once("://") {
        Some(("https", rest)) => plain(rest, ":443") == plain(host, ":443"),
        Some(("http", rest)) => plain(rest, ":80") == plain(host, ":80"),
        _ => false,
    }
}

fn bad_request(text: &str) -> Response {
    Response::api_error(StatusCode::BAD_REQUEST, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value): (HeaderName, HeaderValue)| {
            headers.append(name, value);
        });
        headers
    }

    fn status(checked: Result<(), Response>) -> u16 {
        checked.err().map_or(0, |answer| answer.into_http(&HeaderMap::new(), http::Version::HTTP_11).status().as_u16())
    }

    #[test]
    fn a_host_that_is_no_authority_is_refused_before_anything_else() {
        for host in ["app.example", "APP.example:80", "127.0.0.1:3000", "[::1]", "[::1]:80", "my_service", "xn--e1a.x"]
        {
            assert_eq!(status(check_ambiguity(&headers(&[("host", host)]), &Uri::from_static("/a"))), 0, "{host}");
        }
        for host in [
            "",
            ":80",
            "app.example/a",
            "app.example/realtime/v1/runs/run_public?x=",
            "a?b",
            "a#b",
            "user@app.example",
            "a:b@c",
            "a b",
            "a\\b",
            "a:",
            "a:b",
            "a:99999",
            "a:-1",
            "a:+1",
            "[::1",
            "[x]",
            "[::1]a",
            "a,b",
            "a%2Fb",
            "a;b",
            "a\tb",
        ] {
            assert_eq!(status(check_ambiguity(&headers(&[("host", host)]), &Uri::from_static("/a"))), 400, "{host}");
        }
        let twice = headers(&[("host", "a"), ("host", "b")]);
        assert_eq!(status(check_ambiguity(&twice, &Uri::from_static("/a"))), 400);
        let target = Uri::from_static("http://evil.example/a");
        assert_eq!(status(check_ambiguity(&headers(&[("host", "app.example")]), &target)), 400);
        assert_eq!(status(check_ambiguity(&headers(&[("host", "evil.example")]), &target)), 0);
        assert_eq!(status(check_ambiguity(&headers(&[]), &Uri::from_static("http://user:word@evil.example/a"))), 400);
    }

    #[test]
    fn what_is_decided_by_is_told_once() {
        for name in ["origin", "sec-fetch-site", "last-event-id", "timeout-seconds", "x-trigger-branch"] {
            let twice = headers(&[(name, "1"), (name, "1")]);
            assert_eq!(status(check_ambiguity(&twice, &Uri::from_static("/a"))), 400, "{name}");
        }
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(status(check_ambiguity(&twice, &Uri::from_static("/a"))), 401);
        let many = headers(&[("cookie", "a=1"), ("cookie", "b=1"), ("accept", "a/b"), ("accept", "c/d")]);
        assert_eq!(status(check_ambiguity(&many, &Uri::from_static("/a"))), 0);
    }

    #[test]
    fn a_parameter_that_the_app_could_read_otherwise_is_refused() {
        for query in
            ["", "tags=a&offset=-1", "tags=a,b&Tags=c&tags[]=d&tag=e", "tags=a%26tags%3Db", "filter=a&filter=b"]
        {
            assert_eq!(status(check_parameters(query)), 0, "{query}");
        }
        for query in ["tags=a&tags=b", "tags=b&t%61gs=a", "tags=a&tags", "tags&offset=-1&tags=", "offset=-1&offset=-1"]
        {
            assert_eq!(status(check_parameters(query)), 400, "{query}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused_where_a_session_decides() {
        let mut options = crate::relay::feed::tests::options("http://127.0.0.1:1", "tr_dev_1234567890");
        let asked = |options: &Options, lines: &[(&str, &str)]| {
            let all = [&[("host", "app.example")], lines].concat();
            let admission = Admission::new(options, Arc::default());
            status(admission.check_origin(&headers(&all), &Uri::from_static("/a"), Some("other.example:8080")))
        };
        assert_eq!(asked(&options, &[("origin", "https://evil.example")]), 0, "tokens decide");
        options.authorizes = true;
        options.allow_origins = ["https://friend.example".to_owned()].into();
        for lines in [
            &[][..],
            &[("origin", "https://app.example")],
            &[("origin", "http://app.example")],
            &[("origin", "http://other.example:8080")],
            &[("origin", "https://friend.example")],
            &[("origin", "https://friend.example"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:5173")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(asked(&options, lines), 0, "{lines:?}");
        }
        for lines in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "https://app.example.evil")],
            &[("origin", "https://app.example:8443")],
            &[("origin", "https://sub.app.example"), ("sec-fetch-site", "same-site")],
            &[("origin", "ftp://app.example")],
            &[("origin", "https://app.example@evil.example")],
            &[("origin", "https://FRIEND.example")],
            &[("origin", "")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin, cross-site")],
            &[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(asked(&options, lines), 403, "{lines:?}");
        }
    }

    #[test]
    fn credentials_are_allowed_to_the_origins_that_the_app_names_alone() {
        let mut options = crate::relay::feed::tests::options("http://127.0.0.1:1", "tr_dev_1234567890");
        options.allow_origins = ["https://friend.example".to_owned()].into();
        let admission = Admission::new(&options, Arc::default());
        for (origin, allowed) in [("https://friend.example", true), ("https://evil.example", false), ("null", false)] {
            let asked = headers(&[("origin", origin)]);
            let stream = Response::events_v2(futures_util::stream::empty());
            for answer in [stream, Response::feed("[]"), Response::preflight(), Response::not_found()] {
                let mut response = answer.into_http(&asked, http::Version::HTTP_11);
                admission.set_cors(asked.get("origin"), &mut response);
                let told = response.headers();
                assert_eq!(told.contains_key("access-control-allow-credentials"), allowed, "{origin}");
                if allowed {
                    assert_eq!(told["access-control-allow-origin"], origin);
                    assert!(told.get_all("vary").iter().any(|vary| vary == "Origin"));
                }
            }
        }
    }
}
