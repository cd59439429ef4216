//! The mailbox: batches of feeds and streams on their way to JavaScript, many in one crossing of the N-API boundary.
//!
//! A Node-API promise costs more than a whole update of a run (15 to 29 µs). A mailbox crosses only when it was empty
//! before, and takes along every letter that has come until JavaScript looks.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt as _;
use napi::bindgen_prelude::{Either, Function, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, JsValue as _, Status, sys};
use napi_derive::napi;

use super::credential::unless_token_requested;
use super::error::failure;
use super::promise::panicked;
use crate::config::Endpoint;
use crate::letters::Letters;
use crate::lock::lock;
use crate::pending_read::PendingRead;
use crate::runtime;

/// Has JavaScript take the text that waits for it. Keeps no process alive.
pub(super) type Signal = ThreadsafeFunction<(), (), Text, Status, false, true>;

/// The signal that has `deliver` called with what `take` gives by then.
pub(super) fn signal_of(
    deliver: Function<'_, Text, ()>,
    take: impl Fn() -> String + Send + 'static,
) -> napi::Result<Signal> {
    deliver
        .build_threadsafe_function::<()>()
        .callee_handled::<false>()
        .weak::<true>()
        .build_callback(move |_| Ok(Text(take())))
}

/// The mailbox of one JavaScript environment.
#[napi]
pub struct Mailbox {
    shared: Arc<Shared>,
}

struct Shared {
    letters: Arc<Mutex<Letters>>,
    signal: Signal,
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
        let signal = signal_of(deliver, move || lock(&taken).take())?;
        Ok(Self { shared: Arc::new(Shared { letters, signal }) })
    }

    /// JavaScript took letters. Crosses again where more have come, and lets the process end where none is expected.
    #[napi(catch_unwind)]
    pub fn settle(&self, env: Env) {
        let letters = lock(&self.shared.letters);
        if !letters.is_expected() {
            // This fails only while the environment ends, which is not kept alive anyway.
            let _ = self.shared.keep_alive(env, false);
        }
        if !letters.is_empty() {
            drop(letters);
            self.shared.ring();
        }
    }
}

impl Mailbox {
    /// Subscribes to the letters of `source`.
    pub(super) fn subscribe<S: Source>(&self, source: S) -> Arc<Subscription<S>> {
        let ticket = lock(&self.shared.letters).ticket();
        let address = Address { shared: self.shared.clone(), ticket };
        Arc::new(Subscription { source, address, read: PendingRead::default() })
    }
}

/// A source of letters: batches as JSON text, one at a time.
pub(super) trait Source: Send + Sync + 'static {
    /// The next batch; Pending: the producer wakes `cx` when there is one.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<String>;

    /// The endpoint, whose credential renews the token, if it has one.
    fn endpoint(&self) -> &Endpoint;
}

/// A source, and the address of its letters.
#[derive(Debug)]
pub(super) struct Subscription<S> {
    pub(super) source: S,
    address: Address,
    read: PendingRead,
}

impl<S: Source> Subscription<S> {
    /// The next batch, if there is one. Else the ticket of the letter that will bring it.
    pub(super) fn next(self: &Arc<Self>, env: Env) -> napi::Result<Either<Text, u32>> {
        if self.source.endpoint().credential().is_some() {
            self.address.expect(env)?;
            let this = self.clone();
            self.address.clone().post_from(async move {
                let next = poll_fn(|cx| this.source.poll(cx));
                unless_token_requested(this.source.endpoint(), next)
                    .await
                    .unwrap_or_else(|| "{\"wantsToken\":true}".to_owned())
            });
            return Ok(Either::B(self.address.ticket));
        }
        let waker = Waker::from(self.clone());
        match self.read.begin(|| self.source.poll(&mut Context::from_waker(&waker))) {
            Poll::Ready(text) => Ok(Either::A(Text(text))),
            Poll::Pending => self.address.expect(env).map(|()| Either::B(self.address.ticket)),
        }
    }
}

/// The producer that wakes a subscription writes the letter at once, on the producer's own thread, without a task.
impl<S: Source> Wake for Subscription<S> {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        // A panic is posted as a failure: JavaScript waits for a letter.
        match catch_unwind(AssertUnwindSafe(|| {
            self.read.on_wake(|| self.source.poll(&mut Context::from_waker(&waker)))
        })) {
            Ok(Poll::Ready(text)) => self.address.post(text),
            Ok(Poll::Pending) => {}
            Err(panic) => self.address.post(failure(&panicked(&panic))),
        }
    }
}

/// The address of one subscription's letters.
#[derive(Clone)]
struct Address {
    shared: Arc<Shared>,
    ticket: u32,
}

impl Address {
    /// JavaScript waits for one more letter, which keeps the process alive.
    fn expect(&self, env: Env) -> napi::Result<()> {
        let mut letters = lock(&self.shared.letters);
        if letters.expect() { self.shared.keep_alive(env, true) } else { Ok(()) }
    }

    /// Posts the output of `work`.
    fn post_from(self, work: impl Future<Output = String> + Send + 'static) {
        match runtime::get() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let text = AssertUnwindSafe(work).catch_unwind().await;
                self.post(text.unwrap_or_else(|panic| failure(&panicked(&panic))));
            })),
            Err(error) => self.post(failure(&error)),
        }
    }

    fn post(&self, text: String) {
        let is_first = lock(&self.shared.letters).post(self.ticket, text);
        if is_first {
            self.shared.ring();
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl Shared {
    fn ring(&self) {
        // An error means that the environment is ending: nothing there waits any more.
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

/// Text for JavaScript. ASCII needs no decoding: V8 takes it over as it is.
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
