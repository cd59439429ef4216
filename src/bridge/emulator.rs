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

/// One emulator. It ends with `stop()`, or when it is garbage-collected.
#[napi]
#[derive(Debug, Default)]
pub struct Emulator {
    running: Arc<Mutex<Option<Running>>>,
    stopped: Arc<Notify>,
}

#[napi]
impl Emulator {
    /// An emulator that has not started.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// A promise of `{"ok": {"url", "secretKey"}}`, or of an error. Called once.
    #[napi(catch_unwind)]
    pub fn start<'env>(&self, env: &'env Env, options: String) -> napi::Result<Object<'env>> {
        let running = self.running.clone();
        promise(env, async move {
            match emulator::start(&options).await {
                Ok(started) => {
                    let answer = json!({ "ok": { "url": started.url(), "secretKey": started.secret_key() } });
                    *running.lock().await = Some(started);
                    answer.to_string()
                }
                Err(error) => failure(&error),
            }
        })
    }

    /// A promise that settles when the emulator was stopped, and keeps the process alive until then.
    #[napi(catch_unwind)]
    pub fn ended<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let stopped = self.stopped.clone();
        promise(env, async move {
            stopped.notified().await;
            String::new()
        })
    }

    /// A promise of the counts of requests so far, as JSON; of an empty text when the emulator is not running.
    #[napi(catch_unwind)]
    pub fn stats<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let running = self.running.clone();
        promise(env, async move { running.lock().await.as_ref().map(Running::stats).unwrap_or_default() })
    }

    /// Advances the clock by so many milliseconds. A promise of `{"ok": the time then}`, or of an error, which settles when
    /// everything that was due has been done.
    #[napi(catch_unwind)]
    pub fn advance<'env>(&self, env: &'env Env, ms: BigInt) -> napi::Result<Object<'env>> {
        let running = self.running.clone();
        promise(env, async move {
            // The lock is not held meanwhile: stopping must not wait for the clock.
            let handle = running.lock().await.as_ref().map(Running::handle);
            match handle {
                Some(handle) => match handle.advance(ms.get_u64().1).await {
                    Ok(now) => json!({ "ok": now }).to_string(),
                    Err(error) => failure(&error),
                },
                None => failure(&stopped()),
            }
        })
    }

    /// Replaces the tasks. A promise of `{"ok": their number}`, or of an error.
    #[napi(catch_unwind)]
    pub fn replace_tasks<'env>(&self, env: &'env Env, scripts: String) -> napi::Result<Object<'env>> {
        let running = self.running.clone();
        promise(env, async move {
            match running.lock().await.as_ref().map(|running| running.handle().replace_tasks(&scripts)) {
                Some(Ok(count)) => json!({ "ok": count }).to_string(),
                Some(Err(error)) => failure(&error),
                None => failure(&stopped()),
            }
        })
    }

    /// Stops the emulator. A promise that settles when it has stopped. Idempotent.
    #[napi(catch_unwind)]
    pub fn stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (running, stopped) = (self.running.clone(), self.stopped.clone());
        promise(env, async move {
            let emulator = running.lock().await.take();
            if let Some(emulator) = emulator {
                emulator.stop().await;
            }
            stopped.notify_one();
            String::new()
        })
    }
}

/// The error of a call on an emulator that is not running.
fn stopped() -> Error {
    Error::new(ErrorCode::EmulatorStopped, "the emulator was stopped")
}
