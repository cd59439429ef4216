//! What stands before the server's paths: the one place that tells it apart.

/// What every path of the server begins with.
const ROOTS: [&str; 4] = ["/realtime/v1/", "/api/v1/", "/api/v2/", "/api/v3/"];

/// The server's part of `path` (without its query), still encoded. `None` where nothing of the server's is.
///
/// With a base path that is what comes after it, where it ends with a segment. Without one, everything from the first of
/// the server's own roots on: whatever stands before is the mount point of the app's route. That is safe to guess, for
/// nothing is served but the listed routes, whose authorization depends on what comes after. What is no plain mount point
/// (`..`, an empty segment, an encoded slash, dot or backslash) is nobody's.
pub(super) fn server_path<'p>(base: Option<&str>, path: &'p str) -> Option<&'p str> {
    if let Some(base) = base {
        return path.strip_prefix(base.trim_end_matches('/')).filter(|rest| rest.starts_with('/'));
    }
    let start = ROOTS.iter().filter_map(|root| path.find(root)).min()?;
    is_mount_point(&path[..start]).then(|| &path[start..])
}

/// Whether somebody meant the server's part of a path, wherever the relay is.
pub(super) fn is_meant(path: &str) -> bool {
    ROOTS.iter().any(|root| path.contains(root))
}

/// Whether `path` is empty, or segments that mean the same to whoever reads them.
fn is_mount_point(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return path.is_empty() };
    segments.split('/').all(|segment| {
        let lower = segment.to_ascii_lowercase();
        !matches!(segment, "" | "." | "..")
            && !segment.contains(['\\', '#', ';'])
            && !["%2f", "%5c", "%2e", "%25", "%00"].iter().any(|escape| lower.contains(escape))
    })
}

#[cfg(test)]
mod tests {
    use super::server_path;

    #[test]
    fn a_mount_point_is_left_out() {
        for (path, expected) in [
            ("/realtime/v1/runs/run_1", "/realtime/v1/runs/run_1"),
            ("/api/trigger/realtime/v1/runs", "/realtime/v1/runs"),
            ("/api/trigger/api/v1/tasks/x/trigger", "/api/v1/tasks/x/trigger"),
            ("/a%20b/api/v3/runs/run_1", "/api/v3/runs/run_1"),
            // The first one counts: what follows is for the list of routes to refuse.
            ("/realtime/v1/runs/x/api/v1/runs", "/realtime/v1/runs/x/api/v1/runs"),
            ("/m/api/v1/x/realtime/v1/runs", "/api/v1/x/realtime/v1/runs"),
        ] {
            assert_eq!(server_path(None, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_is_behind_no_plain_mount_point_is_nobodys() {
        for path in [
            "/metrics",
            "/api/v4/runs",
            "/realtime/v1",
            "//api/v1/runs",
            "/a//api/v1/runs",
            "/a/../api/v1/runs",
            "/a/./api/v1/runs",
            "/a%2Fb/api/v1/runs",
            "/%2e%2e/api/v1/runs",
            "/a%5cb/api/v1/runs",
            "/a\\b/api/v1/runs",
            "/a%252f/api/v1/runs",
            "/..;/api/v1/runs",
            "/realtime%2Fv1/runs/run_1",
            "x/api/v1/runs",
        ] {
            assert_eq!(server_path(None, path), None, "{path}");
        }
    }

    #[test]
    fn a_base_path_ends_where_a_segment_ends() {
        let all = "/api/trigger/realtime/v1/runs/r";
        assert_eq!(server_path(Some("/api/trigger"), all), Some("/realtime/v1/runs/r"));
        assert_eq!(server_path(Some("/api/trigger/"), all), Some("/realtime/v1/runs/r"));
        assert_eq!(server_path(Some("/api/trig"), all), None);
        assert_eq!(server_path(Some("/api/trigger"), "/realtime/v1/runs/r"), None);
        assert_eq!(server_path(Some(""), "/realtime/v1/runs"), Some("/realtime/v1/runs"));
        assert_eq!(server_path(Some(""), all), Some(all), "for the list of routes to refuse");
    }
}
