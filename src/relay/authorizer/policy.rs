//! Decides by scopes whether a viewer may read (A2; docs/server-protocol.md 3). Pure.

use crate::token::{self, Scope, grants};

/// The resource that a viewer wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// A run, or one of its streams.
    Run(&'a str),
    /// The runs with all of these tags.
    Tags(&'a [String]),
    /// The runs of a batch.
    Batch(&'a str),
}

/// The columns of a run's row that scopes can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunAttributes<'a> {
    /// `taskIdentifier`.
    pub(crate) task: &'a str,
    /// `runTags`.
    pub(crate) tags: &'a [String],
}

/// The decision of scopes on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeDecision {
    /// The viewer may read it.
    Allow,
    /// The viewer may not read it: 403.
    Deny,
    /// The run's row decides: by its columns, or because an unknown run is a 404 before it is a 403
    /// (docs/server-protocol.md 3). Only for a run whose row was not given.
    NeedsRow,
    /// Only the server can decide, because rows do not name the batch of a run. A viewer without a token (`authorize`)
    /// cannot be probed, and may not read it.
    Probe,
}

/// Decides by the scopes of a token, or by those that `authorize` granted. A token for one use opens feeds as any other
/// does: only a trigger uses it up.
pub(crate) fn decide<S: AsRef<str>>(
    scopes: &[S],
    resource: Resource<'_>,
    row: Option<RunAttributes<'_>>,
) -> ScopeDecision {
    let may = |resources: &[token::Resource<'_>]| grants(scopes, "read", resources);
    let yes_or_no = |may: bool| if may { ScopeDecision::Allow } else { ScopeDecision::Deny };
    match resource {
        Resource::Tags(tags) => {
            let mut resources = vec![token::Resource::every("runs"), token::Resource::every("tags")];
            resources.extend(tags.iter().map(|tag| token::Resource::one("tags", tag)));
            yes_or_no(may(&resources))
        }
        Resource::Batch(id) => yes_or_no(may(&[token::Resource::one("batch", id), token::Resource::every("runs")])),
        Resource::Run(id) => {
            let mut resources = vec![token::Resource::one("runs", id)];
            if let Some(row) = row {
                resources.push(token::Resource::one("tasks", row.task));
                resources.extend(row.tags.iter().map(|tag| token::Resource::one("tags", tag)));
            }
            if may(&resources) {
                ScopeDecision::Allow
            } else if row.is_none() {
                ScopeDecision::NeedsRow
            } else {
                // A scope on a batch may match the run's batch.
                let batches = scopes.iter().any(|scope| {
                    let scope = Scope::parse(scope.as_ref());
                    scope.kind == Some("batch") && (scope.action == "read" || scope.action == "*")
                });
                if batches { ScopeDecision::Probe } else { ScopeDecision::Deny }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// docs/server-protocol.md 3, written a second time: a scope as its three parts, a request as pairs.
    fn model(scopes: &[String], resources: &[(&str, Option<&str>)]) -> bool {
        scopes.iter().any(|scope| {
            let (action, rest) = scope.split_once(':').unwrap_or((scope, ""));
            let (kind, id) = rest.split_once(':').unwrap_or((rest, ""));
            if scope == "admin" {
                return true;
            }
            (action == "read" || action == "*")
                && !kind.is_empty()
                && resources
                    .iter()
                    .any(|(of, one)| kind == "all" || (kind == *of && (id.is_empty() || Some(id) == *one)))
        })
    }

    fn scope() -> impl Strategy<Value = String> {
        let action = prop_oneof![Just("read"), Just("write"), Just("*"), Just("admin"), Just("trigger")];
        let kind = prop_oneof![Just("runs"), Just("tags"), Just("tasks"), Just("batch"), Just("all"), Just("")];
        let id = prop_oneof![Just(""), Just(":"), Just(":a"), Just(":b"), Just(":a:b"), Just(":c")];
        (action, proptest::option::of((kind, id))).prop_map(|(action, rest)| match rest {
            Some((kind, id)) => format!("{action}:{kind}{id}"),
            None => action.to_owned(),
        })
    }

    proptest! {
        #[test]
        fn decisions_are_those_of_the_table(
            scopes in proptest::collection::vec(scope(), 0..4),
            id in "[abc]",
            task in "[abc]",
            tags in proptest::collection::vec(prop_oneof![Just("a".to_owned()), Just("a:b".to_owned())], 0..3),
            batch in proptest::option::of("[abc]"),
        ) {
            let mut of_tags: Vec<(&str, Option<&str>)> = vec![("runs", None), ("tags", None)];
            of_tags.extend(tags.iter().map(|tag| ("tags", Some(tag.as_str()))));
            let decided = decide(&scopes, Resource::Tags(&tags), None);
            prop_assert_eq!(decided == ScopeDecision::Allow, model(&scopes, &of_tags));

            let of_batch = [("batch", Some(id.as_str())), ("runs", None)];
            let decided = decide(&scopes, Resource::Batch(&id), None);
            prop_assert_eq!(decided == ScopeDecision::Allow, model(&scopes, &of_batch));

            let mut of_run = vec![("runs", Some(id.as_str())), ("tasks", Some(task.as_str()))];
            of_run.extend(tags.iter().map(|tag| ("tags", Some(tag.as_str()))));
            of_run.extend(batch.as_deref().map(|batch| ("batch", Some(batch))));
            let expected = model(&scopes, &of_run);
            let row = RunAttributes { task: &task, tags: &tags };
            match decide(&scopes, Resource::Run(&id), Some(row)) {
                ScopeDecision::Allow => prop_assert!(expected),
                ScopeDecision::Deny => prop_assert!(!expected),
                // The server is asked only where the answer can depend on the batch.
                ScopeDecision::Probe => prop_assert!(scopes.iter().any(|scope| scope.contains(":batch"))),
                ScopeDecision::NeedsRow => prop_assert!(false, "the row was given"),
            }
            match decide(&scopes, Resource::Run(&id), None) {
                ScopeDecision::Allow => prop_assert!(expected),
                ScopeDecision::NeedsRow => {}
                ScopeDecision::Deny | ScopeDecision::Probe => prop_assert!(false, "a 404 comes before a 403"),
            }
        }
    }
}
