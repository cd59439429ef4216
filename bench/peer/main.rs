//! The server of the benchmarks. It answers requests for claims, tokens, run feeds, tag feeds and streams as fast as it
//! can, so that the client is measured. The program is not part of the package.
//!
//! Usage: `bench-peer [<milliseconds until a call is answered> [<port>]]`; prints `listening <url>` and
//! ends when its standard input closes. `bench-peer certificate <folder>` writes a throwaway
//! authority and certificate instead.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

mod certificate;
mod feed;
mod gate;
mod plan;
mod rate;
mod row;
mod stream;

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpSocket;

use feed::{Held, State};
use stream::Chunks;

type BenchResponse = Response<Either<Full<Bytes>, Chunks>>;

async fn respond(request: Request<Incoming>, state: Arc<State>, call_delay: Duration) -> BenchResponse {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or(""));
    let found = match path {
        "/api/v1/auth/jwt/claims" => {
            tokio::time::sleep(call_delay).await;
            Some(json(r#"{"sub":"env_bench","pub":true}"#.to_owned()))
        }
        "/api/v1/auth/public-tokens" => {
            tokio::time::sleep(call_delay).await;
            Some(json(r#"{"token":"eyJhbGciOiJIUzI1NiJ9.eyJwdWIiOnRydWV9.c2lnbmF0dXJl"}"#.to_owned()))
        }
        "/bench/stats" => Some(json(format!(
            r#"{{"held":{},"polls":{},"connections":{},"peak":{}}}"#,
            state.held.load(Ordering::Relaxed),
            state.polls.load(Ordering::Relaxed),
            state.connections.load(Ordering::Relaxed),
            state.accepted.peak()
        ))),
        "/realtime/v1/runs" => feed::of_tag(query, &state).await,
        _ => {
            if let Some(id) = path.strip_prefix("/realtime/v1/runs/") {
                feed::of_run(id, query, &state).await
            } else if let Some(key) = path.strip_prefix("/realtime/v1/streams/").and_then(|rest| rest.split_once('/')) {
                return Chunks::response(key.1).map_or_else(missing, |response| response.map(Either::Right));
            } else {
                path.strip_prefix("/bench/release/").and_then(|rest| release(rest, &state))
            }
        }
    };
    found.map_or_else(missing, |response| response.map(Either::Left))
}

/// `<group>/<version>` releases the group's updates up to that version; `<group>/all` releases all of them.
fn release(rest: &str, state: &State) -> Option<Response<Full<Bytes>>> {
    let (group, version) = rest.split_once('/')?;
    let version = if version == "all" { u64::MAX } else { version.parse().ok()? };
    state.groups.get(group, 0).release(version);
    Some(json("{}".to_owned()))
}

fn json(body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn missing() -> BenchResponse {
    let mut missing = Response::new(Either::Left(Full::from("not found")));
    *missing.status_mut() = http::StatusCode::NOT_FOUND;
    missing
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("certificate") {
        return certificate::write(args.next().ok_or("a folder is missing")?.as_ref());
    }
    let call_delay = Duration::from_millis(first.map_or(Ok(0), |ms| ms.parse())?);
    let socket = TcpSocket::new_v4()?;
    // A server that is started again gets the port whose last connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    let port: u16 = args.next().map_or(Ok(0), |port| port.parse())?;
    socket.bind((std::net::Ipv4Addr::LOCALHOST, port).into())?;
    // Thousands of feeds connect at once.
    let listener = socket.listen(8_192)?;
    println!("listening http://{}", listener.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let state = Arc::new(State::default());
    let serve = async {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                // The process is out of file descriptors. Some will be free again.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let _ = socket.set_nodelay(true);
            state.accepted.count();
            let state = state.clone();
            tokio::spawn(async move {
                let counted = state.clone();
                let _open = Held::new(&counted.connections);
                let service = service_fn(move |request| {
                    let state = state.clone();
                    async move { Ok::<_, Infallible>(respond(request, state, call_delay).await) }
                });
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
                // A client that closes its connection is not an error of the server.
                let _ = builder.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    };
    tokio::select! {
        () = serve => {}
        _ = ended => {}
    }
    Ok(())
}
