//! How an answer reaches the client, over either version of HTTP.

use bytes::Bytes;
use http::response::Parts;

use super::rule::How;
use super::wire::Wire;

/// The client has gone, or the connection has broken off.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// Sends one answer.
pub trait Responder: Send {
    /// Sends the head. `whole` says that `content-length` is the body's.
    fn head(&mut self, head: Parts) -> impl Future<Output = Result<(), Gone>> + Send;
    fn data(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
    fn end(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;
    /// Breaks the answer off as only HTTP/2 can; HTTP/1.1 resets the connection instead.
    fn break_off(&mut self, how: How);
    /// Resolves once the client wants no answer any more.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
    fn wire(&self) -> &Wire;
    /// Ends the connection as a server does that goes away politely.
    fn go_away(&mut self);
}
