//! The floor of a feed's cost: polls and parses every row with reqwest and serde_json, and does
//! nothing else. Prints the CPU time of its steady state as JSON.
//!
//! Usage: `bench-bare <base url> <group> <feeds> <updates>`.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::sync::Barrier;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base, group, feeds, updates] = &args[..] else { return Err("four arguments".into()) };
    let feeds: usize = feeds.parse()?;
    // Plain HTTP only, but reqwest wants to know.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let live = Arc::new(Barrier::new(feeds + 1));
    let delivered = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..feeds {
        let url = format!("{base}/realtime/v1/runs/run_{group}_{feeds}_{updates}_{index}");
        let (client, live, delivered) = (client.clone(), live.clone(), delivered.clone());
        tasks.spawn(async move {
            let mut query = "log=full&offset=-1".to_owned();
            let mut first = true;
            loop {
                let answer = client.get(format!("{url}?{query}")).send().await?;
                let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
                let (handle, offset, cursor) =
                    (header("electric-handle"), header("electric-offset"), header("electric-cursor"));
                let messages: Vec<Value> = serde_json::from_slice(&answer.bytes().await?)?;
                if first {
                    first = false;
                    live.wait().await;
                } else {
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
                if messages.iter().any(|message| !message["value"]["completedAt"].is_null()) {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(());
                }
                query = format!("cursor={cursor}&handle={handle}&live=true&log=full&offset={offset}");
            }
        });
    }
    live.wait().await;
    let before = cpu_micros()?;
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    println!("{{\"cpuMicros\":{},\"updates\":{}}}", cpu_micros()? - before, delivered.load(Ordering::Relaxed));
    Ok(())
}

/// User and system time of this process, from the kernel, in microseconds.
fn cpu_micros() -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    // /proc/self/schedstat counts nanoseconds, but of one thread; each thread has its own.
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().and_then(|run| run.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(nanos / 1000)
}
