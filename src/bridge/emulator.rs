//! The emulator, held by JavaScript.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;
use serde_json::json;
use tokio::sync::{Mutex, Notify};

use super::error::failure;
use super::promise::promise;
use crate::emulator::{self, Running};
use crate::error::{Error, ErrorCode};

/// One emulator. It ends with `stop()`, or when it is collected.
#[napi]
#[derive(Debug, Default)]
pub struct Emulator {
    running: Arc<Mutex<Option<Running>>>,
    stopped: Arc<Notify>,
}

#[napi]
impl Emulator {
    /// One that has not started.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// A promise of `{"ok": {"url", "secretKey"}}`, or of an error. Called once.
    #[napi(catch_unwind)]
    pub fn start<'env>(&self, env: &'env Env, options: String) -> napi::Result<Object<'env>> {
        let place = self.running.clone();
        promise(env, async move {
            match emulator::start(&options).await {
                Ok(running) => {
                    let answer = json!({ "ok": { "url": running.url(), "secretKey": running.secret_key() } });
                    *place.lock().await = Some(running);
                    answer.to_string()
                }
                Err(error) => failure(&error),
            }
        })
    }

    /// A promise that settles when the emulator was stopped: it keeps the process alive till then.
    #[napi(catch_unwind)]
    pub fn ended<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let stopped = self.stopped.clone();
        promise(env, async move {
            stopped.notified().await;
            String::new()
        })
    }

    /// A promise of the requests so far, as text; of an empty text when it is not running.
    #[napi(catch_unwind)]
    pub fn stats<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let place = self.running.clone();
        promise(env, async move { place.lock().await.as_ref().map(Running::stats).unwrap_or_default() })
    }

    /// Moves its clock on by so many milliseconds; a promise of `{"ok": where it is then}`, or of an
    /// error, that settles when everything due was done.
    #[napi(catch_unwind)]
    pub fn advance<'env>(&self, env: &'env Env, ms: BigInt) -> napi::Result<Object<'env>> {
        let place = self.running.clone();
        promise(env, async move {
            // Not held meanwhile: stopping must not wait for the clock.
            let handle = place.lock().await.as_ref().map(Running::handle);
            match handle {
                Some(handle) => match handle.advance(ms.get_u64().1).await {
                    Ok(now) => json!({ "ok": now }).to_string(),
                    Err(error) => failure(&error),
                },
                None => failure(&stopped()),
            }
        })
    }

    /// Replaces the tasks it was given; a promise of `{"ok": how many there are}`, or of an error.
    #[napi(catch_unwind)]
    pub fn replace_tasks<'env>(&self, env: &'env Env, scripts: String) -> napi::Result<Object<'env>> {
        let place = self.running.clone();
        promise(env, async move {
            match place.lock().await.as_ref().map(|running| running.handle().replace_tasks(&scripts)) {
                Some(Ok(count)) => json!({ "ok": count }).to_string(),
                Some(Err(error)) => failure(&error),
                None => failure(&stopped()),
            }
        })
    }

    /// Stops it; a promise that settles when it is gone. Idempotent.
    #[napi(catch_unwind)]
    pub fn stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (place, stopped) = (self.running.clone(), self.stopped.clone());
        promise(env, async move {
            let running = place.lock().await.take();
            if let Some(running) = running {
                running.stop().await;
            }
            stopped.notify_one();
            String::new()
        })
    }
}

/// What a call on an emulator that is not running becomes.
fn stopped() -> Error {
    Error::new(ErrorCode::EmulatorStopped, "the emulator was stopped")
}
