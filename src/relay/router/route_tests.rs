//! Tests of the route table: which paths are routes, and the upstream path of each.

use http::Method;
use proptest::prelude::*;

use super::family::Family;
use super::route::{Found, Route, Target, join};
use super::table::TABLE;
use crate::serve::stream::StreamName;

fn route(method: &Method, path: &str) -> Option<Route> {
    match Route::find(method, path) {
        Found::Route(route) => Some(route),
        Found::Preflight | Found::WrongMethod | Found::Unknown => None,
    }
}

#[test]
fn what_is_answered_from_memory_is_told_from_what_is_passed() {
    let target = |path: &str| route(&Method::GET, path).map(|route| route.target);
    assert_eq!(target("/realtime/v1/runs/run_1"), Some(Target::Run("run_1".into())));
    assert_eq!(target("/realtime/v1/runs"), Some(Target::Tags));
    assert_eq!(target("/realtime/v1/batches/b"), Some(Target::Batch("b".into())));
    assert_eq!(
        target("/realtime/v1/streams/r/input"),
        Some(Target::Stream("r".into(), StreamName::Output("input".into())))
    );
    assert_eq!(
        target("/realtime/v1/streams/r/input/k"),
        Some(Target::Stream("r".into(), StreamName::Input("k".into())))
    );
    assert_eq!(target("/api/v3/runs/run_1"), Some(Target::Proxy));
    assert!(route(&Method::HEAD, "/realtime/v1/runs/run_1").is_some());
}

#[test]
fn only_the_reads_of_a_sessions_streams_have_viewers_that_stay() {
    let stays = |method: Method, path: &str| route(&method, path).expect("a route").is_proxied_stream(&method);
    for path in ["sessions/s/in", "sessions/s/out", "sessions/s/channels/c/in", "sessions/s/channels/c/out"] {
        assert!(stays(Method::GET, &format!("/realtime/v1/{path}")), "{path}");
        assert!(!stays(Method::PUT, &format!("/realtime/v1/{path}")), "{path}");
        assert!(!stays(Method::GET, &format!("/realtime/v1/{path}/records")), "{path}");
    }
    for path in ["/api/v1/sessions/out", "/api/v3/runs/out", "/realtime/v1/runs/in"] {
        assert!(!stays(Method::GET, path), "{path}");
    }
}

#[test]
fn what_needs_a_key_is_not_forwarded() {
    for path in [
        "/api/v1/auth/jwt/claims",
        "/api/v1/auth/public-tokens",
        "/api/v1/waitpoints/tokens",
        "/api/v1/schedules",
        "/api/v1/deployments",
        "/api/v1/projects/p/envvars/prod",
        "/engine/v1/runs/r/wait/duration",
        "/realtime/v1/streams/r/self/k",
        "/emulator/runs",
        "/",
        "",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS, Method::DELETE] {
            assert_eq!(Route::find(&method, path), Found::Unknown, "{method} {path}");
        }
    }
}

#[test]
fn path_tricks_lead_nowhere() {
    for path in [
        "/realtime/v1/runs/../auth",
        "/realtime/v1/runs/%2e%2e",
        "/realtime/v1/runs/.",
        "/realtime/v1/runs/%2E",
        "/realtime/v1//runs",
        "//realtime/v1/runs",
        "/realtime/v1/runs//",
        "/realtime/v1/runs/a%5Cb",
        "/realtime/v1/runs/a%00",
        "/realtime/v1/runs/a%0d%0ab",
        "/realtime/v1/runs/%zz",
        "/realtime/v1/runs/%ff",
        "/realtime/v1/runs/a%2F..%2F..%2Fapi",
        "/api/v1/packets/a/%2e%2e/b",
        "realtime/v1/runs",
        &format!("/realtime/v1/runs/{}", "a".repeat(9000)),
    ] {
        assert_eq!(Route::find(&Method::GET, path), Found::Unknown, "{path}");
    }
}

#[test]
fn a_task_id_is_any_text_and_reaches_the_server_as_one_segment() {
    for id in ["mail%2Fsend", "a%5Cb", "a%0Ab", "%2Fa%2F%2Fb%2F", "%C3%A9%20%3F"] {
        let path = format!("/api/v1/tasks/{id}/trigger");
        assert_eq!(route(&Method::POST, &path).expect(id).path, path);
    }
    for id in ["", ".", "%2E%2e", "a%2F..%2Fb", "..%5Cb", "a/b"] {
        assert_eq!(Route::find(&Method::POST, &format!("/api/v1/tasks/{id}/trigger")), Found::Unknown, "{id}");
    }
}

#[test]
fn a_streams_key_is_any_text_and_reaches_the_server_as_one_segment() {
    for key in ["logs%2Fmain", "a%5Cb", "a%0Ab", "%2Fa", "input%2Fa", "%C3%A9%20%3F"] {
        for (method, path) in [
            (Method::GET, format!("/realtime/v1/streams/r/{key}")),
            (Method::GET, format!("/realtime/v1/streams/r/input/{key}")),
            (Method::POST, format!("/realtime/v1/streams/r/input/{key}")),
        ] {
            assert_eq!(route(&method, &path).expect(key).path, path);
        }
    }
    assert_eq!(
        route(&Method::GET, "/realtime/v1/streams/r/input%2Fa").map(|route| route.target),
        Some(Target::Stream("r".into(), StreamName::Output("input/a".into())))
    );
    for key in [".", "%2E%2e", "a%2F..%2Fb", "..%5Cb", "input/a/b", "self/a"] {
        assert_eq!(Route::find(&Method::GET, &format!("/realtime/v1/streams/r/{key}")), Found::Unknown, "{key}");
    }
}

#[test]
fn of_other_names_only_a_packets_holds_slashes() {
    let found = route(&Method::GET, "/api/v1/packets/run_1%2foutput%3F.json").expect("listed");
    assert_eq!(found.path, "/api/v1/packets/run_1%2Foutput%3F.json");
    assert_eq!(Route::find(&Method::GET, "/realtime/v1/runs/a%2fb"), Found::Unknown);
}

#[test]
fn a_path_with_a_slash_at_its_end_is_served_as_without() {
    for path in ["/realtime/v1/runs", "/realtime/v1/runs/r", "/realtime/v1/streams/r/k", "/api/v3/runs/r"] {
        assert_eq!(route(&Method::GET, &format!("{path}/")), route(&Method::GET, path), "{path}");
        assert!(route(&Method::GET, path).is_some_and(|route| route.path == path), "{path}");
    }
    assert_eq!(Route::find(&Method::OPTIONS, "/realtime/v1/runs/r/"), Found::Preflight);
}

#[test]
fn methods_and_preflights_are_told_as_the_server_tells_them() {
    assert_eq!(Route::find(&Method::POST, "/realtime/v1/runs/r"), Found::WrongMethod);
    assert_eq!(Route::find(&Method::OPTIONS, "/realtime/v1/runs/r"), Found::Preflight);
}

#[test]
fn every_family_has_a_route_and_a_name_of_its_own() {
    for family in Family::ALL {
        assert!(TABLE.iter().any(|row| row.family == family), "{}", family.name());
        assert_eq!(Family::ALL.iter().filter(|other| other.name() == family.name()).count(), 1);
    }
}

proptest! {
    #[test]
    fn what_is_sent_upstream_is_read_as_the_same_route(path in "(/(realtime|api|v1|v3|runs|[ -~é]{0,6})){1,6}") {
        if let Some(found) = route(&Method::GET, &path) {
            prop_assert!(found.path.is_ascii());
            prop_assert!(!found.path.contains("..") || !found.path.split('/').any(|part| part == ".."));
            let again = route(&Method::GET, &found.path);
            prop_assert_eq!(again.as_ref(), Some(&found));
        }
    }

    #[test]
    fn any_id_reaches_the_server_as_one_segment(id in "[^\\\\\\p{Cc}/]{1,20}") {
        prop_assume!(id != "." && id != "..");
        let path = join(&["realtime".into(), "v1".into(), "runs".into(), id.clone()]);
        prop_assert_eq!(route(&Method::GET, &path).map(|route| route.target), Some(Target::Run(id)));
    }
}
