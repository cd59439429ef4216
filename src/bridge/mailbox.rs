//! What comes to JavaScript of its own time: batches of feeds and streams, many in one crossing.
//!
//! A promise of Node-API's costs more than a whole update of a run (15 to 29 µs). Here a crossing is
//! made when the mailbox was empty, and takes whatever has come until JavaScript looks.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use napi::bindgen_prelude::{Function, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, JsValue as _, Status, sys};
use napi_derive::napi;

use super::error::failure;
use super::promise::panicked;
use crate::runtime;

/// The most text of one crossing, in bytes, unless a single letter is longer: JavaScript parses it
/// in one go.
const LARGEST_CROSSING: usize = 256 * 1024;

type Signal = ThreadsafeFunction<(), (), Text, Status, false, true>;

/// The mailbox of one JavaScript environment.
#[napi]
pub struct Mailbox {
    shared: Arc<Shared>,
}

struct Shared {
    letters: Arc<Mutex<Letters>>,
    signal: Signal,
}

#[derive(Debug, Default)]
struct Letters {
    /// Tickets and texts, oldest first.
    waiting: Vec<(u32, String)>,
    /// Letters that JavaScript waits for. While there are any, the process lives.
    expected: usize,
    last_ticket: u32,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

#[napi]
impl Mailbox {
    /// `deliver` gets `[ticket, letter, ticket, letter, …]` as JSON text, and must not throw.
    #[napi(constructor)]
    pub fn new(deliver: Function<'_, Text, ()>) -> napi::Result<Self> {
        let letters = Arc::new(Mutex::new(Letters::default()));
        let taken = letters.clone();
        let signal = deliver
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |_| Ok(Text(lock(&taken).take())))?;
        Ok(Self { shared: Arc::new(Shared { letters, signal }) })
    }

    /// JavaScript took letters, and some more wait or none are expected any more: goes on, or lets
    /// the process end.
    #[napi(catch_unwind)]
    pub fn settle(&self, env: Env) -> napi::Result<()> {
        let letters = lock(&self.shared.letters);
        if letters.expected == 0 {
            self.shared.keep_alive(env, false)?;
        }
        if !letters.waiting.is_empty() {
            drop(letters);
            self.shared.ring();
        }
        Ok(())
    }
}

impl Mailbox {
    /// An address of its own for one reader.
    pub(super) fn address(&self) -> Address {
        let mut letters = lock(&self.shared.letters);
        letters.last_ticket = letters.last_ticket.wrapping_add(1);
        Address { shared: self.shared.clone(), ticket: letters.last_ticket }
    }
}

/// Where one reader's batches go.
#[derive(Clone)]
pub(super) struct Address {
    shared: Arc<Shared>,
    ticket: u32,
}

impl Address {
    pub(super) fn ticket(&self) -> u32 {
        self.ticket
    }

    /// JavaScript waits for a letter, which keeps the process alive.
    pub(super) fn expect(&self, env: Env) -> napi::Result<()> {
        let mut letters = lock(&self.shared.letters);
        letters.expected += 1;
        if letters.expected == 1 { self.shared.keep_alive(env, true) } else { Ok(()) }
    }

    /// Posts what `letter` gives; a panic in it is posted as a failure, for JavaScript waits.
    pub(super) fn post_caught(&self, letter: impl FnOnce() -> Option<String>) {
        match catch_unwind(AssertUnwindSafe(letter)) {
            Ok(Some(text)) => self.post(text),
            Ok(None) => {}
            Err(panic) => self.post(failed(&failure(&panicked(&panic)))),
        }
    }

    /// Posts what `work` gives, once it does. Text that is there at once is none.
    pub(super) fn post_from(self, work: impl Future<Output = String> + Send + 'static) -> Option<Text> {
        match runtime::get(None) {
            Ok(runtime) => drop(runtime.spawn(async move {
                let text = AssertUnwindSafe(work).catch_unwind().await;
                self.post(text.unwrap_or_else(|panic| failed(&failure(&panicked(&panic)))));
            })),
            Err(error) => self.post(failed(&failure(&error))),
        }
        None
    }

    fn post(&self, text: String) {
        let first = {
            let mut letters = lock(&self.shared.letters);
            letters.waiting.push((self.ticket, text));
            letters.waiting.len() == 1
        };
        if first {
            self.shared.ring();
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// A batch that is only a failure: `{"ok": …} | {"error": …}` as a batch's end.
fn failed(failure: &str) -> String {
    format!(
        "{{\"rows\":[],\"chunks\":[],\"holes\":[],\"notices\":[],\"faults\":[],\"drained\":false,\"end\":{failure}}}"
    )
}

impl Shared {
    fn ring(&self) {
        // Closing: the environment is on its way out, and nobody waits there any more.
        let _ = self.signal.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }

    #[allow(
        unsafe_code,
        reason = "napi knows no safe way to say whether a thread-safe function keeps the process alive"
    )]
    fn keep_alive(&self, env: Env, alive: bool) -> napi::Result<()> {
        // SAFETY: on the environment's own thread, with its own env; the function lives as long as `signal`.
        let status = unsafe {
            if alive {
                sys::napi_ref_threadsafe_function(env.raw(), self.signal.raw())
            } else {
                sys::napi_unref_threadsafe_function(env.raw(), self.signal.raw())
            }
        };
        match Status::from(status) {
            Status::Ok => Ok(()),
            status => Err(napi::Error::new(status, "the process cannot be kept alive")),
        }
    }
}

impl Letters {
    /// `[ticket,letter,…]` of what fits into one crossing.
    fn take(&mut self) -> String {
        let mut size = 0;
        let fits = self.waiting.iter().take_while(|(_, text)| {
            let fits = size == 0 || size + text.len() <= LARGEST_CROSSING;
            size += text.len();
            fits
        });
        let count = fits.count();
        let mut all = String::with_capacity(size + 12 * count + 2);
        all.push('[');
        for (place, (ticket, text)) in self.waiting.drain(..count).enumerate() {
            if place > 0 {
                all.push(',');
            }
            // Writing into a String cannot fail.
            let _ = write!(all, "{ticket},");
            all.push_str(&text);
        }
        all.push(']');
        self.expected = self.expected.saturating_sub(count);
        all
    }
}

fn lock(letters: &Mutex<Letters>) -> MutexGuard<'_, Letters> {
    letters.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Text for JavaScript. ASCII, which V8 takes over as it is, needs no decoding.
#[derive(Debug)]
pub struct Text(pub(super) String);

#[allow(unsafe_code, reason = "the trait is")]
impl ToNapiValue for Text {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> napi::Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let string = if text.0.is_ascii() { env.create_string_latin1(text.0)? } else { env.create_string(text.0)? };
        Ok(string.raw())
    }
}
