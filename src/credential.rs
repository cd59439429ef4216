//! A token that is renewed while feeds and streams go on (defect 5).
//!
//! Whoever makes requests asks [`Credential::renew`] for another token, shortly before the present
//! one expires or when the server refused it. Only the program can make one, so the wish is handed
//! to the next reader that waits ([`Credential::wanted`]), which brings the token back with
//! [`Credential::supply`]. However many ask, one wish is out at a time.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::unix_ms;
use crate::secret::Secret;

/// How long an answer to a wish may take, from when somebody took it. After that the old token's
/// refusal stands, so that nothing waits for ever. JavaScript gives the program 30 s and then refuses
/// the wish itself: longer than that, so that the reason is known when the refusal is told.
pub const PATIENCE: Duration = Duration::from_secs(35);

/// A token is renewed this long before it expires, or a tenth of its life if that is shorter.
const AHEAD_MS: u64 = 30_000;

/// A token and its renewal. Cheap to clone; clones are the same credential, and equal to no other.
#[derive(Clone)]
pub struct Credential(Arc<watch::Sender<State>>);

#[derive(Debug)]
struct State {
    token: Secret,
    /// Counts tokens; the first is 0.
    generation: u64,
    /// Counts wishes that brought no token.
    refusals: u64,
    expires_at: Option<u64>,
    renew_at: Option<u64>,
    wish: Wish,
}

/// Whether another token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    None,
    /// Wanted, and nobody has been told.
    Open,
    /// Somebody was told and is about to bring it.
    Taken,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// There is another token.
    Renewed,
    /// The program could not make one.
    Refused,
    /// Nobody answered in time.
    Unanswered,
}

impl Credential {
    /// A credential that begins with `token`.
    pub fn new(token: Secret) -> Self {
        Self::at(token, unix_ms())
    }

    fn at(token: Secret, now_ms: u64) -> Self {
        let expires_at = expiry_ms(token.expose());
        let renew_at = renewal_ms(expires_at, now_ms);
        let state = State { token, generation: 0, refusals: 0, expires_at, renew_at, wish: Wish::None };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// The present token.
    pub fn token(&self) -> Secret {
        self.0.borrow().token.clone()
    }

    /// Which token that is. Read it before [`Credential::token`]: a token that changes in between
    /// then counts as renewed already.
    pub fn generation(&self) -> u64 {
        self.0.borrow().generation
    }

    /// Whether the present token should be renewed at `now_ms` (Unix milliseconds). A token that
    /// does not say when it expires never is.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.0.borrow().renew_at.is_some_and(|at| now_ms >= at)
    }

    /// Waits for a token other than `stale`. The time begins when somebody takes the wish: as long
    /// as nobody reads, nobody is kept waiting.
    pub async fn renew(&self, stale: u64, patience: Duration) -> Renewal {
        let mut seen = self.0.subscribe();
        let mut refusals = 0;
        self.0.send_if_modified(|state| {
            refusals = state.refusals;
            let open = state.generation == stale && state.wish == Wish::None;
            if open {
                state.wish = Wish::Open;
            }
            open
        });
        let over = |state: &State| state.generation != stale || state.refusals != refusals;
        // The sender is ours: waiting fails only if it is gone, and it is not.
        let _ = seen.wait_for(|state| over(state) || state.wish == Wish::Taken).await;
        let answered =
            timeout(patience, async { seen.wait_for(over).await.map(|state| state.generation != stale) }).await;
        match answered {
            Ok(Ok(true)) => Renewal::Renewed,
            Ok(Ok(false) | Err(_)) => Renewal::Refused,
            Err(_) => {
                self.refuse();
                Renewal::Unanswered
            }
        }
    }

    /// Waits until another token is wanted. One caller gets each wish, and owes it
    /// [`Credential::supply`] or [`Credential::refuse`]. Dropping the future before it is ready
    /// loses nothing.
    pub async fn wanted(&self) {
        let mut seen = self.0.subscribe();
        loop {
            let _ = seen.wait_for(|state| state.wish == Wish::Open).await;
            let taken = self.0.send_if_modified(|state| {
                let open = state.wish == Wish::Open;
                if open {
                    state.wish = Wish::Taken;
                }
                open
            });
            if taken {
                return;
            }
        }
    }

    /// Another token.
    pub fn supply(&self, token: Secret) {
        self.supply_at(token, unix_ms());
    }

    fn supply_at(&self, token: Secret, now_ms: u64) {
        self.0.send_modify(|state| {
            state.expires_at = expiry_ms(token.expose());
            state.renew_at = renewal_ms(state.expires_at, now_ms);
            state.token = token;
            state.generation += 1;
            state.wish = Wish::None;
        });
    }

    /// The program could not make another token. The present one is used on; while it lives, it is
    /// tried again after half of what is left.
    pub fn refuse(&self) {
        self.refuse_at(unix_ms());
    }

    fn refuse_at(&self, now_ms: u64) {
        self.0.send_modify(|state| {
            state.renew_at =
                state.expires_at.filter(|&at| at > now_ms).map(|at| now_ms + ((at - now_ms) / 2).max(1_000));
            state.refusals += 1;
            state.wish = Wish::None;
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

/// When a token says it expires, in Unix milliseconds.
fn expiry_ms(token: &str) -> Option<u64> {
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    claims["exp"].as_u64()?.checked_mul(1_000)
}

/// When to renew a token that came now. One that came expired is not renewed before it is refused:
/// asking again would bring it again.
fn renewal_ms(expires_at: Option<u64>, now_ms: u64) -> Option<u64> {
    let expires_at = expires_at.filter(|&at| at > now_ms)?;
    Some(expires_at - ((expires_at - now_ms) / 10).min(AHEAD_MS))
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
                tokio::spawn(async move { credential.renew(0, PATIENCE).await })
            })
            .collect();
        credential.wanted().await;
        assert!(timeout(Duration::from_millis(20), credential.wanted()).await.is_err(), "told once");
        credential.supply(Secret::new("new"));
        for each in waiting {
            assert_eq!(each.await.expect("no panic"), Renewal::Renewed);
        }
        assert_eq!(credential.renew(0, PATIENCE).await, Renewal::Renewed, "late, and no second wish");
        assert_eq!(credential.token().expose(), "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_that_is_taken_and_not_answered_ends() {
        let credential = Credential::new(Secret::new("old"));
        let (renewal, ()) = tokio::join!(credential.renew(0, PATIENCE), credential.wanted());
        assert_eq!(renewal, Renewal::Unanswered);
        let (renewal, ()) = tokio::join!(credential.renew(0, PATIENCE), async {
            credential.wanted().await;
            credential.refuse();
        });
        assert_eq!(renewal, Renewal::Refused, "the next wish is a new one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_waits_for_somebody_who_reads() {
        let credential = Credential::new(Secret::new("old"));
        let asked = {
            let credential = credential.clone();
            tokio::spawn(async move { credential.renew(0, PATIENCE).await })
        };
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert!(!asked.is_finished());
        credential.wanted().await;
        credential.supply(Secret::new("new"));
        assert_eq!(asked.await.expect("no panic"), Renewal::Renewed);
    }

    #[test]
    fn the_token_is_never_shown() {
        let credential = Credential::new(Secret::new("tr_dev_hidden"));
        assert!(!format!("{credential:?}").contains("hidden"));
    }
}
