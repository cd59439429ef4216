//! What stands before the server's paths, where the app did not say it.

/// What every path of the server begins with.
const ROOTS: [&str; 4] = ["/realtime/v1/", "/api/v1/", "/api/v2/", "/api/v3/"];

/// `target` (a path and query) as the server knows it: from the first of the server's own roots on.
///
/// Whatever stands before is the mount point of the app's route. That is safe to guess, for nothing is served but the
/// listed routes, whose authorization depends on what comes after. What is no plain mount point (`..`, an empty segment,
/// an encoded slash, dot or backslash) is left where it is, and so answered as an unknown path.
pub fn server_target(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or_default();
    let start = ROOTS.iter().filter_map(|root| path.find(root)).min();
    match start {
        Some(start) if is_mount_point(&path[..start]) => &target[start..],
        Some(_) | None => target,
    }
}

/// Whether `path` is empty, or segments that mean the same to whoever reads them.
fn is_mount_point(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return path.is_empty() };
    segments.split('/').all(|segment| {
        let lower = segment.to_ascii_lowercase();
        !matches!(segment, "" | "." | "..")
            && !segment.contains(['\\', '#'])
            && !["%2f", "%5c", "%2e", "%25", "%00"].iter().any(|escape| lower.contains(escape))
    })
}

#[cfg(test)]
mod tests {
    use super::server_target;

    #[test]
    fn a_mount_point_is_left_out() {
        for (target, expected) in [
            ("/realtime/v1/runs/run_1?offset=-1", "/realtime/v1/runs/run_1?offset=-1"),
            ("/api/trigger/realtime/v1/runs?tags=a", "/realtime/v1/runs?tags=a"),
            ("/api/trigger/api/v1/tasks/x/trigger", "/api/v1/tasks/x/trigger"),
            ("/a%20b/api/v3/runs/run_1", "/api/v3/runs/run_1"),
            // The first one counts: what follows is for the list of routes to refuse.
            ("/realtime/v1/runs/x/api/v1/runs", "/realtime/v1/runs/x/api/v1/runs"),
            ("/m/api/v1/x/realtime/v1/runs", "/api/v1/x/realtime/v1/runs"),
        ] {
            assert_eq!(server_target(target), expected, "{target}");
        }
    }

    #[test]
    fn what_is_no_plain_mount_point_stays() {
        for target in [
            "/metrics",
            "/api/v4/runs",
            "/realtime/v1",
            "/x?next=/api/v1/runs",
            "//api/v1/runs",
            "/a//api/v1/runs",
            "/a/../api/v1/runs",
            "/a/./api/v1/runs",
            "/a%2Fb/api/v1/runs",
            "/%2e%2e/api/v1/runs",
            "/a%5cb/api/v1/runs",
            "/a\\b/api/v1/runs",
            "/a%252f/api/v1/runs",
            "/realtime%2Fv1/runs/run_1",
            "x/api/v1/runs",
        ] {
            assert_eq!(server_target(target), target);
        }
    }
}
