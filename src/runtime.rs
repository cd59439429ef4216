//! The one Tokio runtime of the process: few threads, named, started on first use, never stopped.
//!
//! Every context of the process that loads the same addon file shares it: worker threads, and copies of
//! the JavaScript. A copy of the addon file is another library with a runtime of its own.

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorCode, Result};
use crate::log;

/// The environment variable with the number of worker threads.
const VARIABLE: &str = "TRIGGER_NATIVE_THREADS";
/// Worker threads unless the variable says otherwise: all work is I/O and decoding.
const DEFAULT_THREADS: usize = 2;
/// The most worker threads.
const MAX_THREADS: usize = 64;
/// The most further threads, which look up host names and end when idle.
const MAX_LOOKUP_THREADS: usize = 16;

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The runtime. The first call starts it, with `TRIGGER_NATIVE_THREADS` workers (1 to 64), or 2.
///
/// # Errors
/// `ERR_INVALID_THREADS` when the variable is no such number, `ERR_RUNTIME` when the operating system
/// gives no threads; the next call tries again.
pub fn get() -> Result<&'static Runtime> {
    RUNTIME.get_or_try_init(|| {
        // Early enough: every event that is logged happens on the runtime.
        log::from_environment();
        let threads = parse(std::env::var_os(VARIABLE).as_deref().map(std::ffi::OsStr::to_string_lossy).as_deref())?;
        Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(MAX_LOOKUP_THREADS)
            .thread_name("trigger-native")
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorCode::Runtime, "the operating system gave no threads").with_source(error))
    })
}

/// The number of workers in the variable; an empty one counts as missing.
fn parse(value: Option<&str>) -> Result<usize> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(DEFAULT_THREADS) };
    match value.parse() {
        Ok(threads) if (1..=MAX_THREADS).contains(&threads) => Ok(threads),
        Ok(_) | Err(_) => Err(Error::new(
            ErrorCode::InvalidThreads,
            format!("{VARIABLE} is {value:?}: it must be a whole number from 1 to {MAX_THREADS}, or not be set"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_variable_is_a_number_from_1_to_64_or_an_error_that_names_it() {
        for (value, threads) in [(None, 2), (Some(""), 2), (Some("1"), 1), (Some("64"), 64)] {
            assert_eq!(parse(value).expect("valid"), threads, "{value:?}");
        }
        for value in ["0", "65", "-1", "2.5", "two", " 2", "99999999999999999999"] {
            let error = parse(Some(value)).expect_err(value);
            assert_eq!((error.kind(), error.code()), (Kind::Config, ErrorCode::InvalidThreads));
            assert!(error.message().contains("TRIGGER_NATIVE_THREADS"));
        }
    }
}
