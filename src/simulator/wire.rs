//! HTTP/1.1 in memory: requests are read, responses are sent with whatever befalls them.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::backend::Backend;
use super::feeds::{self, Asked};
use super::history::View;
use super::streams::{Body, Fate, Next};
use super::trouble::Trouble;
use crate::http::MemoryListener;
use crate::serving::Guard;
use crate::stream::Request;

/// The path of every stream.
pub(super) const STREAMS: &str = "/realtime/v1/streams/";
/// Longer than any reader waits in silence.
const FOR_EVER: Duration = Duration::from_secs(150);

/// A response, before it is framed.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Serves connections; a restart of the server breaks all of them.
pub(super) async fn serve(mut listener: MemoryListener, backend: Backend, guard: Guard) {
    let mut connections = JoinSet::new();
    let mut restarts = backend.restarts.subscribe();
    loop {
        tokio::select! {
            biased;
            _ = restarts.changed() => connections.abort_all(),
            socket = listener.accept() => {
                let (backend, guard) = (backend.clone(), guard.clone());
                connections.spawn(async move {
                    let _guard = guard;
                    // A reader that leaves breaks its connection.
                    let _ = connection(socket, &backend).await;
                });
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut socket: DuplexStream, backend: &Backend) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await?);
        }
        let asked = Asked::parse(std::str::from_utf8(&head).map_err(io::Error::other)?);
        if asked.path.starts_with(STREAMS) {
            return stream(&mut socket, backend, &asked).await;
        }
        let trouble = backend.state().trouble(&View::of(&asked.path, &asked.query));
        let answer = match &trouble {
            Trouble::Instead(status, headers, body) => instead(*status, headers, body),
            Trouble::None | Trouble::CutAt(_) | Trouble::StallAt(_) | Trouble::Late(..) => {
                let _held = asked.is_live().then(|| backend.hold());
                tokio::select! {
                    answer = feeds::answer(backend, &asked) => answer,
                    // Nothing is sent before the answer: the reader left.
                    _ = socket.read_u8() => return Ok(()),
                }
            }
        };
        let (bytes, closes) = frame(&answer, backend.state().rng.below(6));
        send(&mut socket, &bytes, &trouble).await?;
        if closes {
            return Ok(());
        }
    }
}

fn instead(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Answer { status, headers, body: body.as_bytes().to_vec() }
}

/// The bytes of a response: its body has a length, comes in chunks, or ends with the connection.
fn frame(answer: &Answer, way: usize) -> (Vec<u8>, bool) {
    let mut head = format!("HTTP/1.1 {} x\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.extend([*name, ": ", value.as_str(), "\r\n"]);
    }
    let body = &answer.body;
    match way {
        _ if answer.status == 204 => (format!("{head}\r\n").into_bytes(), false),
        0 => ([head.as_bytes(), b"connection: close\r\n\r\n", body].concat(), true),
        1 => {
            let (one, two) = body.split_at(body.len() / 3);
            let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
            for part in [one, two].into_iter().filter(|part| !part.is_empty()) {
                bytes.extend_from_slice(&chunk(part));
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            (bytes, false)
        }
        _ => ([format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat(), false),
    }
}

fn chunk(part: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()
}

async fn send(socket: &mut DuplexStream, bytes: &[u8], trouble: &Trouble) -> io::Result<()> {
    let at = |part: usize| bytes.len() * part / 1_000;
    match trouble {
        Trouble::None | Trouble::Instead(..) => socket.write_all(bytes).await,
        Trouble::CutAt(part) => {
            socket.write_all(&bytes[..at(*part)]).await?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Trouble::StallAt(part) => {
            socket.write_all(&bytes[..at(*part)]).await?;
            sleep(FOR_EVER).await;
            Err(io::ErrorKind::TimedOut.into())
        }
        Trouble::Late(part, ms) => {
            socket.write_all(&bytes[..at(*part)]).await?;
            sleep(Duration::from_millis(*ms)).await;
            socket.write_all(&bytes[at(*part)..]).await
        }
    }
}

/// Sends a stream as its simulation says, byte for byte and at its times.
async fn stream(socket: &mut DuplexStream, backend: &Backend, asked: &Asked) -> io::Result<()> {
    let began = Instant::now() - Duration::from_millis(backend.elapsed_ms());
    let now = backend.elapsed_ms();
    let opened = open(backend, asked, now);
    let mut body = match opened {
        Ok(body) => body,
        Err(head) => {
            return socket.write_all(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        }
    };
    let is_v2 = backend.state().streams.get(&asked.path).is_some_and(|world| world.v2);
    let version = if is_v2 { "x-stream-version: v2\r\n" } else { "" };
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{version}transfer-encoding: chunked\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    loop {
        let (due, next) = body.next();
        let at = |due: u64| began + Duration::from_millis(due);
        match next {
            Next::Bytes(bytes) if bytes.is_empty() => sleep_until(at(due)).await,
            Next::Bytes(bytes) => {
                sleep_until(at(due)).await;
                socket.write_all(&chunk(&bytes)).await?;
            }
            Next::Closed => {
                sleep_until(at(due)).await;
                return socket.write_all(b"0\r\n\r\n").await;
            }
            Next::Cut => {
                sleep_until(at(due)).await;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Next::Never => {
                sleep(FOR_EVER).await;
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// The body of a stream's response, or the head of a refusal.
fn open(backend: &Backend, asked: &Asked, now: u64) -> Result<Body, &'static str> {
    let mut guard = backend.state();
    let state = &mut *guard;
    let world = state.streams.get(&asked.path).expect("a stream of ours");
    // Trouble ends a while after the run.
    let is_over = now > world.over_at + 30_000;
    let trouble = if state.breaks_streams && !is_over && state.rng.one_in(3) { state.rng.below(8) } else { 8 };
    let fate = match trouble {
        0 => return Err("503 x\r\nretry-after: 1"),
        1 => return Err("429 x"),
        2 => return Err("502 x"),
        3..=6 => Some(Fate::Broken),
        // A relay takes a connection for alive until a ping is late (docs/relay-streams.md, "What it does not do").
        7 if now + 30_000 < world.over_at => Some(Fate::DeadBy(world.over_at - 25_000)),
        _ => None,
    };
    let timeout_s = asked.headers.get("timeout-seconds").and_then(|seconds| seconds.parse().ok());
    let last_event_id = asked.headers.get("last-event-id").map(|id| id.as_str().into());
    let request = Request { last_event_id, latest: false, timeout_s };
    state.answers += 1;
    Ok(super::streams::answer(world, &request, now, &mut state.dice, fate))
}
