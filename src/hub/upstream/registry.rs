//! The budgets of the process, one for each environment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use once_cell::sync::Lazy;

use super::budget::{Budget, Options};
use super::environment::Open;
use crate::config::{Endpoint, KeyKind};
use crate::lock::lock;
use crate::secret::Secret;

static BUDGETS: Lazy<Mutex<Budgets>> = Lazy::new(Mutex::default);

/// A key and a branch.
type Key = (Secret, Option<Arc<str>>);

/// Budgets by environment, as far as a client can know it: servers count long-polls by environment.
#[derive(Debug, Default)]
struct Budgets {
    servers: HashMap<Arc<str>, Server>,
    /// Those that are over are cleared when so many were made.
    made: usize,
    clear_at: usize,
}

/// The budgets of one base URL.
#[derive(Debug, Default)]
struct Server {
    keys: HashMap<Key, Weak<Budget>>,
    /// Of public tokens, by the id of the environment that they name.
    tokens: HashMap<String, Weak<Budget>>,
}

/// The budget that the feeds of `endpoint` share.
pub(in crate::hub) fn budget(endpoint: &Endpoint, options: &Options, open: Open) -> Arc<Budget> {
    let mut budgets = lock(&BUDGETS);
    let budget = budgets.get(endpoint, || Arc::new(Budget::new(endpoint, open)));
    drop(budgets);
    budget.set(options);
    budget
}

impl Budgets {
    fn get(&mut self, endpoint: &Endpoint, make: impl FnOnce() -> Arc<Budget>) -> Arc<Budget> {
        self.clear();
        let server = self.servers.entry(endpoint.base_url().into()).or_default();
        let kept = if endpoint.kind() == KeyKind::Public {
            if let Some(only) = server.only_key() {
                return only;
            }
            server.tokens.entry(endpoint.environment_id().unwrap_or_default()).or_default()
        } else {
            server.keys.entry((endpoint.key().clone(), endpoint.branch().map(Arc::from))).or_default()
        };
        if let Some(budget) = kept.upgrade() {
            return budget;
        }
        let budget = make();
        *kept = Arc::downgrade(&budget);
        self.made += 1;
        budget
    }

    /// Forgets the budgets of feeds that are over, once as many were made as were left the last time.
    fn clear(&mut self) {
        if self.made < self.clear_at {
            return;
        }
        self.servers.retain(|_, server| {
            server.keys.retain(|_, budget| budget.strong_count() > 0);
            server.tokens.retain(|_, budget| budget.strong_count() > 0);
            !server.keys.is_empty() || !server.tokens.is_empty()
        });
        let left: usize = self.servers.values().map(|server| server.keys.len() + server.tokens.len()).sum();
        (self.made, self.clear_at) = (0, left + 16);
    }
}

impl Server {
    /// The budget of the only key: most processes have one, and public tokens are of its environment.
    fn only_key(&self) -> Option<Arc<Budget>> {
        let mut live = self.keys.values().filter_map(Weak::upgrade);
        let first = live.next()?;
        live.next().is_none().then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::upstream::environment::silent;

    fn endpoint(server: &str, key: &str, branch: Option<&str>) -> Endpoint {
        Endpoint::new(server, key, branch).expect("an endpoint")
    }

    /// A public token of an environment.
    fn token(environment: &str) -> String {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let claims = format!("{{\"pub\":true,\"sub\":\"{environment}\"}}");
        format!("{}.{}.c2ln", encode("{}"), encode(&claims))
    }

    #[test]
    fn feeds_of_one_environment_share_a_budget_and_others_do_not() {
        let mut budgets = Budgets::default();
        let mut get = |server: &str, key: &str, branch: Option<&str>| {
            let endpoint = endpoint(server, key, branch);
            budgets.get(&endpoint, || Arc::new(Budget::new(&endpoint, silent)))
        };
        let first = get("http://a.b", "tr_dev_1", None);
        assert!(Arc::ptr_eq(&first, &get("http://a.b/", "tr_dev_1", None)));
        assert!(Arc::ptr_eq(&first, &get("http://a.b", &token("env_1"), None)), "the only key's environment");
        let branch = get("http://a.b", "tr_dev_1", Some("x"));
        let key = get("http://a.b", "tr_dev_2", None);
        let server = get("http://c.d", "tr_dev_1", None);
        let tokens = get("http://a.b", &token("env_1"), None);
        let others = get("http://a.b", &token("env_2"), None);
        let all = [&first, &branch, &key, &server, &tokens, &others];
        for (n, one) in all.iter().enumerate() {
            assert!(all[..n].iter().all(|other| !Arc::ptr_eq(one, other)), "{n}");
        }
        assert!(Arc::ptr_eq(&tokens, &get("http://a.b", &token("env_1"), None)));
    }

    #[test]
    fn budgets_of_feeds_that_are_over_are_forgotten() {
        let mut budgets = Budgets::default();
        for n in 0..1_000 {
            for key in [format!("tr_dev_{n}"), token(&format!("env_{n}"))] {
                let endpoint = endpoint(&format!("http://a{}.b", n % 2), &key, None);
                drop(budgets.get(&endpoint, || Arc::new(Budget::new(&endpoint, silent))));
            }
        }
        let kept = |of: fn(&Server) -> usize| budgets.servers.values().map(of).sum::<usize>();
        let (keys, tokens) = (kept(|server| server.keys.len()), kept(|server| server.tokens.len()));
        assert!(keys <= 32 && tokens <= 32, "{keys} keys, {tokens} environments of tokens");
    }
}
