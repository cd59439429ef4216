//! Viewers of a relay. As the official hooks do, each has a connection of its own, takes the snapshot, asks once more
//! and then polls. The program is not part of the package.
//!
//! Usage: `bench-viewers <url> <viewers> <runs> <updates> <plan>`, with the token in `BENCH_TOKEN`; the runs are
//! `run_<plan>_<index>` (`bench/peer/plan.rs`). Prints `seen <n>` when every viewer has seen update `n` and waits for
//! the next one (`seen 0` is the snapshot). Ends when every viewer has the final update, or when one fails, with a line
//! of JSON. With `BENCH_STALL_MS`, it says on standard error what the viewers wait for once none took a step for so long.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

#[path = "../feed_response.rs"]
mod feed_response;
mod progress;

use std::env;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use feed_response::{FeedResponse, Outcome};
use progress::{Phase, Progress};

/// The number of connections that are opened at the same time.
const MAX_CONNECTING: usize = 256;
/// The time limit of a response. No benchmark holds an update back for so long.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);
/// The size of the buffer for one response.
const BUFFER_BYTES: usize = 16 * 1024;

/// The state that all viewers share.
#[derive(Debug)]
struct Shared {
    host: String,
    base: String,
    token: String,
    plan: String,
    viewers: u64,
    updates: u64,
    /// The number of viewers that have seen each update.
    seen: Vec<AtomicU64>,
    /// The number of live responses with an update.
    delivered: AtomicU64,
    /// The number of viewers that have the final update.
    finals: AtomicU64,
    opening: Semaphore,
    progress: Progress,
}

impl Shared {
    /// Notes that a viewer has seen all updates up to `version`, and waits for the next one.
    fn reached(&self, from: Option<u64>, version: u64) {
        for each in from.map_or(0, |from| from + 1)..=version {
            let Some(seen) = usize::try_from(each).ok().and_then(|each| self.seen.get(each)) else { continue };
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == self.viewers {
                println!("seen {each}");
                // A failed write means that the reader is gone.
                let _ = io::stdout().flush();
            }
        }
    }

    async fn view(&self, viewer: u64, run: u64) -> Outcome<()> {
        self.progress.step(viewer, Phase::Queued);
        let mut socket = {
            let _turn = self.opening.acquire().await?;
            self.progress.step(viewer, Phase::Connecting);
            TcpStream::connect(&self.host).await?
        };
        socket.set_nodelay(true)?;
        self.progress.connected(viewer, socket.local_addr()?.port());
        self.progress.step(viewer, Phase::Snapshot);
        let path = format!("{}/realtime/v1/runs/run_{}_{run}", self.base, self.plan);
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let mut response = self.ask(&mut socket, &format!("{path}?log=full&offset=-1"), &mut buffer).await?;
        let mut version = response.version.ok_or("a snapshot without the run")?;
        self.progress.step(viewer, Phase::CatchUp);
        let catch_up = format!("{path}?log=full&offset={}&handle={}", response.offset, response.handle);
        let caught_up = self.ask(&mut socket, &catch_up, &mut buffer).await?;
        response = FeedResponse { is_final: response.is_final || caught_up.is_final, ..caught_up };
        let mut last = None;
        loop {
            version = response.version.unwrap_or(version).max(version);
            self.progress.saw(viewer, version);
            if response.is_final {
                self.progress.step(viewer, Phase::Done);
                self.reached(last, version);
                self.finals.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            let target =
                format!("{path}?log=full&offset={}&handle={}&live=true&cursor=", response.offset, response.handle);
            self.progress.step(viewer, Phase::Poll);
            self.send(&mut socket, &target).await?;
            if last != Some(version) {
                self.reached(last, version);
                last = Some(version);
            }
            response = tokio::time::timeout(RESPONSE_TIMEOUT, receive(&mut socket, &mut buffer)).await??;
            self.delivered.fetch_add(u64::from(response.version.is_some()), Ordering::Relaxed);
        }
    }

    async fn ask(&self, socket: &mut TcpStream, target: &str, buffer: &mut Vec<u8>) -> Outcome<FeedResponse> {
        self.send(socket, target).await?;
        tokio::time::timeout(RESPONSE_TIMEOUT, receive(socket, buffer)).await?
    }

    async fn send(&self, socket: &mut TcpStream, target: &str) -> io::Result<()> {
        let Self { host, token, .. } = self;
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nx-trigger-electric-version: 1.0.0-beta.1\r\nx-trigger-api-version: 2025-07-16\r\naccept: */*\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await
    }
}

/// Reads one response of a feed that is followed.
async fn receive(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<FeedResponse> {
    let response = feed_response::receive(socket, buffer).await?;
    if response.status != 200 || response.handle.is_empty() {
        return Err(format!("the relay answered {}, with the handle {:?}", response.status, response.handle).into());
    }
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, viewers, runs, updates, plan] = args.as_slice() else {
        return Err("usage: bench-viewers <url> <viewers> <runs> <updates> <plan>".into());
    };
    let rest = url.strip_prefix("http://").ok_or("an http URL is needed")?;
    let (host, base) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (viewers, runs, updates): (u64, u64, u64) = (viewers.parse()?, runs.parse()?, updates.parse()?);
    let viewing = Arc::new(Shared {
        host: host.to_owned(),
        base: base.trim_end_matches('/').to_owned(),
        token: env::var("BENCH_TOKEN")?,
        plan: plan.clone(),
        viewers,
        updates,
        seen: (0..=updates).map(|_| AtomicU64::new(0)).collect(),
        delivered: AtomicU64::new(0),
        finals: AtomicU64::new(0),
        opening: Semaphore::new(MAX_CONNECTING),
        progress: Progress::new(viewers),
    });
    if let Some(limit) = env::var("BENCH_STALL_MS").ok().map(|ms| ms.parse()).transpose()? {
        let watched = viewing.clone();
        tokio::spawn(async move { watched.progress.report(Duration::from_millis(limit)).await });
    }
    let mut all = JoinSet::new();
    for viewer in 0..viewers {
        let viewing = viewing.clone();
        all.spawn(async move {
            viewing.view(viewer, viewer % runs).await.map_err(|error| format!("viewer {viewer}: {error}"))
        });
    }
    let figures = |failed: u8, first: &str| {
        let (delivered, finals) = (viewing.delivered.load(Ordering::Relaxed), viewing.finals.load(Ordering::Relaxed));
        let (updates, first) = (viewing.updates, serde_json::Value::from(first));
        println!(
            r#"{{"finals":{finals},"delivered":{delivered},"updates":{updates},"failed":{failed},"first":{first}}}"#
        );
    };
    while let Some(ended) = all.join_next().await {
        if let Err(error) = ended? {
            // The first failure ends the program, because `seen` would never be printed again.
            figures(1, &error);
            return Err(error.into());
        }
    }
    figures(0, "");
    Ok(())
}
