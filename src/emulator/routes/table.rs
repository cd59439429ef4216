//! The route table: every call that the emulator answers. Routing, statistics, faults and the lists of
//! docs/emulator.md follow it.

use super::batch::Version;
use super::route::{Route, later, now};
use super::writes::Target;
use super::{
    batch, batch_items, cancel, claims, control, control_engine, control_fixtures, control_page, feed, group, input,
    objects, packets, page_files, public_tokens, replay, reschedule, result, retrieve, runs, streams, token_list,
    tokens, trigger, writes,
};
use crate::serve::decode_segment;
use crate::serve::stream::StreamName;

/// The label of preflights, of every route.
pub(super) const PREFLIGHT: &str = "OPTIONS";
/// The label of requests that no route answers.
pub(super) const UNKNOWN: &str = "unknown";

/// A row: methods, path, and its label unless that is both, then its handler.
macro_rules! route {
    ($methods:literal $path:literal, $handler:expr) => {
        route!($methods $path, Some(concat!($methods, " ", $path)), $handler)
    };
    ($methods:literal $path:literal, $label:expr, $handler:expr) => {
        Route { methods: $methods, path: $path, label: $label, handler: $handler }
    };
}

/// All routes. Of several rows with the same path the first also answers the methods that none of them has.
static ROUTES: &[Route] = &[
    route!("POST" "/api/v1/auth/jwt/claims", |c, _| now(claims::handle(c.context, c.request))),
    route!("POST" "/api/v1/auth/public-tokens", |c, body| later(public_tokens::handle(c.context, c.request, body))),
    route!("POST" "/api/v1/tasks/{id}/trigger", |c, body| {
        later(trigger::handle(c.context, c.request, c.parameter(0), body))
    }),
    route!("GET" "/api/v3/runs/{id}", |c, _| now(retrieve::handle(c.context, c.request, c.parameter(0)))),
    route!("POST" "/api/v2/runs/{id}/cancel", |c, _| now(cancel::handle(c.context, c.request, c.parameter(0)))),
    route!("GET" "/realtime/v1/runs/{id}", |c, _| later(feed::handle(c.context, c.request, c.parameter(0)))),
    route!("GET" "/realtime/v1/runs", |c, _| later(group::tags(c.context, c.request))),
    route!("GET" "/realtime/v1/batches/{id}", |c, _| later(group::batch(c.context, c.request, c.parameter(0)))),
    route!("GET" "/realtime/v1/streams/{id}/{key}", |c, _| {
        now(streams::read(c.context, c.request, c.parameter(0), StreamName::Output(c.parameter(1).into())))
    }),
    route!(
        "PUT, POST, HEAD" "/realtime/v1/streams/{id}/{target}/{key}",
        Some("/realtime/v1/streams/{id}/{target}/{key}"),
        |c, body| later(writes::handle(c.context, c.request, Target::of(c.parameters), body))
    ),
    route!("POST" "/realtime/v1/streams/{id}/{target}/{key}/append", |c, body| {
        later(writes::append(c.context, c.request, Target::of(c.parameters), body))
    }),
    route!("GET" "/realtime/v1/streams/{id}/input/{key}", |c, _| {
        now(streams::read(c.context, c.request, c.parameter(0), StreamName::Input(c.parameter(1).into())))
    }),
    route!("POST" "/realtime/v1/streams/{id}/input/{key}", |c, body| {
        later(input::send(c.context, c.request, c.parameter(0), c.parameter(1).to_owned(), body))
    }),
    route!("GET" "/api/v1/runs", |c, _| now(runs::list(c.context, c.request))),
    route!("POST" "/api/v1/runs/{id}/replay", |c, _| now(replay::handle(c.context, c.request, c.parameter(0)))),
    route!("POST" "/api/v1/runs/{id}/reschedule", |c, body| {
        later(reschedule::handle(c.context, c.request, c.parameter(0), body))
    }),
    route!("GET" "/api/v1/runs/{id}/result", |c, _| now(result::handle(c.context, c.request, c.parameter(0)))),
    route!("POST" "/api/v3/batches", |c, body| later(batch::create(c.context, c.request, body))),
    route!("POST" "/api/v3/batches/{id}/items", |c, body| {
        later(batch_items::handle(c.context, c.request, c.parameter(0), body))
    }),
    route!("GET" "/api/v2/batches/{id}", |c, _| {
        now(batch::retrieve(c.context, c.request, c.parameter(0), Version::V2))
    }),
    // Older clients. The statistics count both versions as one.
    route!("GET" "/api/v1/batches/{id}", Some("GET /api/v2/batches/{id}"), |c, _| {
        now(batch::retrieve(c.context, c.request, c.parameter(0), Version::V1))
    }),
    route!("GET" "/api/v1/runs/{id}/metadata", |c, _| now(retrieve::metadata(c.context, c.request, c.parameter(0)))),
    route!("GET" "/api/v1/batches/{id}/results", |c, _| now(batch::results(c.context, c.request, c.parameter(0)))),
    route!("GET" "/api/v1/waitpoints/tokens", |c, _| now(token_list::handle(c.context, c.request))),
    route!("POST" "/api/v1/waitpoints/tokens", |c, body| later(tokens::create(c.context, c.request, body))),
    route!("GET" "/api/v1/waitpoints/tokens/{id}", |c, _| {
        now(tokens::retrieve(c.context, c.request, c.parameter(0)))
    }),
    route!("POST" "/api/v1/waitpoints/tokens/{id}/complete", |c, body| {
        later(tokens::complete(c.context, c.request, c.parameter(0), body))
    }),
    route!("POST" "/api/v1/waitpoints/tokens/{id}/callback/{hash}", |c, body| {
        later(tokens::callback(c.context, c.request, c.parameter(0), c.parameter(1), body))
    }),
    route!("PUT" "/api/v2/packets/{name}", |c, _| now(packets::upload(c.context, c.request, c.parameter(0)))),
    route!("GET" "/api/v1/packets/{name}", |c, _| now(packets::url(c.context, c.request, c.parameter(0)))),
    // Older clients. The statistics count it with the `GET`.
    route!("PUT" "/api/v1/packets/{name}", Some("GET /api/v1/packets/{name}"), |c, _| {
        now(packets::upload(c.context, c.request, c.parameter(0)))
    }),
    route!("GET" "/api/v1/runs/{id}/packets/{field}", |c, _| {
        now(packets::of_run(c.context, c.request, c.parameter(0), c.parameter(1)))
    }),
    route!("PUT, GET" "/packets/{project}/{environment}/{name}", Some("/packets"), |c, body| {
        later(objects::handle(c.context, c.request, c.path, body))
    }),
    route!("GET" "/", None, |c, _| later(page_files::handle(c.context, c.request, "index.html"))),
    route!("GET" "/page/{file}", None, |c, _| later(page_files::handle(c.context, c.request, c.parameter(0)))),
    route!("POST" "/emulator/runs", None, |c, body| later(control::create(c.context, c.request, body))),
    route!("PATCH, DELETE" "/emulator/runs/{id}", None, |c, body| {
        later(control::change(c.context, c.request, c.parameter(0), body))
    }),
    route!("POST" "/emulator/runs/{id}/cancel", None, |c, _| {
        now(control_page::cancel(c.context, c.request, c.parameter(0)))
    }),
    route!("POST" "/emulator/runs/{id}/replay", None, |c, _| {
        now(control_page::replay(c.context, c.request, c.parameter(0)))
    }),
    route!("POST" "/emulator/runs/{id}/streams/{key}", None, |c, body| {
        let name = StreamName::Output(c.parameter(1).into());
        later(control_fixtures::records(c.context, c.request, c.parameter(0), name, body))
    }),
    route!("POST" "/emulator/runs/{id}/input/{key}", None, |c, body| {
        let name = StreamName::Input(c.parameter(1).into());
        later(control_fixtures::records(c.context, c.request, c.parameter(0), name, body))
    }),
    route!("POST" "/emulator/batches", None, |c, body| later(control_fixtures::batch(c.context, c.request, body))),
    route!("PUT" "/emulator/objects/{name}", None, |c, body| {
        later(control_fixtures::object(c.context, c.request, c.parameter(0), body))
    }),
    route!("PUT, GET" "/emulator/limits", None, |c, body| later(control_fixtures::limits(c.context, c.request, body))),
    route!("PUT" "/emulator/faults", None, |c, body| later(control_fixtures::faults(c.context, c.request, body))),
    route!("GET" "/emulator/stats", None, |c, _| now(control::stats(c.context, c.request))),
    route!("GET, PUT" "/emulator/tasks", None, |c, body| later(control_engine::tasks(c.context, c.request, body))),
    route!("GET, PUT" "/emulator/clock", None, |c, body| later(control_engine::clock(c.context, c.request, body))),
    route!("POST" "/emulator/session", None, |c, body| later(control_page::session(c.context, c.request, body))),
];

/// The route of a request, and the parameters of its path.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let segments: Vec<String> = path.strip_prefix('/')?.split('/').map(decode_segment).collect::<Option<_>>()?;
    let mut first = None;
    for route in ROUTES {
        let Some(parameters) = route.parameters(&segments) else { continue };
        if route.has_method(method) {
            return Some((route, parameters));
        }
        first = first.or(Some((route, parameters)));
    }
    first
}

/// The labels, in the order of the table: what the statistics count, and what faults can name.
pub(in super::super) fn labels() -> Vec<&'static str> {
    let mut labels: Vec<&'static str> = Vec::new();
    for label in ROUTES.iter().filter_map(|route| route.label).chain([PREFLIGHT, UNKNOWN]) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn found(method: &str, path: &str) -> Option<(&'static str, &'static str, Vec<String>)> {
        find(method, path).map(|(route, parameters)| (route.methods, route.path, parameters))
    }

    #[test]
    fn an_id_is_one_segment() {
        let (_, path, ids) = found("GET", "/realtime/v1/runs/run_1").expect("a route");
        assert_eq!((path, ids), ("/realtime/v1/runs/{id}", vec!["run_1".to_owned()]));
        let (_, path, ids) = found("POST", "/api/v1/tasks/a%2Fb/trigger").expect("a route");
        assert_eq!((path, ids), ("/api/v1/tasks/{id}/trigger", vec!["a/b".to_owned()]));
        for path in [
            "/page",
            "/page/a/b",
            "/realtime/v1/runs/a/b",
            "/realtime/v1/runs/%zz",
            "realtime",
            "/packets/x",
            "/api/v1/packets",
        ] {
            assert_eq!(found("GET", path), None, "{path}");
        }
    }

    #[test]
    fn a_stream_is_read_written_and_sent_to_under_its_own_paths() {
        for (method, path, methods, expected, parameters) in [
            ("GET", "/r/self", "GET", "/{id}/{key}", &["r", "self"][..]),
            ("GET", "/r/input/a", "GET", "/{id}/input/{key}", &["r", "a"]),
            ("POST", "/r/input/a", "POST", "/{id}/input/{key}", &["r", "a"]),
            ("DELETE", "/r/input/a", "GET", "/{id}/input/{key}", &["r", "a"]),
            ("POST", "/r/self/k/append", "POST", "/{id}/{target}/{key}/append", &["r", "self", "k"]),
        ] {
            let route = found(method, &format!("/realtime/v1/streams{path}")).expect("a route");
            let parameters = parameters.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            assert_eq!((route.0, route.2), (methods, parameters), "{method} {path}");
            assert_eq!(route.1.strip_prefix("/realtime/v1/streams"), Some(expected));
        }
        assert_eq!(found("PUT", "/realtime/v1/streams/r/elsewhere/k"), None);
    }

    #[test]
    fn a_packets_name_keeps_its_slashes_however_they_come() {
        for path in ["/api/v1/packets/run_1%2Foutput.json", "/api/v1/packets/run_1/output.json"] {
            let (_, found, name) = found("GET", path).expect("a route");
            assert_eq!((found, name), ("/api/v1/packets/{name}", vec!["run_1/output.json".to_owned()]), "{path}");
        }
    }

    #[test]
    fn the_page_on_the_emulator_lists_every_route_and_no_other() {
        let page = include_str!("../../../docs/emulator.md");
        let listed: BTreeSet<String> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
            .filter(|code| code.split_once(" /").is_some_and(|(methods, _)| methods == methods.to_uppercase()))
            .map(str::to_owned)
            .collect();
        let routes: BTreeSet<String> = ROUTES.iter().map(|route| format!("{} {}", route.methods, route.path)).collect();
        assert_eq!(routes.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "not on the page");
        assert_eq!(listed.difference(&routes).collect::<Vec<_>>(), Vec::<&String>::new(), "not answered");
    }
}
