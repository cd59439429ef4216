//! The common part of the feeds of one run and of several: admission, the shape parameters of the request, and the
//! response (docs/server-protocol.md 4).

use std::time::Duration;

use http::StatusCode;

use super::Context;
use crate::emulator::access::Caller;
use crate::emulator::column::Skipped;
use crate::emulator::row::{Row, messages};
use crate::serve::Permit;
use crate::serve::Request;
use crate::serve::Response;
use crate::serve::feed::{self, Cursor, Operation};

/// A reader of a feed.
pub(super) struct Reader<'a> {
    /// The context.
    pub(super) context: &'a Context,
    /// The request.
    pub(super) request: &'a Request,
    /// The columns that it leaves out.
    pub(super) skipped: Skipped,
}

/// Admits a reader.
///
/// # Errors
/// The preflight, the wrong method, or the 401.
pub(super) fn admit<'c>(context: &'c Context, request: &Request) -> Result<Caller<'c>, Response> {
    request.only_reads()?;
    request.caller(context).map_err(|refusal| Response::api_error(StatusCode::UNAUTHORIZED, refusal.text()))
}

impl<'a> Reader<'a> {
    /// A reader for that caller.
    pub(super) fn new(context: &'a Context, request: &'a Request, caller: &Caller<'_>) -> Self {
        let mut skipped = Skipped::default();
        skipped.add(request.parameter("skipColumns").unwrap_or_default().split(','));
        skipped.add(caller.skipped_columns());
        Self { context, request, skipped }
    }

    /// The cursor of a live request; any other request gets a snapshot, as from the native backend.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        Cursor::of(self.request).filter(|cursor| cursor.live)
    }

    /// Admits a live request.
    ///
    /// # Errors
    /// The 429 at the environment's limit.
    pub(super) fn enter(&self, caller: &Caller<'_>) -> Result<Permit, Response> {
        self.context.limits[caller.index]
            .enter()
            .ok_or_else(|| Response::api_error(StatusCode::TOO_MANY_REQUESTS, "Too many concurrent requests"))
    }

    /// The hold of this live request.
    pub(super) fn hold(&self) -> Duration {
        feed::hold(self.context.hold)
    }

    /// The body with these rows.
    pub(super) fn messages<'r>(&self, rows: impl IntoIterator<Item = (&'r Row, Operation)>) -> String {
        messages(rows, self.skipped, self.request.wants_old_statuses())
    }

    /// A snapshot.
    pub(super) fn snapshot(&self, body: String, handle: &str, offset: &str) -> Response {
        feed::snapshot(self.request, body, handle, offset, &self.skipped.schema())
    }

    /// The response of a live request.
    pub(super) fn live(&self, body: String, handle: &str, offset: &str, sequence: u64) -> Response {
        feed::live(self.request, body, handle, offset, sequence)
    }
}
