//! The end of a connection's write half, after which bytes of a request may still arrive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::sleep;

use super::State;

impl State {
    /// Shuts down the write half. Where bytes of a request may still arrive they are read and dropped for a while: unread
    /// bytes at the close make the system send a reset, and the client would lose the response.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger_timeout.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if self.is_at_end || !(self.has_rejected_body || self.header_timeout.is_some()) {
                return Poll::Ready(Ok(()));
            }
        }
        let span = self.listener.bounds.timeouts.linger;
        let timeout = self.linger_timeout.get_or_insert_with(|| Box::pin(sleep(span)));
        if timeout.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
