//! The floor of the live stream's cost: for each change, it writes as many bytes to as many sockets as the relay does, one
//! write to a socket, and does nothing else. It knows no run, token or column, and its events hold no more than the
//! benchmark's browsers look at. It is not part of the package.
//!
//! Usage: `bench-live-floor <bytes of a change>`; prints `listening <url>` and ends when its standard input closes.
//! `GET /bench/cpu` tells its CPU time in microseconds and its memory in KB, `GET /bench/release/<group>/<version>` makes
//! a change (`bench/browsers/main.rs`).

#![allow(clippy::print_stdout, reason = "its output is its interface")]

mod cpu;

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use cpu::cpu_micros;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The sockets that follow each group's run, and the ids that they know it by.
type Followers = Mutex<HashMap<String, Vec<(Arc<TcpStream>, Vec<u8>)>>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let bytes: usize = std::env::args().nth(1).ok_or("usage: bench-live-floor <bytes of a change>")?.parse()?;
    let socket = TcpSocket::new_v4()?;
    socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(8_192)?;
    println!("listening http://{}", listener.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        done = serve(listener, bytes) => done,
        _ = ended => Ok(()),
    }
}

async fn serve(listener: TcpListener, bytes: usize) -> Outcome<()> {
    let followers = Arc::<Followers>::default();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let followers = followers.clone();
        tokio::spawn(async move { connection(socket, &followers, bytes).await });
    }
}

async fn connection(mut socket: TcpStream, followers: &Followers, bytes: usize) -> Outcome<()> {
    loop {
        let Some(request) = request(&mut socket).await? else { return Ok(()) };
        if let Some(what) = request.strip_prefix("GET /bench/release/") {
            let what = what.split(' ').next().and_then(|what| what.split_once('/')).ok_or("no group")?;
            change(followers, what.0, what.1, bytes).await?;
            answer(&mut socket, "{}").await?;
        } else if request.starts_with("GET /bench/cpu") {
            let figures = format!(r#"{{"micros":{},"kb":{}}}"#, cpu_micros()?, memory_kb()?);
            answer(&mut socket, &figures).await?;
        } else {
            return follow(socket, followers, &request).await;
        }
    }
}

/// The next request with its body; `None` at the end of the connection.
async fn request(socket: &mut TcpStream) -> Outcome<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        let text = std::str::from_utf8(&bytes)?;
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(Ok(0), str::parse)? {
                return Ok(Some(text.to_owned()));
            }
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

async fn answer(socket: &mut TcpStream, body: &str) -> Outcome<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    Ok(socket.write_all((head + body).as_bytes()).await?)
}

/// Answers a browser: its wants are ready at once.
async fn follow(mut socket: TcpStream, followers: &Followers, request: &str) -> Outcome<()> {
    let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let wants = serde_json::from_str::<serde_json::Value>(body)?;
    let mut ids: HashMap<String, Vec<u8>> = HashMap::new();
    let mut events = String::new();
    for want in wants["wants"].as_array().ok_or("no wants")? {
        let (id, run) = (want["id"].as_str().unwrap_or(""), want["run"].as_str().unwrap_or(""));
        // `run_drive_<group>_…`
        let group = run.split('_').nth(2).ok_or("no group")?;
        ids.entry(group.to_owned()).or_default().extend_from_slice(id.as_bytes());
        events.push_str(&["event: ready\ndata: [\"", id, "\"]\n\n"].concat());
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(format!("{head}{:x}\r\n{events}\r\n", events.len()).as_bytes()).await?;
    let socket = Arc::new(socket);
    let mut followers = followers.lock().unwrap_or_else(PoisonError::into_inner);
    for (group, ids) in ids {
        followers.entry(group).or_default().push((socket.clone(), ids));
    }
    Ok(())
}

/// Writes a change to all that follow it.
async fn change(followers: &Followers, group: &str, version: &str, bytes: usize) -> Outcome<()> {
    let all = followers.lock().unwrap_or_else(PoisonError::into_inner).get(group).cloned().unwrap_or_default();
    let mut out = Vec::new();
    for (socket, ids) in all {
        out.clear();
        for id in &ids {
            let start = format!("event: change\ndata: [\"{}\",\n{{\"progress\":{version},\"x\":\"", char::from(*id));
            let end = "\"}]\n\n";
            // The frame of a chunk of these sizes takes seven bytes.
            let fill = bytes.saturating_sub(start.len() + end.len() + 7);
            let event = format!("{start}{:x<fill$}{end}", "");
            out.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        }
        let mut written = 0;
        while written < out.len() {
            match socket.try_write(&out[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => socket.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn memory_kb() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
