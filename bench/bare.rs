//! The lower bound of a feed's cost: polls and parses every row with reqwest and serde_json, and does nothing else.
//! Prints the CPU time of its steady state as JSON. As in `bench/lib/follow.mjs`, that is the time from the moment at
//! which every feed waits until every feed had `updates` updates and waits again.
//!
//! Usage: `bench-bare <base url> <group> <feeds> <updates> <payload bytes>`.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

mod cpu;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use cpu::cpu_micros;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base, group, feeds, updates, bytes] = &args[..] else { return Err("five arguments".into()) };
    let (feeds, updates): (u64, u64) = (feeds.parse()?, updates.parse()?);
    // reqwest needs a provider of TLS, although the benchmark speaks plain HTTP.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let delivered = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for index in 0..feeds {
        let url = format!("{base}/realtime/v1/runs/run_step_{group}_0_{}_{bytes}_{index}", updates + 1);
        tasks.spawn(follow(client.clone(), url, delivered.clone()));
    }
    all_wait(&client, base, feeds).await?;
    let before = cpu_micros()?;
    client.get(format!("{base}/bench/release/{group}/1")).send().await?;
    while delivered.load(Ordering::Relaxed) < feeds * updates {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    all_wait(&client, base, feeds).await?;
    let spent = cpu_micros()? - before;
    client.get(format!("{base}/bench/release/{group}/all")).send().await?;
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    println!("{{\"cpuMicros\":{spent},\"updates\":{}}}", feeds * updates);
    Ok(())
}

/// Follows one run to its end.
async fn follow(client: reqwest::Client, url: String, delivered: Arc<AtomicU64>) -> Outcome<()> {
    let mut query = "log=full&offset=-1".to_owned();
    loop {
        let response = client.get(format!("{url}?{query}")).send().await?;
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let (handle, offset, cursor) =
            (header("electric-handle"), header("electric-offset"), header("electric-cursor"));
        let messages: Vec<Value> = serde_json::from_slice(&response.bytes().await?)?;
        if query.contains("live=true") {
            delivered.fetch_add(1, Ordering::Relaxed);
        }
        if messages.iter().any(|message| !message["value"]["completedAt"].is_null()) {
            return Ok(());
        }
        query = format!("cursor={cursor}&handle={handle}&live=true&log=full&offset={offset}");
    }
}

/// Waits until the server holds a request of every feed.
async fn all_wait(client: &reqwest::Client, base: &str, feeds: u64) -> Outcome<()> {
    loop {
        let stats = client.get(format!("{base}/bench/stats")).send().await?.bytes().await?;
        if serde_json::from_slice::<Value>(&stats)?["held"].as_u64() == Some(feeds) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
