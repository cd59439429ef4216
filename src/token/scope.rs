//! The scopes of public tokens, as the server reads them (docs/server-protocol.md 3), for the relay and the emulator.

/// One scope, `action[:type[:id]]`. The id keeps its own colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The allowed action; `*` is every action.
    pub action: &'a str,
    /// The kind of the resource; `all` is every kind.
    pub kind: Option<&'a str>,
    /// The id of the resource; `None` is every resource of the kind.
    pub id: Option<&'a str>,
}

/// A resource that a request names: a kind, and usually an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The kind, such as `runs`.
    pub kind: &'a str,
    /// The id; `None` where the request names the kind as a whole.
    pub id: Option<&'a str>,
}

impl<'a> Resource<'a> {
    /// One resource.
    #[must_use]
    pub fn one(kind: &'a str, id: &'a str) -> Self {
        Self { kind, id: Some(id) }
    }

    /// A kind as a whole.
    #[must_use]
    pub fn every(kind: &'a str) -> Self {
        Self { kind, id: None }
    }
}

impl<'a> Scope<'a> {
    /// Parses a scope. A text that is not a scope matches nothing. As on the server, an empty type or id counts as
    /// missing, and `admin` is a scope only without a type.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(3, ':');
        let action = parts.next().unwrap_or_default();
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (kind, id) = (part(), part());
        // `admin:` must not be taken for `admin`, which allows everything.
        let action = if kind.is_none() && action.len() < text.len() { "" } else { action };
        Self { action, kind, id }
    }

    /// Whether the scope allows `action` on `resource`.
    #[must_use]
    pub fn allows(&self, action: &str, resource: Resource<'_>) -> bool {
        if self.action == "admin" && self.kind.is_none() {
            return true;
        }
        if self.action != action && self.action != "*" {
            return false;
        }
        match self.kind {
            None => false,
            Some("all") => true,
            Some(kind) => kind == resource.kind && (self.id.is_none() || self.id == resource.id),
        }
    }
}

/// Whether any of `scopes` allows `action` on any of `resources`. A request that names several resources passes if one
/// matches.
pub fn grants<S: AsRef<str>>(scopes: &[S], action: &str, resources: &[Resource<'_>]) -> bool {
    scopes
        .iter()
        .map(|scope| Scope::parse(scope.as_ref()))
        .any(|scope| resources.iter().any(|resource| scope.allows(action, *resource)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_opens_what_it_names_and_nothing_else() {
        let run = [Resource::one("runs", "run_1"), Resource::one("tasks", "t"), Resource::one("tags", "user:7")];
        let by_tag = [Resource::every("runs"), Resource::every("tags"), Resource::one("tags", "a")];
        let session = [Resource::one("sessions", "s:out")];
        let task = [Resource::one("tasks", "t")];
        for (scope, action, resources, allowed) in [
            ("read:runs:run_1", "read", &run[..], true),
            ("read:runs:run_2", "read", &run, false),
            ("read:runs", "read", &run, true),
            ("read:runs:", "read", &run, true),
            ("read:tasks:t", "read", &run, true),
            ("read:tags:user:7", "read", &run, true),
            ("read:tags:user", "read", &run, false),
            ("read:batch:b", "read", &run, false),
            ("write:runs:run_1", "read", &run, false),
            ("*:runs:run_1", "read", &run, true),
            ("read:all", "read", &run, true),
            ("read:all:whatever", "read", &run, true),
            ("write:all", "read", &run, false),
            ("*:all", "write", &run, true),
            ("admin", "read", &run, true),
            ("admin", "trigger", &task, true),
            ("admin:", "read", &run, false),
            ("admin:runs", "read", &run, false),
            ("admin:runs", "admin", &run, true),
            ("read", "read", &run, false),
            ("", "read", &run, false),
            (":runs", "read", &run, false),
            ("read:*", "read", &run, false),
            ("READ:runs", "read", &run, false),
            ("read:runs:run_1", "read", &by_tag, false),
            ("read:runs", "read", &by_tag, true),
            ("read:tags", "read", &by_tag, true),
            ("read:tags:a", "read", &by_tag, true),
            ("read:tags:b", "read", &by_tag, false),
            ("read:sessions:s", "read", &session, false),
            ("read:sessions:s:out", "read", &session, true),
            ("trigger:tasks:t", "trigger", &task, true),
            ("trigger:tasks:other", "trigger", &task, false),
            ("batchTrigger:tasks:t", "trigger", &task, false),
        ] {
            assert_eq!(grants(&[scope], action, resources), allowed, "{scope} for {action} on {resources:?}");
        }
    }

    #[test]
    fn one_matching_scope_of_several_is_enough_and_none_is_never() {
        let run = [Resource::one("runs", "run_1")];
        assert!(grants(&["read:runs:run_2", "read:runs:run_1"], "read", &run));
        assert!(!grants::<&str>(&[], "read", &run));
        assert!(!grants(&["read:runs"], "read", &[]));
    }
}
