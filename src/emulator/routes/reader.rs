//! What the feeds of one run and of several have in common: the request's shape parameters and
//! the headers of an answer (protocol.md 4).

use std::time::Duration;

use http::StatusCode;

use super::Context;
use crate::emulator::access::Caller;
use crate::emulator::column::Skipped;
use crate::emulator::ident;
use crate::emulator::row::{Operation, Row, messages};
use crate::random;
use crate::serve::Answer;
use crate::serve::Permit;
use crate::serve::Request;

/// A reader of a feed.
pub(super) struct Reader<'a> {
    /// What it works with.
    pub(super) context: &'a Context,
    /// Its request.
    pub(super) request: &'a Request,
    /// The columns that are left out for it.
    pub(super) skipped: Skipped,
}

/// Where a live request goes on.
pub(super) struct Place {
    /// The handle it was given.
    pub(super) handle: String,
    /// The offset it was given, as it is.
    pub(super) offset: String,
    /// The offset's milliseconds.
    pub(super) seen_ms: u64,
    /// The offset's number.
    pub(super) seen: u64,
}

/// Who reads, or the answer to give at once.
///
/// # Errors
/// The preflight, the wrong method, the 401.
pub(super) fn admit<'c>(context: &'c Context, request: &Request) -> Result<Caller<'c>, Answer> {
    request.only_reads()?;
    request.caller(context).map_err(|refusal| Answer::api_error(StatusCode::UNAUTHORIZED, refusal.text()))
}

impl<'a> Reader<'a> {
    /// A reader for that caller.
    pub(super) fn new(context: &'a Context, request: &'a Request, caller: &Caller<'_>) -> Self {
        let mut skipped = Skipped::default();
        skipped.add(request.parameter("skipColumns").unwrap_or_default().split(','));
        skipped.add(caller.skipped_columns());
        Self { context, request, skipped }
    }

    /// Where a live request goes on. A live request without a handle, or from the start, is a
    /// snapshot (recorded: `run-live-raw`).
    pub(super) fn place(&self) -> Option<Place> {
        let is_live = self.request.parameter("live").is_some_and(|live| live == "true");
        let offset = self.request.parameter("offset").unwrap_or_else(|| "-1".into());
        let handle = self.request.parameter("handle").filter(|_| is_live && offset != "-1")?;
        let (ms, number) = offset.split_once('_').unwrap_or((&offset, "0"));
        let (seen_ms, seen) = (ms.parse().unwrap_or(0), number.parse().unwrap_or(0));
        Some(Place { handle, offset, seen_ms, seen })
    }

    /// Lets a live request in.
    ///
    /// # Errors
    /// The 429 of an environment that has too many already.
    pub(super) fn enter(&self, caller: &Caller<'_>) -> Result<Permit, Answer> {
        self.context.limits[caller.index]
            .enter()
            .ok_or_else(|| Answer::api_error(StatusCode::TOO_MANY_REQUESTS, "Too many concurrent requests"))
    }

    /// How long this live request is held.
    pub(super) fn hold(&self) -> Duration {
        ident::strayed(self.context.hold, random::unit())
    }

    /// The body with these rows.
    pub(super) fn messages<'r>(&self, rows: impl IntoIterator<Item = (&'r Row, Operation)>) -> String {
        messages(rows, self.skipped, self.request.wants_old_statuses())
    }

    /// A snapshot.
    pub(super) fn snapshot(&self, body: String, handle: &str, offset: &str) -> Answer {
        self.answer(body, handle, offset).with("electric-schema", &self.skipped.schema())
    }

    /// A live answer.
    pub(super) fn live(&self, body: String, handle: &str, offset: &str, cursor: u64) -> Answer {
        self.answer(body, handle, offset).with("electric-cursor", &cursor.to_string())
    }

    /// Clients that do not name their version of the protocol are told the old header names.
    fn answer(&self, body: String, handle: &str, offset: &str) -> Answer {
        let modern = self.request.headers.contains_key("x-trigger-electric-version");
        let (handle_name, offset_name) = if modern {
            ("electric-handle", "electric-offset")
        } else {
            ("electric-shape-id", "electric-chunk-last-offset")
        };
        Answer::feed(body).with(handle_name, handle).with(offset_name, offset)
    }
}
