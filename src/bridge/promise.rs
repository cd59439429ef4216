//! Promises that a task on the process's runtime settles.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue};

use super::error::failure;
use crate::error::{Error, ErrorCode};
use crate::log::panics;
use crate::runtime;

/// A promise of the text that `work` gives. A panic in `work` becomes a failure: the promise always resolves.
pub(super) fn promise(env: &Env, work: impl Future<Output = String> + Send + 'static) -> napi::Result<Object<'_>> {
    promise_of(env, work, |error| failure(&error))
}

/// A promise of the output of `work`; where `work` panics or there is no runtime, of what `failed` makes of the error.
pub(super) fn promise_of<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl Future<Output = T> + Send + 'static,
    failed: fn(Error) -> T,
) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    match runtime::get() {
        Ok(runtime) => {
            runtime.spawn(async move {
                let value = AssertUnwindSafe(work).catch_unwind().await;
                deferred.resolve(given(value.unwrap_or_else(|panic| failed(panicked(&panic)))));
            });
        }
        Err(error) => deferred.resolve(given(failed(error))),
    }
    Ok(promise)
}

/// The error for a panic.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    Error::new(ErrorCode::Internal, format!("a fault of trigger-native: {}", panics::message_of(panic)))
}

/// Resolves a promise with `value`. One function, so that both resolutions have one type.
fn given<T: 'static>(value: T) -> impl FnOnce(Env) -> napi::Result<T> {
    move |_| Ok(value)
}
