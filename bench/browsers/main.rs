//! Browsers that each follow five runs of a relay: over its live stream, or by polling as the official hooks do. The
//! program also releases each change, so that it times them by its own clock. It is not part of the package.
//!
//! Usage: `bench-browsers <relay url> <peer url> <live or poll> <browsers> <runs> <updates> <group> <payload bytes>`, with
//! the token in `BENCH_TOKEN`. Prints `ready` once every browser has its first rows; a line on standard input then starts
//! the changes: `updates` of each run, one at a time, each once every browser that follows the run has the last one. Prints
//! the figures as JSON then, and ends with its standard input.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

#[path = "../feed_response.rs"]
mod feed_response;
mod live;
mod poll;
mod shared;

use std::env;
use std::io::{self, Read as _};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use feed_response::Outcome;
use shared::{FEEDS, Shared};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [relay, peer, way, browsers, runs, updates, group, payload] = args.as_slice() else {
        return Err(
            "usage: bench-browsers <relay> <peer> <live|poll> <browsers> <runs> <updates> <group> <payload>".into()
        );
    };
    let (browsers, runs, updates): (usize, usize, u64) = (browsers.parse()?, runs.parse()?, updates.parse()?);
    let host = |url: &str| url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned());
    let (relay, peer) = (host(relay).ok_or("an http URL is needed")?, host(peer).ok_or("an http URL is needed")?);
    let ids = (0..runs).map(|run| format!("run_drive_{group}r{run}_0_1000000_{payload}_0")).collect();
    let shared = Arc::new(Shared::new(relay, env::var("BENCH_TOKEN")?, browsers, ids));
    let mut all = JoinSet::new();
    for browser in 0..browsers {
        if way == "live" {
            all.spawn(live::follow(shared.clone(), browser));
            continue;
        }
        for feed in 0..FEEDS {
            all.spawn(poll::follow(shared.clone(), shared.run_of(browser, feed)));
        }
    }
    let figures = async {
        shared.until_ready().await;
        println!("ready");
        tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
        let mut control = TcpStream::connect(&peer).await?;
        control.set_nodelay(true)?;
        shared.begin();
        for version in 1..=updates {
            for run in 0..runs {
                shared.expect(run, version);
                release(&mut control, &peer, &format!("{group}r{run}/{version}")).await?;
                shared.until_told().await;
            }
        }
        println!("{}", shared.figures());
        tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    };
    let failure = async {
        while let Some(ended) = all.join_next().await {
            ended??;
        }
        Ok(())
    };
    tokio::select! {
        done = figures => done,
        failed = failure => failed,
    }
}

/// Lets the server tell a change.
async fn release(control: &mut TcpStream, host: &str, what: &str) -> Outcome<()> {
    let head = format!("GET /bench/release/{what} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    control.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"{}") {
        if control.read_buf(&mut answer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
    Ok(())
}
