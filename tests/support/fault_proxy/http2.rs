//! The half of the proxy that speaks HTTP/2.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::response::Parts;
use http::{Request, Response};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use super::exchange;
use super::frames;
use super::proxy::Shared;
use super::responder::{Gone, Responder};
use super::rule::How;
use super::upstream::Ask;
use super::wire::Wire;

/// As many streams as servers commonly allow.
const STREAMS: u32 = 100;

/// Answers the requests of a connection, until it ends.
pub async fn serve(shared: Arc<Shared>, io: DuplexStream, wire: Arc<Wire>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(STREAMS);
    let Ok(mut connection) = builder.handshake(io).await else { return };
    let mut answers = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (shared, wire) = (shared.clone(), wire.clone());
        answers.spawn(async move {
            let _request = shared.request();
            let mut to = Http2 { respond, body: None, wire };
            if let Some(ask) = read(request).await {
                // The client has gone, or is to think that the answer never ends.
                let _ = exchange::run(&shared, &ask, &mut to).await;
            }
        });
    }
}

async fn read(request: Request<RecvStream>) -> Option<Ask> {
    let (head, mut stream) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data.ok()?;
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    let path = head.uri.path_and_query()?.to_string();
    Some(Ask { method: head.method, path, headers: head.headers, body: body.freeze() })
}

struct Http2 {
    respond: SendResponse<Bytes>,
    body: Option<SendStream<Bytes>>,
    wire: Arc<Wire>,
}

impl Responder for Http2 {
    async fn head(&mut self, head: Parts) -> Result<(), Gone> {
        let mut response = Response::from_parts(head, ());
        for name in ["connection", "transfer-encoding", "keep-alive"] {
            response.headers_mut().remove(name);
        }
        self.body = Some(self.respond.send_response(response, false).map_err(|_| Gone)?);
        Ok(())
    }

    async fn data(&mut self, mut bytes: Bytes) -> Result<(), Gone> {
        let body = self.body.as_mut().ok_or(Gone)?;
        while !bytes.is_empty() {
            body.reserve_capacity(bytes.len());
            let capacity = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
            let Some(Ok(capacity)) = capacity else { return Err(Gone) };
            let part = bytes.split_to(capacity.min(bytes.len()));
            body.send_data(part, false).map_err(|_| Gone)?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Gone> {
        self.body.as_mut().ok_or(Gone)?.send_data(Bytes::new(), true).map_err(|_| Gone)
    }

    fn break_off(&mut self, how: How) {
        let reason = if how == How::Stream { Reason::INTERNAL_ERROR } else { Reason::REFUSED_STREAM };
        if how == How::GoAway {
            let stream = u32::from(self.respond.stream_id());
            self.wire.inject(frames::go_away(stream.saturating_sub(2)));
        } else if let Some(body) = &mut self.body {
            body.send_reset(reason);
        } else {
            self.respond.send_reset(reason);
        }
    }

    async fn gone(&mut self) {
        let (respond, body) = (&mut self.respond, &mut self.body);
        let _ = std::future::poll_fn(|cx| match body {
            Some(body) => body.poll_reset(cx),
            None => respond.poll_reset(cx),
        })
        .await;
    }

    fn wire(&self) -> &Wire {
        &self.wire
    }

    fn go_away(&mut self) {
        self.wire.inject(frames::go_away(u32::from(self.respond.stream_id())));
    }
}
