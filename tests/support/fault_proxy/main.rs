//! The proxy as a program, for tests in JavaScript. A line of standard input is a command as JSON, and is answered by a line
//! of standard output. It ends when its standard input closes.
//!
//! It first prints `{"authority": "<PEM>"}`: whose certificates its HTTP/2 has. Then, each with an `id` that the answer has:
//! `{"op": "start", "server": "127.0.0.1:80", "http2": false}` gives a `proxy` and its `url`; with that `proxy`,
//! `rules` (`"rules": […]`), `accepting` and `end` (`"how": "reset"`), `cut`, `down`, `up`, `open` and `stop`.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

#[path = "mod.rs"]
mod fault_proxy;

use std::collections::HashMap;

use fault_proxy::{How, Protocol, Proxy, Rule, acceptor};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Command {
    id: u64,
    op: String,
    #[serde(default)]
    proxy: u64,
    #[serde(default)]
    server: String,
    #[serde(default)]
    http2: bool,
    #[serde(default)]
    rules: Vec<Rule>,
    how: Option<How>,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (acceptor, authority) = acceptor();
    println!("{}", json!({ "authority": authority }));
    let mut proxies = HashMap::new();
    // Standard input is read by a thread: a pipe that never closes keeps no runtime from ending.
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = commands.recv().await {
        let command: Command = serde_json::from_str(&line)?;
        let id = command.id;
        let mut answer =
            run(command, &mut proxies, &acceptor).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        answer["id"] = id.into();
        println!("{answer}");
    }
    Ok(())
}

fn run(
    command: Command,
    proxies: &mut HashMap<u64, Proxy>,
    acceptor: &tokio_rustls::TlsAcceptor,
) -> Result<Value, Failure> {
    if command.op == "start" {
        let protocol = if command.http2 { Protocol::Http2(acceptor.clone()) } else { Protocol::Http1 };
        let proxy = Proxy::start(command.server.parse()?, protocol)?;
        let url = proxy.url().to_owned();
        proxies.insert(command.id, proxy);
        return Ok(json!({ "proxy": command.id, "url": url }));
    }
    if command.op == "stop" {
        proxies.remove(&command.proxy);
        return Ok(json!({}));
    }
    let proxy = proxies.get(&command.proxy).ok_or("no such proxy")?;
    match command.op.as_str() {
        "rules" => proxy.set(command.rules),
        "accepting" => proxy.accepting(command.how),
        "end" => proxy.end(command.how.unwrap_or_default()),
        "cut" => proxy.cut(),
        "down" => proxy.down()?,
        "up" => proxy.up()?,
        "open" => {
            let open = proxy.open();
            return Ok(json!({
                "requests": open.requests,
                "connections": open.connections,
                "allRequests": open.all_requests,
                "allConnections": open.all_connections,
                "left": open.left,
            }));
        }
        other => return Err(format!("no such command: {other}").into()),
    }
    Ok(json!({}))
}
