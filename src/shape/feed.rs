//! The machine of one feed.

use std::sync::Arc;

use super::{Event, Limits, Now, Outcome, Phase, Query, Row, Schema, Step};

/// The machine of one feed.
#[derive(Debug)]
pub struct Feed {
    limits: Limits,
    phase: Phase,
    schema: Option<Arc<Schema>>,
    rows: indexmap::IndexMap<Arc<str>, Arc<Row>>,
}

impl Feed {
    /// A feed that has not started.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, phase: Phase::Connecting, schema: None, rows: indexmap::IndexMap::new() }
    }

    /// The first request.
    pub fn start(&mut self, now: Now) -> Step {
        let _ = now;
        Step::Request(Query::snapshot())
    }

    /// What follows from `event`.
    pub fn on(&mut self, event: Event<'_>, now: Now) -> Outcome {
        let _ = (event, now, self.limits);
        self.phase = Phase::Ended;
        Outcome { step: Step::End(Ok(())), changes: Vec::new() }
    }

    /// The visible state.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The rows as last published, in the order they were first seen.
    pub fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.rows.iter()
    }

    /// The types of the columns, once an answer named them.
    #[must_use]
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref()
    }
}
