//! Runs the emulator in a terminal. It prints its URL and key as one line of JSON, and ends when its standard input
//! closes.
//!
//! `cargo run --no-default-features --example emulator -- --port 0 --speed 2 --tasks tasks.json`, or `--options '{…}'`
//! with any option of docs/emulator.md.

use std::io::Read as _;

use serde_json::{Map, Value, json};

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the line is what this program is for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options(std::env::args().skip(1))?;
    let emulator = trigger_native::emulator::start(&Value::Object(options).to_string()).await?;
    println!("{}", json!({ "url": emulator.url(), "secretKey": emulator.secret_key() }));
    let (closed, waiting) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // The input is discarded; an error ends it too.
        let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let _ = waiting.await;
    emulator.stop().await;
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Map<String, Value>, Box<dyn std::error::Error>> {
    let mut options = Map::new();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => options.insert("port".into(), serde_json::from_str(&value)?),
            "--speed" => options.insert("speed".into(), serde_json::from_str(&value)?),
            "--tasks" => options.insert("tasks".into(), serde_json::from_str(&std::fs::read_to_string(value)?)?),
            "--options" => {
                options.extend(serde_json::from_str::<Map<String, Value>>(&value)?);
                None
            }
            _ => return Err(format!("unknown argument {name}").into()),
        };
    }
    Ok(options)
}
