//! Viewers of a relay, as many as asked for: each has a connection of its own, takes the snapshot, asks once more and
//! then polls, as the official hooks do. It is never part of the package.
//!
//! Usage: `bench-viewers <url> <viewers> <runs> <updates> <plan>`, with the token in `BENCH_TOKEN`; the runs are
//! `run_<plan>_<index>` (`bench/peer/plan.rs`). Prints `told <n>` when every viewer has seen the `n`th update and waits
//! for the next one (`told 0`: the snapshot), and at the end, which is the first viewer's failure, one line of JSON.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

use std::env;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connections that are opened at once.
const OPENING: usize = 256;
/// How long an answer may take. No update is held back longer than its bench waits.
const PATIENCE: Duration = Duration::from_secs(120);
/// Room for one answer.
const ROOM: usize = 16 * 1024;

/// What all viewers share.
#[derive(Debug)]
struct Crowd {
    host: String,
    base: String,
    token: String,
    plan: String,
    viewers: u64,
    updates: u64,
    /// How many viewers have seen each update.
    seen: Vec<AtomicU64>,
    /// Updates that came, and those that were passed over because a newer one was there.
    delivered: AtomicU64,
    finals: AtomicU64,
    opening: Semaphore,
}

/// One answer: where the feed stands, and what it told.
#[derive(Debug)]
struct Told {
    handle: String,
    offset: String,
    /// The update in it, if any.
    version: Option<u64>,
    is_final: bool,
}

impl Crowd {
    /// A viewer has seen all updates up to `version`, and waits for the next one.
    fn reached(&self, from: Option<u64>, version: u64) {
        for each in from.map_or(0, |from| from + 1)..=version {
            let Some(seen) = usize::try_from(each).ok().and_then(|each| self.seen.get(each)) else { continue };
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == self.viewers {
                println!("told {each}");
                // Nobody reads it when this fails.
                let _ = io::stdout().flush();
            }
        }
    }

    async fn view(&self, run: u64) -> Outcome<()> {
        let mut socket = {
            let _turn = self.opening.acquire().await?;
            TcpStream::connect(&self.host).await?
        };
        socket.set_nodelay(true)?;
        let path = format!("{}/realtime/v1/runs/run_{}_{run}", self.base, self.plan);
        let mut buffer = Vec::with_capacity(ROOM);
        let mut told = self.ask(&mut socket, &format!("{path}?log=full&offset=-1"), &mut buffer).await?;
        let mut version = told.version.ok_or("a snapshot without the run")?;
        let catch_up = format!("{path}?log=full&offset={}&handle={}", told.offset, told.handle);
        let caught_up = self.ask(&mut socket, &catch_up, &mut buffer).await?;
        told = Told { is_final: told.is_final || caught_up.is_final, ..caught_up };
        let mut last = None;
        loop {
            version = told.version.unwrap_or(version).max(version);
            if told.is_final {
                self.reached(last, version);
                self.finals.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            let target = format!("{path}?log=full&offset={}&handle={}&live=true&cursor=", told.offset, told.handle);
            self.send(&mut socket, &target).await?;
            if last != Some(version) {
                self.reached(last, version);
                last = Some(version);
            }
            told = tokio::time::timeout(PATIENCE, receive(&mut socket, &mut buffer)).await??;
            self.delivered.fetch_add(u64::from(told.version.is_some()), Ordering::Relaxed);
        }
    }

    async fn ask(&self, socket: &mut TcpStream, target: &str, buffer: &mut Vec<u8>) -> Outcome<Told> {
        self.send(socket, target).await?;
        tokio::time::timeout(PATIENCE, receive(socket, buffer)).await?
    }

    async fn send(&self, socket: &mut TcpStream, target: &str) -> io::Result<()> {
        let Self { host, token, .. } = self;
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nx-trigger-electric-version: 1.0.0-beta.1\r\nx-trigger-api-version: 2025-07-16\r\naccept: */*\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await
    }
}

/// Reads one answer with a `content-length`.
async fn receive(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<Told> {
    buffer.clear();
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        fill(socket, buffer).await?;
    };
    let text = std::str::from_utf8(&buffer[..head])?.to_owned();
    let header = |name: &str| {
        text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    let value = |name: &str| header(name).map(|(_, value)| value.trim().to_owned());
    if !text.starts_with("HTTP/1.1 200 ") {
        return Err(format!("the relay answered {}", text.lines().next().unwrap_or_default()).into());
    }
    let length: usize = value("content-length").ok_or("an answer without a length")?.parse()?;
    while buffer.len() < head + length {
        fill(socket, buffer).await?;
    }
    let body = std::str::from_utf8(&buffer[head..head + length])?;
    Ok(Told {
        handle: value("electric-handle").ok_or("an answer without a handle")?,
        offset: value("electric-offset").ok_or("an answer without an offset")?,
        // Rows count their updates there (`bench/peer/row.rs`).
        version: body.split_once(r#""usageDurationMs":""#).and_then(|(_, rest)| rest.split('"').next()?.parse().ok()),
        is_final: body.contains(r#""status":"COMPLETED_SUCCESSFULLY""#),
    })
}

async fn fill(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<()> {
    if socket.read_buf(buffer).await? == 0 {
        return Err("the relay closed a connection amid an answer".into());
    }
    Ok(())
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
    let crowd = Arc::new(Crowd {
        host: host.to_owned(),
        base: base.trim_end_matches('/').to_owned(),
        token: env::var("BENCH_TOKEN")?,
        plan: plan.clone(),
        viewers,
        updates,
        seen: (0..=updates).map(|_| AtomicU64::new(0)).collect(),
        delivered: AtomicU64::new(0),
        finals: AtomicU64::new(0),
        opening: Semaphore::new(OPENING),
    });
    let mut all = JoinSet::new();
    for viewer in 0..viewers {
        let crowd = crowd.clone();
        all.spawn(async move { crowd.view(viewer % runs).await.map_err(|error| format!("viewer {viewer}: {error}")) });
    }
    let figures = |failed: u8, first: &str| {
        let (delivered, finals) = (crowd.delivered.load(Ordering::Relaxed), crowd.finals.load(Ordering::Relaxed));
        let (updates, first) = (crowd.updates, serde_json::Value::from(first));
        println!(
            r#"{{"finals":{finals},"delivered":{delivered},"updates":{updates},"failed":{failed},"first":{first}}}"#
        );
    };
    while let Some(ended) = all.join_next().await {
        if let Err(error) = ended? {
            // At once: without one of them, who waits for `told` waits to no end.
            figures(1, &error);
            return Err(error.into());
        }
    }
    figures(0, "");
    Ok(())
}
