//! Promises settled from the process's runtime.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use napi::Env;
use napi::bindgen_prelude::Object;

use super::error::failure;
use crate::error::{Error, Kind};
use crate::runtime;

/// A promise of the text that `work` gives. A panic in `work` becomes a failure, so that the
/// promise always settles. It never rejects.
pub(super) fn promise(env: &Env, work: impl Future<Output = String> + Send + 'static) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    match runtime::get() {
        Ok(runtime) => {
            runtime.spawn(async move {
                let text =
                    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| failure(&panicked(&panic)));
                deferred.resolve(given(text));
            });
        }
        Err(error) => {
            let text = failure(&error);
            deferred.resolve(given(text));
        }
    }
    Ok(promise)
}

/// The error a panic becomes.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let what = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new(Kind::Internal, "ERR_INTERNAL", format!("a fault of trigger-native: {}", what.unwrap_or("it panicked")))
}

/// Gives `text` to the promise. One function, so that both settlements have one type.
fn given(text: String) -> impl FnOnce(Env) -> napi::Result<String> {
    move |_| Ok(text)
}
