//! The server of the benchmarks: answers claims and run feeds as fast as it can, so that what is
//! measured is the client. It is never part of the package.
//!
//! A run id says how its feed behaves: `run_<group>_<feeds>_<updates>_<index>`. Its snapshot is
//! given at once; its first live request is held until all `feeds` of the `group` are live; from
//! then on every live request is answered at once with the next of `updates` updates, the last of
//! which completes the run. The version travels in the offset, so the server keeps no rows.
//!
//! Prints `listening <url>`; ends when its standard input closes.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const SCHEMA: &str = r#"{"id":{"type":"text"},"taskIdentifier":{"type":"text"},"createdAt":{"type":"timestamp"},"updatedAt":{"type":"timestamp"},"startedAt":{"type":"timestamp"},"delayUntil":{"type":"timestamp"},"queuedAt":{"type":"timestamp"},"expiredAt":{"type":"timestamp"},"completedAt":{"type":"timestamp"},"friendlyId":{"type":"text"},"number":{"type":"int4"},"isTest":{"type":"bool"},"status":{"type":"text"},"usageDurationMs":{"type":"int4"},"costInCents":{"type":"float8"},"baseCostInCents":{"type":"float8"},"ttl":{"type":"text"},"payload":{"type":"text"},"payloadType":{"type":"text"},"metadata":{"type":"text"},"metadataType":{"type":"text"},"output":{"type":"text"},"outputType":{"type":"text"},"runTags":{"type":"text","dims":1},"error":{"type":"jsonb"},"realtimeStreams":{"type":"text","dims":1}}"#;

type Groups = Arc<Mutex<HashMap<String, Arc<Barrier>>>>;

/// Opens for all once `missing` have come.
struct Barrier {
    missing: Mutex<u32>,
    open: Semaphore,
}

struct Plan<'a> {
    group: &'a str,
    feeds: u32,
    updates: u64,
}

fn plan(id: &str) -> Option<Plan<'_>> {
    let mut parts = id.strip_prefix("run_")?.splitn(4, '_');
    Some(Plan { group: parts.next()?, feeds: parts.next()?.parse().ok()?, updates: parts.next()?.parse().ok()? })
}

fn row(id: &str, version: u64, updates: u64) -> String {
    let (status, completed, output) = if version >= updates {
        ("COMPLETED_SUCCESSFULLY", "\"2026-01-01T00:01:00.000\"", r#""{\"json\":{\"ok\":true}}""#)
    } else {
        ("EXECUTING", "null", "null")
    };
    let operation = if version == 0 { "insert" } else { "update" };
    format!(
        r#"[{{"key":"\"public\".\"TaskRun\"/\"{id}\"","value":{{"id":"{id}","taskIdentifier":"bench-task","createdAt":"2026-01-01T00:00:00.000","updatedAt":"2026-01-01T00:00:{:02}.{:03}","startedAt":"2026-01-01T00:00:00.100","delayUntil":null,"queuedAt":"2026-01-01T00:00:00.050","expiredAt":null,"completedAt":{completed},"friendlyId":"{id}","number":"0","isTest":"f","status":"{status}","usageDurationMs":"{version}","costInCents":"0.0025","baseCostInCents":"0.0025","ttl":"10m","payload":"{{\"json\":{{\"user\":\"user_1234\",\"at\":\"2026-01-01T00:00:00.000Z\"}},\"meta\":{{\"values\":{{\"at\":[\"Date\"]}}}}}}","payloadType":"application/super+json","metadata":"{{\"progress\":{version},\"label\":\"step {version}\"}}","metadataType":"application/json","output":{output},"outputType":"application/super+json","runTags":"{{\"user_1234\",\"bench\"}}","error":null,"realtimeStreams":"{{}}"}},"headers":{{"operation":"{operation}"}}}},{{"headers":{{"control":"up-to-date"}}}}]"#,
        (version / 1000) % 60,
        version % 1000,
    )
}

async fn feed(id: &str, query: &str, groups: &Groups) -> Option<Response<Full<Bytes>>> {
    let plan = plan(id)?;
    let pairs: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let offset = pairs.get("offset").map_or("-1", |offset| offset.as_ref());
    let version: Option<u64> = offset.rsplit_once('_').and_then(|(_, version)| version.parse().ok());
    let live = pairs.contains_key("live");
    let (version, body) = match version {
        None => (0, row(id, 0, plan.updates)),
        Some(version) if !live => (version, r#"[{"headers":{"control":"up-to-date"}}]"#.to_owned()),
        Some(version) => {
            if version == 0 {
                wait_for_all(&plan, groups).await;
            }
            (version + 1, row(id, version + 1, plan.updates))
        }
    };
    let mut answer = Response::builder()
        .header("content-type", "application/json; charset=utf-8")
        .header("cache-control", "no-store")
        .header("electric-handle", format!("run-{id}"))
        .header("electric-offset", format!("1767225600000_{version}"));
    answer = if live {
        answer.header("electric-cursor", version.to_string())
    } else {
        answer.header("electric-schema", SCHEMA)
    };
    answer.body(Full::from(body)).ok()
}

async fn wait_for_all(plan: &Plan<'_>, groups: &Groups) {
    let barrier = {
        let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups
            .entry(plan.group.to_owned())
            .or_insert_with(|| Arc::new(Barrier { missing: Mutex::new(plan.feeds), open: Semaphore::new(0) }))
            .clone()
    };
    let last = {
        let mut missing = barrier.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        *missing == 0
    };
    if last {
        barrier.open.close();
    } else {
        // Closing the semaphore lets everybody go on; there are no permits to get.
        let _ = barrier.open.acquire().await;
    }
}

async fn answer(request: Request<Incoming>, groups: Groups, claims_delay: Duration) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/api/v1/auth/jwt/claims" {
        tokio::time::sleep(claims_delay).await;
        return Response::new(Full::from(r#"{"sub":"env_bench","pub":true}"#));
    }
    let fed = match path.strip_prefix("/realtime/v1/runs/") {
        Some(id) => feed(id, request.uri().query().unwrap_or(""), &groups).await,
        None => None,
    };
    fed.unwrap_or_else(|| {
        let mut missing = Response::new(Full::from("not found"));
        *missing.status_mut() = http::StatusCode::NOT_FOUND;
        missing
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let claims_delay = std::env::args().nth(1).and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let claims_delay = Duration::from_millis(claims_delay);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening http://{}", listener.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let groups = Groups::default();
    let serve = async {
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            let groups = groups.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let groups = groups.clone();
                    async move { Ok::<_, Infallible>(answer(request, groups, claims_delay).await) }
                });
                // A client that goes away is no fault of the server's.
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
            });
        }
    };
    tokio::select! {
        () = serve => {}
        _ = ended => {}
    }
    Ok(())
}
