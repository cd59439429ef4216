//! The one Tokio runtime of the process: few threads, named, started on first use, never ended.

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Kind, Result};

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The runtime, started with `threads` workers when this is the first call (default 2, at most
/// 64). Later calls get the running one, whatever they ask for.
///
/// # Errors
/// `ERR_RUNTIME` when the operating system gives no threads; the next call tries again.
pub fn get(threads: Option<usize>) -> Result<&'static Runtime> {
    RUNTIME.get_or_try_init(|| {
        Builder::new_multi_thread()
            .worker_threads(threads.unwrap_or(2).clamp(1, 64))
            .thread_name("trigger-native")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(Kind::Internal, "ERR_RUNTIME", "the operating system gave no threads").with_source(error)
            })
    })
}
