//! Faults on purpose, for tests: what is to go wrong, where and how often. Described in
//! docs/emulator.md.

use std::sync::Mutex;
use std::time::Duration;

use crate::lock::lock;
use serde::Deserialize;

/// The most faults that are switched on at once.
pub(super) const MOST_FAULTS: usize = 100;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection ends without an answer.
    Drop,
    /// The connection ends in the body of the answer, after so many bytes.
    Cut(usize),
    /// The answer comes later.
    Delay(Duration),
    /// Another answer: its status, and after how many seconds to retry.
    Status(u16, Option<u64>),
    /// A feed's shape is gone: 409 `must-refetch`. Other requests go on unharmed.
    MustRefetch,
}

/// A fault as it is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Given {
    kind: Kind,
    /// The route by its name in the statistics; every route of the API when left out.
    route: Option<String>,
    /// How many requests it hits; all of them when left out.
    count: Option<u64>,
    /// How many requests it lets pass first.
    #[serde(default)]
    after: u64,
    /// How late a `delay` is, in milliseconds.
    delay_ms: Option<u64>,
    /// What a `status` answers.
    status: Option<u16>,
    /// The `Retry-After` of a `status`, in seconds.
    retry_after: Option<u64>,
    /// After how many bytes of the body a `cut` comes.
    #[serde(default)]
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Drop,
    Cut,
    Delay,
    Status,
    MustRefetch,
}

impl Given {
    /// What it is.
    ///
    /// # Errors
    /// A sentence saying what is missing.
    pub(super) fn check(&self, routes: &[&str]) -> Result<Fault, String> {
        if let Some(route) = self.route.as_deref().filter(|route| !routes.contains(route)) {
            return Err(format!("there is no route \"{route}\""));
        }
        Ok(match self.kind {
            Kind::Drop => Fault::Drop,
            Kind::Cut => Fault::Cut(self.bytes),
            Kind::Delay => Fault::Delay(Duration::from_millis(self.delay_ms.ok_or("a `delay` needs `delayMs`")?)),
            Kind::Status => match self.status {
                Some(status @ 400..=599) => Fault::Status(status, self.retry_after),
                Some(_) | None => return Err("a `status` fault needs a `status` from 400 to 599".into()),
            },
            Kind::MustRefetch => Fault::MustRefetch,
        })
    }
}

/// The faults that are switched on.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Switched>>);

#[derive(Debug)]
struct Switched {
    fault: Fault,
    route: Option<String>,
    left: Option<u64>,
    after: u64,
}

impl Faults {
    /// Switches these on, and all others off.
    ///
    /// # Errors
    /// A sentence saying what cannot be; then nothing changes.
    pub(super) fn set(&self, given: Vec<Given>, routes: &[&str]) -> Result<(), String> {
        if given.len() > MOST_FAULTS {
            return Err(format!("at most {MOST_FAULTS} faults"));
        }
        let switched = given
            .into_iter()
            .map(|given| {
                let fault = given.check(routes)?;
                Ok(Switched { fault, route: given.route, left: given.count, after: given.after })
            })
            .collect::<Result<Vec<_>, String>>()?;
        *lock(&self.0) = switched;
        Ok(())
    }

    /// The fault that hits a request of this route, if any: the first that does.
    pub(super) fn strike(&self, route: &str) -> Option<Fault> {
        let mut all = lock(&self.0);
        let hit = all.iter_mut().find_map(|switched| {
            if switched.left == Some(0) || switched.route.as_deref().is_some_and(|wanted| wanted != route) {
                return None;
            }
            if switched.after > 0 {
                switched.after -= 1;
                return None;
            }
            switched.left = switched.left.map(|left| left - 1);
            Some(switched.fault.clone())
        });
        all.retain(|switched| switched.left != Some(0));
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ROUTES: &[&str] = &["GET /a", "GET /b"];

    fn faults(given: Value) -> Result<Faults, String> {
        let faults = Faults::default();
        faults.set(serde_json::from_value(given).map_err(|error| error.to_string())?, ROUTES)?;
        Ok(faults)
    }

    #[test]
    fn a_fault_hits_its_route_as_often_as_it_says() {
        let faults = faults(json!([
            { "kind": "status", "status": 503, "retryAfter": 2, "route": "GET /a", "count": 2, "after": 1 },
            { "kind": "drop", "route": "GET /b" },
        ]))
        .expect("faults");
        let hits: Vec<_> = (0..4).map(|_| faults.strike("GET /a")).collect();
        assert_eq!(hits, [None, Some(Fault::Status(503, Some(2))), Some(Fault::Status(503, Some(2))), None]);
        assert_eq!(faults.strike("GET /b"), Some(Fault::Drop));
        assert_eq!(faults.strike("GET /b"), Some(Fault::Drop));
    }

    #[test]
    fn what_cannot_be_a_fault_says_why() {
        for (given, part) in [
            (json!([{ "kind": "explode" }]), "explode"),
            (json!([{ "kind": "delay" }]), "delayMs"),
            (json!([{ "kind": "status", "status": 200 }]), "400 to 599"),
            (json!([{ "kind": "drop", "route": "GET /c" }]), "GET /c"),
            (json!([{ "kind": "drop", "times": 3 }]), "times"),
        ] {
            let why = faults(given).expect_err(part);
            assert!(why.contains(part), "{why}");
        }
    }
}
