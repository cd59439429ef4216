//! The emulator's listener and its routes: any requests one after another get an answer, no answer is a fault of its own,
//! and it answers on.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::input::Input;
use crate::emulator::{Running, start};

const OPTIONS: &str = r#"{"clock":"manual","holdMs":1,"maxRuns":50}"#;
/// The most requests of one execution.
const MAX_REQUESTS: usize = 8;
/// How long a held poll or an open stream is waited for.
const HELD: Duration = Duration::from_millis(10);
/// Longer than any other answer takes.
const FAILSAFE: Duration = Duration::from_secs(5);

/// Starts an emulator, and sends it the requests of the input. Each part is a request: a line with its method and target,
/// then its body. `{run}` in a line stands for the first id of a run that an answer named, `{token}` and `{batch}`
/// likewise. A part that begins with `\x01` goes out as it is, without a head of ours.
pub fn emulator(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (options, rest) = match data.split_first() {
            // Options of the input, which are taken or refused.
            Some((b'{', _)) => {
                let mut input = Input::new(data);
                (input.text(), input.rest())
            }
            _ => (OPTIONS.to_owned(), data),
        };
        let options = options.replace("\"port\"", "\"speed\"").replace("pageDirectory", "speed");
        let Ok(running) = start(&options).await else { return };
        let mut session = Session { running, ids: Vec::new(), may_fail: options.contains("fault") };
        let mut input = Input::new(rest);
        for _ in 0..MAX_REQUESTS {
            let Some(part) = input.part() else { break };
            session.request(part).await;
        }
        let stats = session.send(b"GET /emulator/stats HTTP/1.1\r\n", b"").await;
        assert_eq!(stats.expect("it answers on").status, 200);
    });
}

struct Session {
    running: Running,
    /// The ids that answers named.
    ids: Vec<String>,
    /// Whether a request set a fault, so that any answer may be one.
    may_fail: bool,
}

struct Answer {
    status: u16,
    is_json: bool,
    body: Vec<u8>,
}

impl Session {
    async fn request(&mut self, part: &[u8]) {
        self.may_fail |= part.windows(6).any(|window| window.eq_ignore_ascii_case(b"faults"));
        if let Some((1, raw)) = part.split_first() {
            self.exchange(raw, HELD).await;
            return;
        }
        let end = part.iter().position(|&byte| byte == b'\n').unwrap_or(part.len());
        let (line, body) =
            (String::from_utf8_lossy(&part[..end]).into_owned(), part.get(end + 1..).unwrap_or_default());
        let mut line = line.replace('\r', "");
        for (name, prefix) in [("{run}", "run_"), ("{token}", "waitpoint_"), ("{batch}", "batch_")] {
            let id = self.ids.iter().find(|id| id.starts_with(prefix));
            line = line.replace(name, id.map_or("none", String::as_str));
        }
        let answer = self.send(format!("{line} HTTP/1.1\r\n").as_bytes(), body).await;
        let is_held = line.contains("live=") || line.contains("/streams/") || line.contains("/relay/");
        // `PRI` begins HTTP/2, of which the rest is none.
        let is_http1 = !line.starts_with("PRI ") && line.is_ascii() && !line.contains(char::is_control);
        let is_request = line.split(' ').count() == 2 && is_http1;
        let Some(answer) = answer else {
            assert!(is_held || self.may_fail || !is_request || line.starts_with("HEAD"), "no answer to {line}");
            return;
        };
        if answer.is_json && !is_held && !line.starts_with("HEAD") {
            let value: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON is JSON");
            if let Some(id) = value["id"].as_str() {
                self.ids.push(id.to_owned());
            }
        }
        // The server answers 500 for an unknown wait token, and so does the emulator (recorded: `calls-wait`).
        let is_wait_token = line.starts_with("GET /api/v1/waitpoints/tokens/");
        assert!(
            self.may_fail || is_wait_token || answer.status != 500,
            "{line}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// The answer to a request; `None` where none came, or none that was understood.
    async fn send(&self, line: &[u8], body: &[u8]) -> Option<Answer> {
        let head = format!(
            "host: 127.0.0.1\r\nauthorization: Bearer {}\r\nconnection: close\r\ntimeout-seconds: 1\r\ncontent-length: {}\r\n\r\n",
            self.running.secret_key(),
            body.len(),
        );
        let is_held = line.windows(5).any(|window| matches!(window, b"live=" | b"strea" | b"relay"));
        let bytes = self.exchange(&[line, head.as_bytes(), body].concat(), if is_held { HELD } else { FAILSAFE }).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let is_json = head.contains("content-type: application/json") && !head.contains("content-encoding");
        let body = bytes[end + 4..].to_vec();
        // An answer in parts is not put together here.
        Some(Answer { status, is_json: is_json && !head.contains("transfer-encoding") && status != 304, body })
    }

    /// Sends bytes on a connection of their own, and reads until it is closed, or nothing more comes.
    async fn exchange(&self, bytes: &[u8], patience: Duration) -> Vec<u8> {
        let address = self.running.url().trim_start_matches("http://").to_owned();
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        // The server may have answered, and closed, before it read everything.
        let sent = timeout(patience, socket.write_all(bytes)).await;
        let mut read = Vec::new();
        if sent.is_ok() {
            let whole = timeout(patience, socket.read_to_end(&mut read)).await;
            assert!(whole.is_ok() || patience == HELD, "an answer does not end: {}", String::from_utf8_lossy(bytes));
        }
        read
    }
}
