//! A token that is renewed while feeds and streams go on (defect 5).
//!
//! A feed or stream calls [`Credential::renew`] shortly before the present token expires, or when the
//! server refused it. Only the program can make another token, so the request for one goes to the next
//! reader that waits ([`Credential::requested`]), which brings the token with [`Credential::supply`].
//! However many callers there are, one request is open at a time.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::unix_ms;
use crate::secret::Secret;

/// How long the program may take to supply a token, from when a reader took the request. After that the
/// server's refusal of the old token stands, so that no feed waits for ever. JavaScript gives the
/// program 30 s and then refuses the request itself; this is longer, so that its reason arrives first.
pub const RENEWAL_TIMEOUT: Duration = Duration::from_secs(35);

/// A token is renewed this long before it expires, or a tenth of its life before if that is shorter.
const RENEW_AHEAD_MS: u64 = 30_000;

/// A token and its renewal. Cheap to clone; clones are the same credential, and equal to no other.
#[derive(Clone)]
pub struct Credential(Arc<watch::Sender<State>>);

#[derive(Debug)]
struct State {
    token: Secret,
    /// Counts tokens; the first is 0.
    generation: u64,
    /// Counts requests that brought no token.
    refusals: u64,
    expires_at: Option<u64>,
    renew_at: Option<u64>,
    request: TokenRequest,
}

/// The request for another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenRequest {
    None,
    /// Open: no reader has taken it yet.
    Open,
    /// A reader has taken it, and is about to supply the token.
    Taken,
}

/// The outcome of a request for another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// There is another token.
    Renewed,
    /// The program could not make one.
    Refused,
    /// The program did not supply one in time.
    TimedOut,
}

impl Credential {
    /// A credential that begins with `token`.
    pub fn new(token: Secret) -> Self {
        Self::at(token, unix_ms())
    }

    fn at(token: Secret, now_ms: u64) -> Self {
        let expires_at = expiry_ms(token.expose());
        let renew_at = renewal_ms(expires_at, now_ms);
        let state = State { token, generation: 0, refusals: 0, expires_at, renew_at, request: TokenRequest::None };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// The present token.
    pub fn token(&self) -> Secret {
        self.0.borrow().token.clone()
    }

    /// The number of the present token. Read it before [`Credential::token`]: a token that changes in
    /// between then counts as renewed already.
    pub fn generation(&self) -> u64 {
        self.0.borrow().generation
    }

    /// Whether the present token should be renewed at `now_ms` (Unix milliseconds). A token without an
    /// expiry is never due.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.0.borrow().renew_at.is_some_and(|at| now_ms >= at)
    }

    /// Waits for a token other than that of generation `stale`. `time_out` begins when a reader takes the
    /// request: while no reader waits, no result of the feed is held up.
    pub async fn renew(&self, stale: u64, time_out: Duration) -> Renewal {
        let mut seen = self.0.subscribe();
        let mut refusals = 0;
        self.0.send_if_modified(|state| {
            refusals = state.refusals;
            let open = state.generation == stale && state.request == TokenRequest::None;
            if open {
                state.request = TokenRequest::Open;
            }
            open
        });
        let over = |state: &State| state.generation != stale || state.refusals != refusals;
        // Waiting fails only when the sender is dropped, and `self` holds it.
        let _ = seen.wait_for(|state| over(state) || state.request == TokenRequest::Taken).await;
        let answered =
            timeout(time_out, async { seen.wait_for(over).await.map(|state| state.generation != stale) }).await;
        match answered {
            Ok(Ok(true)) => Renewal::Renewed,
            Ok(Ok(false) | Err(_)) => Renewal::Refused,
            Err(_) => {
                self.refuse();
                Renewal::TimedOut
            }
        }
    }

    /// Waits until another token is requested. One caller takes each request, and then has to call
    /// [`Credential::supply`] or [`Credential::refuse`]. Cancel safe: dropping the future loses no
    /// request.
    pub async fn requested(&self) {
        let mut seen = self.0.subscribe();
        loop {
            let _ = seen.wait_for(|state| state.request == TokenRequest::Open).await;
            let taken = self.0.send_if_modified(|state| {
                let open = state.request == TokenRequest::Open;
                if open {
                    state.request = TokenRequest::Taken;
                }
                open
            });
            if taken {
                return;
            }
        }
    }

    /// Supplies another token.
    pub fn supply(&self, token: Secret) {
        self.supply_at(token, unix_ms());
    }

    fn supply_at(&self, token: Secret, now_ms: u64) {
        self.0.send_modify(|state| {
            state.expires_at = expiry_ms(token.expose());
            state.renew_at = renewal_ms(state.expires_at, now_ms);
            state.token = token;
            state.generation += 1;
            state.request = TokenRequest::None;
        });
    }

    /// Reports that the program could not make another token. The present one stays in use; while it is
    /// valid, another is requested after half of its remaining life.
    pub fn refuse(&self) {
        self.refuse_at(unix_ms());
    }

    fn refuse_at(&self, now_ms: u64) {
        self.0.send_modify(|state| {
            state.renew_at =
                state.expires_at.filter(|&at| at > now_ms).map(|at| now_ms + ((at - now_ms) / 2).max(1_000));
            state.refusals += 1;
            state.request = TokenRequest::None;
        });
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Credential {}

impl Hash for Credential {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credential").field(&*self.0.borrow()).finish()
    }
}

/// The expiry of a token (`exp`), in Unix milliseconds.
fn expiry_ms(token: &str) -> Option<u64> {
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    claims["exp"].as_u64()?.checked_mul(1_000)
}

/// When to renew a token that was supplied now. One that was already expired is not renewed before the
/// server refuses it: the program would supply the same one again.
fn renewal_ms(expires_at: Option<u64>, now_ms: u64) -> Option<u64> {
    let expires_at = expires_at.filter(|&at| at > now_ms)?;
    Some(expires_at - ((expires_at - now_ms) / 10).min(RENEW_AHEAD_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(exp: &str) -> Secret {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}"));
        Secret::new(format!("e30.{payload}.c2ln"))
    }

    const NOW: u64 = 1_000_000_000;

    #[test]
    fn a_token_is_due_half_a_minute_or_a_tenth_of_its_life_before_it_expires() {
        for (life_s, due_after_ms) in [(900, 870_000), (3_600, 3_570_000), (60, 54_000), (10, 9_000)] {
            let credential = Credential::at(token(&(NOW / 1_000 + life_s).to_string()), NOW);
            assert!(!credential.is_due(NOW + due_after_ms - 1), "{life_s}");
            assert!(credential.is_due(NOW + due_after_ms), "{life_s}");
        }
    }

    #[test]
    fn a_token_that_says_nothing_or_came_expired_is_never_due() {
        for token in [Secret::new("tr_dev_x"), token("\"soon\""), token("1"), token("-1"), token("1e400")] {
            assert!(!Credential::at(token, NOW).is_due(u64::MAX));
        }
    }

    #[test]
    fn a_refusal_is_not_asked_about_at_every_request() {
        let credential = Credential::at(token(&(NOW / 1_000 + 100).to_string()), NOW);
        assert!(credential.is_due(NOW + 90_000));
        credential.refuse_at(NOW + 90_000);
        assert!(!credential.is_due(NOW + 94_999));
        assert!(credential.is_due(NOW + 95_000));
        credential.refuse_at(NOW + 101_000);
        assert!(!credential.is_due(u64::MAX), "expired: the server's refusal is what asks next");
    }

    #[tokio::test]
    async fn many_ask_one_is_told_and_all_go_on() {
        let credential = Credential::new(Secret::new("old"));
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let credential = credential.clone();
                tokio::spawn(async move { credential.renew(0, RENEWAL_TIMEOUT).await })
            })
            .collect();
        credential.requested().await;
        assert!(timeout(Duration::from_millis(20), credential.requested()).await.is_err(), "told once");
        credential.supply(Secret::new("new"));
        for each in waiting {
            assert_eq!(each.await.expect("no panic"), Renewal::Renewed);
        }
        assert_eq!(credential.renew(0, RENEWAL_TIMEOUT).await, Renewal::Renewed, "late, and no second wish");
        assert_eq!(credential.token().expose(), "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_that_is_taken_and_not_answered_ends() {
        let credential = Credential::new(Secret::new("old"));
        let (renewal, ()) = tokio::join!(credential.renew(0, RENEWAL_TIMEOUT), credential.requested());
        assert_eq!(renewal, Renewal::TimedOut);
        let (renewal, ()) = tokio::join!(credential.renew(0, RENEWAL_TIMEOUT), async {
            credential.requested().await;
            credential.refuse();
        });
        assert_eq!(renewal, Renewal::Refused, "the next wish is a new one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_waits_for_somebody_who_reads() {
        let credential = Credential::new(Secret::new("old"));
        let asked = {
            let credential = credential.clone();
            tokio::spawn(async move { credential.renew(0, RENEWAL_TIMEOUT).await })
        };
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert!(!asked.is_finished());
        credential.requested().await;
        credential.supply(Secret::new("new"));
        assert_eq!(asked.await.expect("no panic"), Renewal::Renewed);
    }

    #[test]
    fn the_token_is_never_shown() {
        let credential = Credential::new(Secret::new("tr_dev_hidden"));
        assert!(!format!("{credential:?}").contains("hidden"));
    }
}
