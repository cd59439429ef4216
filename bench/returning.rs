//! Viewers of a relay that is restarted. As the official hooks do, each has a connection of its own, polls, and after a
//! failure sends the same request again: after 100 ms, and then after 1.3 times the last wait, at most 10 s, without
//! jitter. The program is not part of the package.
//!
//! Usage: `bench-returning <url> <viewers> <runs> <plan>`, with a token a line in the file `BENCH_TOKENS`; the runs are
//! `run_<plan>_<index>` (`bench/peer/plan.rs`). Prints `live` when every viewer has the snapshot and waits, and ends
//! with a line of JSON when every viewer has a later version.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

mod feed_response;
#[path = "peer/rate.rs"]
mod rate;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use feed_response::{FeedResponse, Outcome, receive};
use rate::Rate;

/// The waits of `@electric-sql/client` after failures.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const FACTOR: f64 = 1.3;
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The time limit of a response. No storm takes so long.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug)]
struct Shared {
    host: String,
    base: String,
    tokens: Vec<String>,
    plan: String,
    viewers: u64,
    runs: u64,
    live: AtomicU64,
    /// Connections that were refused, requests that broke, and answers 429 and 5xx.
    refused: AtomicU64,
    broken: AtomicU64,
    turned_away: AtomicU64,
    /// Attempts to connect once the relay is away.
    attempts: Rate,
}

/// A viewer between two requests.
struct Viewer {
    index: u64,
    socket: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Shared {
    /// Follows a run until its version is later than that of the snapshot. Unix milliseconds of that.
    async fn view(&self, index: u64) -> Outcome<u128> {
        let path = format!("{}/realtime/v1/runs/run_{}_{}", self.base, self.plan, index % self.runs);
        let mut viewer = Viewer { index, socket: None, buffer: Vec::with_capacity(16 * 1024) };
        let mut was_live = false;
        'snapshot: loop {
            let first = self.ask(&mut viewer, &format!("{path}?log=full&offset=-1"), true).await?;
            let mut at = (first.offset, first.handle);
            if was_live && first.version.is_some_and(|version| version > 0) {
                return unix_ms();
            }
            let mut is_live = false;
            loop {
                let live = if is_live { "&live=true&cursor=" } else { "" };
                let target = format!("{path}?log=full&offset={}&handle={}{live}", at.0, at.1);
                if is_live && !std::mem::replace(&mut was_live, true) {
                    self.count_live();
                }
                let response = self.ask(&mut viewer, &target, false).await?;
                if response.status == 409 {
                    continue 'snapshot;
                }
                if response.version.is_some_and(|version| version > 0) {
                    return unix_ms();
                }
                is_live = true;
                at = (response.offset, response.handle);
            }
        }
    }

    fn count_live(&self) {
        if self.live.fetch_add(1, Ordering::Relaxed) + 1 == self.viewers {
            println!("live");
            // A failed write means that the reader is gone.
            let _ = io::stdout().flush();
        }
    }

    /// The response to a request, which is sent until one comes.
    async fn ask(&self, viewer: &mut Viewer, target: &str, is_snapshot: bool) -> Outcome<FeedResponse> {
        let mut wait = FIRST_WAIT;
        loop {
            match timeout(RESPONSE_TIMEOUT, self.send(viewer, target)).await? {
                Ok(response) if response.status == 200 || (response.status == 409 && !is_snapshot) => {
                    return Ok(response);
                }
                Ok(response) if response.status == 429 || response.status >= 500 => {
                    self.turned_away.fetch_add(1, Ordering::Relaxed);
                }
                Ok(response) => return Err(format!("the relay answered {}", response.status).into()),
                Err(_) => viewer.socket = None,
            }
            sleep(wait).await;
            wait = wait.mul_f64(FACTOR).min(MAX_WAIT);
        }
    }

    async fn send(&self, viewer: &mut Viewer, target: &str) -> Outcome<FeedResponse> {
        let mut socket = if let Some(socket) = viewer.socket.take() {
            socket
        } else {
            if self.live.load(Ordering::Relaxed) == self.viewers {
                self.attempts.count();
            }
            let socket = TcpStream::connect(&self.host).await.inspect_err(|_| {
                self.refused.fetch_add(1, Ordering::Relaxed);
            })?;
            socket.set_nodelay(true)?;
            socket
        };
        let token = &self.tokens[usize::try_from(viewer.index)? % self.tokens.len()];
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nx-trigger-electric-version: 1.0.0-beta.1\r\nx-trigger-api-version: 2025-07-16\r\naccept: */*\r\n\r\n",
            self.host
        );
        let received = async {
            socket.write_all(head.as_bytes()).await?;
            receive(&mut socket, &mut viewer.buffer).await
        };
        let response = received.await.inspect_err(|_| {
            self.broken.fetch_add(1, Ordering::Relaxed);
        })?;
        viewer.socket = Some(socket);
        Ok(response)
    }
}

fn unix_ms() -> Outcome<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, viewers, runs, plan] = args.as_slice() else {
        return Err("usage: bench-returning <url> <viewers> <runs> <plan>".into());
    };
    let rest = url.strip_prefix("http://").ok_or("an http URL is needed")?;
    let (host, base) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let tokens = std::fs::read_to_string(std::env::var("BENCH_TOKENS")?)?.lines().map(str::to_owned).collect();
    let shared = Arc::new(Shared {
        host: host.to_owned(),
        base: base.trim_end_matches('/').to_owned(),
        tokens,
        plan: plan.clone(),
        viewers: viewers.parse()?,
        runs: runs.parse()?,
        live: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        broken: AtomicU64::new(0),
        turned_away: AtomicU64::new(0),
        attempts: Rate::default(),
    });
    let mut all = JoinSet::new();
    for viewer in 0..shared.viewers {
        let shared = shared.clone();
        all.spawn(async move { shared.view(viewer).await.map_err(|error| format!("viewer {viewer}: {error}")) });
    }
    let (mut served, mut failed, mut first, mut last) = (0, 0, String::new(), 0);
    while let Some(ended) = all.join_next().await {
        match ended? {
            Ok(at) => {
                served += 1;
                last = at.max(last);
            }
            Err(error) => {
                failed += 1;
                first = error;
            }
        }
    }
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    println!(
        r#"{{"served":{served},"failed":{failed},"last":{last},"peak":{},"refused":{},"broken":{},"turnedAway":{},"first":{}}}"#,
        shared.attempts.peak(),
        count(&shared.refused),
        count(&shared.broken),
        count(&shared.turned_away),
        serde_json::Value::from(first)
    );
    Ok(())
}
