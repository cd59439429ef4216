//! The environment variables that name the server and the key, watched for JavaScript: each read of `process.env` there
//! costs a fifth of minting a token.

use std::cell::RefCell;
use std::ffi::OsString;

use napi_derive::napi;

/// The variables of docs/server-protocol.md 1, as `js/config/config.js` reads them.
const NAMES: [&str; 8] = [
    "TRIGGER_API_URL",
    "TRIGGER_SECRET_KEY",
    "TRIGGER_ACCESS_TOKEN",
    "TRIGGER_PREVIEW_BRANCH",
    "VERCEL_GIT_COMMIT_REF",
    "TRIGGER_DEV_BRANCH",
    "TRIGGER_V2_REALTIME_STREAMS",
    "TRIGGER_REALTIME_STREAMS_V2",
];

thread_local! {
    static SEEN: RefCell<(u32, [Option<OsString>; NAMES.len()])> = RefCell::default();
}

/// A version number, which grows when one of the variables has changed. For the main thread only: there `process.env` is
/// the environment of the process; a worker's is a copy.
#[napi(catch_unwind)]
pub fn environment() -> u32 {
    SEEN.with_borrow_mut(|(version, values)| {
        let mut changed = false;
        for (name, value) in NAMES.iter().zip(values) {
            let now = std::env::var_os(name);
            if *value != now {
                *value = now;
                changed = true;
            }
        }
        *version = version.wrapping_add(u32::from(changed));
        *version
    })
}
