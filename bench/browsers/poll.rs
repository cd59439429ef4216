//! One feed of a browser that polls, on a connection of its own: the requests that the official hooks' client makes.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::feed_response::{self, FeedResponse, Outcome};
use super::shared::Shared;

/// The size of the buffer for one response.
const BUFFER_BYTES: usize = 4 * 1024;

/// One feed's connection.
struct Feed<'a> {
    shared: &'a Shared,
    run: usize,
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// Follows a run until the relay ends it, which is a failure.
pub(crate) async fn follow(shared: Arc<Shared>, run: usize) -> Outcome<()> {
    let turn = shared.opening.acquire().await?;
    let socket = TcpStream::connect(&shared.relay).await?;
    socket.set_nodelay(true)?;
    let mut feed = Feed { shared: &shared, run, socket, buffer: Vec::with_capacity(BUFFER_BYTES) };
    feed.ask("offset=-1").await?;
    let snapshot = feed.receive().await?;
    feed.ask(&format!("offset={}&handle={}", snapshot.offset, snapshot.handle)).await?;
    let mut response = feed.receive().await?;
    drop(turn);
    let mut is_first = true;
    loop {
        let FeedResponse { offset, handle, .. } = &response;
        feed.ask(&format!("offset={offset}&handle={handle}&live=true&cursor=")).await?;
        if std::mem::take(&mut is_first) {
            shared.ready(1);
        } else if response.version.is_some() {
            shared.waits();
        }
        response = feed.receive().await?;
        if let Some(version) = response.version {
            shared.saw(run, version)?;
        }
    }
}

impl Feed<'_> {
    async fn ask(&mut self, query: &str) -> Outcome<()> {
        let Shared { relay, token, runs, .. } = self.shared;
        let run = &runs[self.run];
        let head = format!(
            "GET /realtime/v1/runs/{run}?log=full&{query} HTTP/1.1\r\nhost: {relay}\r\nauthorization: Bearer {token}\r\nx-trigger-electric-version: 1.0.0-beta.1\r\nx-trigger-api-version: 2025-07-16\r\naccept: */*\r\n\r\n"
        );
        self.socket.write_all(head.as_bytes()).await?;
        self.shared.sent(head.len());
        Ok(())
    }

    async fn receive(&mut self) -> Outcome<FeedResponse> {
        let response = feed_response::receive(&mut self.socket, &mut self.buffer).await?;
        self.shared.received(self.buffer.len());
        if response.status != 200 || response.handle.is_empty() {
            return Err(format!("the relay answered {}, with the handle {:?}", response.status, response.handle).into());
        }
        Ok(response)
    }
}
