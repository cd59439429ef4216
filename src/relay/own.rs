//! Which environment is the relay's own. Usually the server says (`judge::subject`). A key that may read feeds and not ask
//! for its claims learns it from what both it and a viewer's token are shown: a run is of one environment.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::Relay;
use super::judge::{self, Unsure};
use super::notices::Trouble;
use crate::config::KeyKind;
use crate::error::{Error, Kind};
use crate::lock::lock;
use crate::serve::Response;
use crate::token::ClaimsStore;
use http::StatusCode;

/// How long it is kept that this key may not ask.
const RESTRICTED: Duration = Duration::from_secs(60);
/// How long trouble is kept: viewers with forged tokens must not ask the server again and again.
const TROUBLED: Duration = Duration::from_secs(1);

/// What a relay knows of its own environment.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Its id, proven by a run or a batch that a viewer's token and the relay's key are both shown.
    proven: OnceLock<String>,
    /// Until when it is not asked for again, and what is told meanwhile; nothing where the key is a restricted one.
    pause: Mutex<Option<(Instant, Option<Trouble>)>>,
}

impl Own {
    /// The token of a viewer from `sub` is shown what the relay's key is shown.
    pub(super) fn prove(&self, sub: &str) {
        // Once learned it stays: a key is of one environment.
        let _ = self.proven.set(sub.to_owned());
    }

    /// Whether it is not asked for now: with nothing to say where the key is a restricted one, else with why.
    fn paused(&self) -> Option<Result<(), Trouble>> {
        let pause = *lock(&self.pause);
        pause.filter(|(until, _)| Instant::now() < *until).map(|(_, trouble)| trouble.map_or(Ok(()), Err))
    }

    fn pause(&self, span: Duration, trouble: Option<Trouble>) {
        *lock(&self.pause) = Some((Instant::now() + span, trouble));
    }
}

impl Relay {
    /// The id of the relay's own environment where it is known.
    pub(super) fn own_sub(&self) -> Option<String> {
        let known = ClaimsStore::global().known(&self.options.endpoint);
        known.map(|minter| minter.subject().to_owned()).or_else(|| self.own.proven.get().cloned())
    }

    /// Learns the id of the relay's own environment; `None` where the key may not ask for it, and yet may read.
    ///
    /// # Errors
    /// The answer that says what to set, or when to come back.
    pub(super) async fn learn_sub(&self) -> Result<Option<String>, Response> {
        let endpoint = &self.options.endpoint;
        if let Some(paused) = self.own.paused() {
            return paused.map(|()| None).map_err(answer);
        }
        let error = match judge::subject(endpoint, &self.options.client).await {
            Ok(sub) => return Ok(Some(sub)),
            Err(error) => error,
        };
        let Some(trouble) = trouble(&error) else { return Err(Unsure::Busy(1).answer()) };
        let is_restricted = endpoint.kind() == KeyKind::Additional && trouble != Trouble::Unreachable;
        if is_restricted {
            self.own.pause(RESTRICTED, None);
            return Ok(None);
        }
        self.own.pause(TROUBLED, Some(trouble));
        self.options.notices.tell(trouble.text());
        Err(answer(trouble))
    }
}

fn answer(trouble: Trouble) -> Response {
    let status = match trouble {
        Trouble::WrongKey | Trouble::NoRights => StatusCode::INTERNAL_SERVER_ERROR,
        Trouble::Unreachable => StatusCode::BAD_GATEWAY,
    };
    Response::api_error(status, trouble.text()).with("retry-after", "1")
}

fn trouble(error: &Error) -> Option<Trouble> {
    match error.status() {
        Some(status) => Trouble::of(status),
        None => matches!(error.kind(), Kind::Connection | Kind::Timeout).then_some(Trouble::Unreachable),
    }
}
