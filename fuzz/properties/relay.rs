//! Paths and queries of a relay's viewers: what goes upstream is what was decided on, and every server reads it alike.

use std::sync::Arc;

use http::Method;
use url::Url;

use super::input::Input;
use crate::config::Endpoint;
use crate::relay::Options;
use crate::relay::router::{Route, Routed, Router, Target};
use crate::serve::decode_segment;
use crate::serve::stream::StreamName;

const METHODS: [Method; 8] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::HEAD,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
];

/// Routes a request of a viewer, and reads what would be sent as a server does.
pub fn relay(data: &[u8]) {
    let mut input = Input::new(data);
    let (method, kind) = (&METHODS[usize::from(input.byte()) % METHODS.len()], input.byte());
    let path = input.text();
    let query = String::from_utf8_lossy(input.rest()).into_owned();
    let base = [None, Some("/api/trigger"), Some("")][usize::from(kind) % 3];
    let router = router(base);
    let Ok(Routed::Route(route)) = router.route(method, &path) else { return };
    // The relay's own path: nothing goes upstream by it. Each want is a request, which is routed as these are.
    if route.target == Target::Live {
        assert!(path.trim_end_matches('/').ends_with(&route.path), "{path}");
        return;
    }
    let Ok(written) = route.rewrite_query(Some(&query)) else { return };
    decided_is_sent(&route, written.as_deref());
    // What was written is read as the same request, and written in the same way.
    let Ok(Routed::Route(again)) = self::router(Some("")).route(method, &route.path) else {
        unreachable!("what is sent is no route: {}", route.path)
    };
    assert_eq!(again, route, "written, it is another request");
    assert_eq!(again.rewrite_query(written.as_deref()).expect("a query"), written, "{query}");
}

/// The URL that goes upstream, read by another parser: the same path and query, the route's own segments, no parameter
/// twice.
fn decided_is_sent(route: &Route, query: Option<&str>) {
    let sent = query.map_or_else(|| route.path.clone(), |query| format!("{}?{query}", route.path));
    let url = Url::parse(&format!("http://server{sent}")).expect("a URL");
    assert_eq!((url.path(), url.query(), url.host_str()), (&*route.path, query, Some("server")), "normalized");
    let uri: http::Uri = sent.parse().expect("hyper sends it");
    assert_eq!((uri.path(), uri.query()), (&*route.path, query), "as hyper sends it");
    let segments: Vec<String> =
        url.path_segments().expect("a path").map(|one| decode_segment(one).expect("a segment")).collect();
    // A proxy on the way may decode too early: no part may climb then, either.
    for part in segments.iter().flat_map(|segment| segment.split(['/', '\\'])) {
        assert!(part != "." && part != "..", "{sent} climbs");
    }
    assert!(matches!(&*segments[0], "realtime" | "api"), "{sent}");
    let third = || segments[3].clone();
    match &route.target {
        Target::Run(id) => {
            assert_eq!((&segments[..3], id), (&["realtime", "v1", "runs"].map(String::from)[..], &third()));
        }
        Target::Batch(id) => assert_eq!((&*segments[2], id), ("batches", &third())),
        Target::Tags => assert_eq!(segments, ["realtime", "v1", "runs"]),
        Target::Stream(run, StreamName::Output(key)) => assert_eq!(segments[2..], ["streams", run, key]),
        Target::Stream(run, StreamName::Input(key)) => assert_eq!(segments[2..], ["streams", run, "input", key]),
        Target::Live => unreachable!("{sent} goes nowhere"),
        Target::Proxy => assert_eq!(query, None),
    }
    let pairs: Vec<_> = url.query_pairs().collect();
    let known = ["tags", "createdAt", "skipColumns", "offset", "handle", "live", "cursor"];
    for (at, (name, _)) in pairs.iter().enumerate() {
        assert!(known.contains(&&**name), "{name} in {sent}");
        assert!(!pairs[..at].iter().any(|(other, _)| other == name), "{name} twice in {sent}");
    }
}

fn router(base: Option<&str>) -> Router {
    Router::new(&Options {
        base_path: base.map(Arc::from),
        ..Options::new(Endpoint::new("http://server", "tr_dev_fakefakefakefakefake", None).expect("an endpoint"))
    })
}
