//! A running emulator: its address, its handle, and its stop.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::handle::Handle;
use super::mounted_relay;
use super::options::Options;
use super::routes::{Context, labels, respond};
use crate::error::{ErrorCode, Result};
use crate::relay::Relay;
use crate::secret::Secret;
use crate::serve::listener;

/// A running emulator on the current tokio runtime. Dropping it ends its runs, its connections and its listener at
/// once.
pub struct Running {
    address: SocketAddr,
    secret_key: Secret,
    context: Arc<Context>,
    relay: Arc<Relay>,
    task: Option<JoinHandle<()>>,
}

/// Starts an emulator. `options_json` is the JSON of docs/emulator.md. An empty text is all defaults: a free port, the
/// key `tr_dev_emulatornotasecret`, the built-in tasks.
///
/// # Errors
/// `ERR_INVALID_OPTIONS`, `ERR_INVALID_SCRIPT`, `ERR_EMULATOR_PORT`.
pub async fn start(options_json: &str) -> Result<Running> {
    let options = Options::parse(options_json)?;
    let secret_key = options.environments.first().map_or_else(|| Secret::new(""), |main| main.root_key.clone());
    let port = options.port;
    // Checked before the port is bound, so that a wrong option is reported first.
    let clock = options.clock();
    let context = Arc::new(Context::new(options, clock.clone(), CancellationToken::new(), &labels())?);
    let (listener, address) = listener::bind(Ipv4Addr::LOCALHOST.into(), port, ErrorCode::EmulatorPort).await?;
    let relay = mounted_relay::mount(&format!("http://{address}"), secret_key.expose(), clock)?;
    let answering = (context.clone(), relay.clone());
    let task = tokio::spawn(listener::serve(listener, context.stop.clone(), move |request| {
        let (context, relay) = answering.clone();
        async move {
            if mounted_relay::is_relayed(request.uri().path()) {
                return Ok(mounted_relay::respond(&relay, request).await);
            }
            respond(&context, request).await
        }
    }));
    Ok(Running { address, secret_key, context, relay, task: Some(task) })
}

impl Running {
    /// Its base URL, such as `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The root secret key of its main environment.
    pub fn secret_key(&self) -> &str {
        self.secret_key.expose()
    }

    /// The requests so far, as JSON: `{"total": n, "byRoute": {"POST /api/v1/…": n}}`.
    pub fn stats(&self) -> String {
        self.context.stats.to_json().to_string()
    }

    /// A handle to change it while it runs.
    pub fn handle(&self) -> Handle {
        Handle::new(self.context.engine.clone())
    }

    /// Stops the emulator: held polls are answered, responses in flight get a second to finish, and runs end where they
    /// are.
    pub async fn stop(mut self) {
        // The relay stops first: it is a client of this server.
        self.relay.stop();
        self.context.stop.cancel();
        if let Some(task) = self.task.take() {
            // An error is a panic of the server; there is no more to do.
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.relay.stop();
        self.context.stop.cancel();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("url", &self.url()).finish_non_exhaustive()
    }
}
