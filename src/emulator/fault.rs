//! Fault injection for tests: which route fails, how, and how often. Described in docs/emulator.md.

use std::sync::Mutex;
use std::time::Duration;

use crate::lock::lock;
use serde::Deserialize;

/// The most faults that are active at once.
pub(super) const MAX_FAULTS: usize = 100;

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection ends without a response.
    Drop,
    /// The connection ends in the response's body, after this many bytes.
    Cut(usize),
    /// The response is delayed.
    Delay(Duration),
    /// The response is an error: its status and its `Retry-After`, in seconds.
    Status(u16, Option<u64>),
    /// A feed request is answered 409 `must-refetch`. Other requests are answered as usual.
    MustRefetch,
}

/// A fault as the options and `PUT /emulator/faults` describe it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct FaultOptions {
    kind: Kind,
    /// The route's label in the statistics; every route of the API when absent.
    route: Option<String>,
    /// How many requests fail; all of them when absent.
    count: Option<u64>,
    /// How many requests pass before the first one fails.
    #[serde(default)]
    after: u64,
    /// The delay of a `delay`, in milliseconds.
    delay_ms: Option<u64>,
    /// The status of a `status`.
    status: Option<u16>,
    /// The `Retry-After` of a `status`, in seconds.
    retry_after: Option<u64>,
    /// How many bytes of the body a `cut` sends.
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

impl FaultOptions {
    /// The fault they describe.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong.
    fn check(&self, labels: &[&str]) -> Result<Fault, String> {
        if let Some(route) = self.route.as_deref().filter(|route| !labels.contains(route)) {
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

/// The active faults, and the labels of the routes that can fail.
#[derive(Debug)]
pub(super) struct Faults {
    active: Mutex<Vec<ActiveFault>>,
    labels: Vec<&'static str>,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    route: Option<String>,
    left: Option<u64>,
    after: u64,
}

impl Faults {
    /// No faults yet, for the routes with these labels.
    pub(super) fn new(labels: &[&'static str]) -> Self {
        Self { active: Mutex::default(), labels: labels.to_vec() }
    }

    /// Replaces the active faults.
    ///
    /// # Errors
    /// A sentence that says what is wrong. The active faults stay.
    pub(super) fn set(&self, options: Vec<FaultOptions>) -> Result<(), String> {
        if options.len() > MAX_FAULTS {
            return Err(format!("at most {MAX_FAULTS} faults"));
        }
        let faults = options
            .into_iter()
            .map(|one| {
                let fault = one.check(&self.labels)?;
                Ok(ActiveFault { fault, route: one.route, left: one.count, after: one.after })
            })
            .collect::<Result<Vec<_>, String>>()?;
        *lock(&self.active) = faults;
        Ok(())
    }

    /// The fault of the next request of this route, if any: the first that applies. Counts it.
    pub(super) fn take(&self, route: &str) -> Option<Fault> {
        let mut all = lock(&self.active);
        let hit = all.iter_mut().find_map(|fault| {
            if fault.left == Some(0) || fault.route.as_deref().is_some_and(|only| only != route) {
                return None;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return None;
            }
            fault.left = fault.left.map(|left| left - 1);
            Some(fault.fault.clone())
        });
        all.retain(|fault| fault.left != Some(0));
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const LABELS: &[&str] = &["GET /a", "GET /b"];

    fn faults(options: Value) -> Result<Faults, String> {
        let faults = Faults::new(LABELS);
        faults.set(serde_json::from_value(options).map_err(|error| error.to_string())?)?;
        Ok(faults)
    }

    #[test]
    fn a_fault_hits_its_route_as_often_as_it_says() {
        let faults = faults(json!([
            { "kind": "status", "status": 503, "retryAfter": 2, "route": "GET /a", "count": 2, "after": 1 },
            { "kind": "drop", "route": "GET /b" },
        ]))
        .expect("faults");
        let hits: Vec<_> = (0..4).map(|_| faults.take("GET /a")).collect();
        assert_eq!(hits, [None, Some(Fault::Status(503, Some(2))), Some(Fault::Status(503, Some(2))), None]);
        assert_eq!(faults.take("GET /b"), Some(Fault::Drop));
        assert_eq!(faults.take("GET /b"), Some(Fault::Drop));
    }

    #[test]
    fn what_cannot_be_a_fault_says_why() {
        for (options, part) in [
            (json!([{ "kind": "explode" }]), "explode"),
            (json!([{ "kind": "delay" }]), "delayMs"),
            (json!([{ "kind": "status", "status": 200 }]), "400 to 599"),
            (json!([{ "kind": "drop", "route": "GET /c" }]), "GET /c"),
            (json!([{ "kind": "drop", "times": 3 }]), "times"),
        ] {
            let why = faults(options).expect_err(part);
            assert!(why.contains(part), "{why}");
        }
    }
}
