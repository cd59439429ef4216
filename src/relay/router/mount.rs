//! The mount point of the relay: the part of a path that stands before the server's own paths. Pure.

/// The beginnings of the server's paths.
const ROOTS: [&str; 4] = ["/realtime/v1/", "/api/v1/", "/api/v2/", "/api/v3/"];

/// The relay's own path, of live responses.
pub(super) const LIVE: &str = "/relay/v1/live";

/// Whether the path below the mount point is that of live responses.
pub(super) fn is_live(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == LIVE
}

/// The server's part of `path` (without its query), still encoded; `None` for a path that has none.
///
/// With a base path the server's part comes after it, and begins a segment. Without one it begins at the first of the
/// server's roots, and the mount point is whatever stands before. The guess is safe, because only the routes of the
/// table are served and their authorization depends on the server's part alone. A mount point that is not plain (`..`,
/// an empty segment, an encoded slash, dot or backslash) is refused (A10).
pub(super) fn server_path<'p>(base: Option<&str>, path: &'p str) -> Option<&'p str> {
    if let Some(base) = base {
        return path.strip_prefix(base.trim_end_matches('/')).filter(|rest| rest.starts_with('/'));
    }
    let start = ROOTS.iter().filter_map(|root| path.find(root)).min().or_else(|| live_start(path))?;
    is_mount_point(&path[..start]).then(|| &path[start..])
}

/// Whether a path holds a server's path, wherever the relay is mounted.
pub(super) fn names_server_path(path: &str) -> bool {
    ROOTS.iter().any(|root| path.contains(root)) || live_start(path).is_some()
}

/// Where the relay's own path begins, of a path that ends with it. A path below one of [`ROOTS`] is the server's: an app
/// may well have its mount point below `/relay/v1/`.
fn live_start(path: &str) -> Option<usize> {
    let mount = path.strip_suffix('/').unwrap_or(path).strip_suffix(LIVE)?;
    Some(mount.len())
}

/// Whether `path` is empty, or consists of segments that every server reads alike.
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
            // The first root counts: the table of routes refuses what follows.
            ("/realtime/v1/runs/x/api/v1/runs", "/realtime/v1/runs/x/api/v1/runs"),
            ("/m/api/v1/x/realtime/v1/runs", "/api/v1/x/realtime/v1/runs"),
            ("/relay/v1/live", "/relay/v1/live"),
            ("/api/trigger/relay/v1/live/", "/relay/v1/live/"),
            ("/relay/v1/live/relay/v1/live", "/relay/v1/live"),
            ("/relay/v1/realtime/v1/runs/run_1", "/realtime/v1/runs/run_1"),
            ("/api/v1/relay/v1/live", "/api/v1/relay/v1/live"),
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
            "/relay/v1/live/x",
            "/relay/v1/live//",
            "/a//relay/v1/live",
            "/a/%2e%2e/relay/v1/live",
            "/relay%2Fv1/live",
            "x/relay/v1/live",
            "xrelay/v1/live",
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
        assert_eq!(server_path(Some(""), all), Some(all), "for the table of routes to refuse");
    }
}
