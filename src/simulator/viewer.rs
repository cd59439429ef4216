//! A viewer of a relay, which follows a feed as the official client does.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;
use tokio::time::sleep;

use super::backend::Backend;
use super::history::{View, Watch};
use crate::relay::Relay;
use crate::shape::truth::Cells;

/// A viewer, and what it saw.
pub(super) struct Viewer {
    pub(super) watch: Watch,
    token: String,
    /// The columns that its requests leave out; its token leaves out others.
    skips: String,
    handle: Option<String>,
    /// The offset to go on from, once it has one.
    offset: Option<String>,
    cursor: String,
    is_live: bool,
}

/// A request to a relay, with this token.
pub(super) fn request(target: &str, token: &str) -> http::request::Builder {
    Request::get(target)
        .header("host", "app.example")
        .header("authorization", format!("Bearer {token}"))
        .header("x-trigger-api-version", "2025-07-16")
        .header("x-trigger-electric-version", "1.0.0-beta.1")
}

pub(super) fn no_body() -> crate::serve::Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

impl Viewer {
    /// A viewer whose token leaves out the columns of `view`, and whose requests `more` of them.
    pub(super) fn new(view: View, more: &[String], token: String) -> Self {
        let mut view = view;
        view.skips.extend(more.iter().cloned());
        let watch = Watch::new(view, true, true);
        let skips = more.join(",");
        Self { watch, token, skips, handle: None, offset: None, cursor: String::new(), is_live: false }
    }

    fn target(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.watch.view().parameters());
        query.append_pair("offset", self.offset.as_deref().unwrap_or("-1"));
        if let Some(handle) = &self.handle {
            query.append_pair("handle", handle);
        }
        if self.is_live {
            query.append_pair("live", "true").append_pair("cursor", &self.cursor);
        }
        if !self.skips.is_empty() {
            query.append_pair("skipColumns", &self.skips);
        }
        format!("{}?{}", self.watch.view().path(), query.finish())
    }

    /// One poll. True when it brought something, or has to be made again.
    pub(super) async fn poll(&mut self, relay: &Arc<Relay>, backend: &Backend) -> bool {
        let asked = request(&self.target(), &self.token).body(no_body()).expect("a request");
        let (head, body) = relay.respond(asked, None).await.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        match head.status.as_u16() {
            200 => self.take(&head.headers, &body, backend),
            204 => false,
            409 => {
                self.watch.restart();
                (self.handle, self.offset, self.is_live) = (text(&head.headers, "electric-handle"), None, false);
                true
            }
            429 | 502..=504 => {
                sleep(Duration::from_secs(1)).await;
                true
            }
            status => panic!("{status}: {}", String::from_utf8_lossy(&body)),
        }
    }

    fn take(&mut self, headers: &HeaderMap, body: &[u8], backend: &Backend) -> bool {
        let messages: Vec<Value> = serde_json::from_slice(body).expect("messages");
        let state = backend.state();
        let now_ms = state.table.now_ms;
        let mut brought = self.offset.is_none();
        self.handle = Some(text(headers, "electric-handle").expect("a handle"));
        self.offset = Some(text(headers, "electric-offset").expect("an offset"));
        self.cursor = text(headers, "electric-cursor").unwrap_or_default();
        for message in &messages {
            if message["headers"]["control"] == "up-to-date" {
                self.is_live = true;
                continue;
            }
            let key = message["key"].as_str().expect("a key");
            brought = true;
            if message["headers"]["operation"] == "delete" {
                self.watch.gone(&state.history, now_ms, key);
                continue;
            }
            let mut cells: Cells = self.watch.row(key).cloned().unwrap_or_default();
            for (name, cell) in message["value"].as_object().expect("columns") {
                match cell.as_str() {
                    Some(text) => cells.insert(name.clone(), text.to_owned()),
                    None => cells.remove(name),
                };
            }
            self.watch.take(&state.history, now_ms, key, cells);
        }
        brought
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().expect("text").to_owned())
}
