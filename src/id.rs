//! Encodes ids from users as segments of a URL path (defect 8, docs/server-protocol.md 1).

use crate::error::{Error, ErrorCode, Result};

/// The longest id accepted, in bytes.
const MAX_ID_BYTES: usize = 512;

/// Checks that `id` can be an id, and returns it percent-encoded as exactly one path segment.
///
/// `what` names the argument in the error, such as `"run id"`.
///
/// # Errors
/// `ERR_INVALID_ID` for an id that is empty, blank, `.` or `..`, longer than 512 bytes, or that
/// holds a slash, a backslash or a control character.
pub fn path_segment(what: &str, id: &str) -> Result<String> {
    let refuse = |why: &str| {
        Err(Error::new(
            ErrorCode::InvalidId,
            format!("the {what} {why}: pass the id as the server gave it, for example \"run_1234\""),
        ))
    };
    if id.trim().is_empty() {
        return refuse("is empty");
    }
    if id == "." || id == ".." {
        return refuse("is a path, not an id");
    }
    if id.len() > MAX_ID_BYTES {
        return refuse("is longer than 512 bytes");
    }
    if id.contains(['/', '\\']) {
        return refuse("contains a slash");
    }
    if id.chars().any(char::is_control) {
        return refuse("contains a control character");
    }
    Ok(encode(id))
}

/// As [`path_segment`], for a name that a user chooses, such as the key of a stream: it may hold any character, a slash
/// too (docs/server-protocol.md 8).
///
/// # Errors
/// `ERR_INVALID_ID` for a name that is empty or longer than 512 bytes, and for one with a part that is `.` or `..`: a
/// proxy that decodes the segment would take it for a path.
pub fn text_segment(what: &str, name: &str) -> Result<String> {
    let refuse = |why: &str| Err(Error::new(ErrorCode::InvalidId, format!("the {what} {why}: choose another name")));
    if name.is_empty() {
        return refuse("is empty");
    }
    if name.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
        return refuse("is a path, not a name");
    }
    if name.len() > MAX_ID_BYTES {
        return refuse("is longer than 512 bytes");
    }
    Ok(encode(name))
}

/// As [`path_segment`], for the id of a task: any text at all (docs/server-protocol.md 8).
///
/// # Errors
/// `ERR_INVALID_ID` for an empty text, `.` and `..`, which no URL can hold.
pub fn task_segment(what: &str, id: &str) -> Result<String> {
    if matches!(id, "" | "." | "..") {
        let why = if id.is_empty() { "is empty" } else { "is a path, which no URL can hold" };
        return Err(Error::new(ErrorCode::InvalidId, format!("the {what} {why}: pass the id it was defined with")));
    }
    Ok(encode(id))
}

fn encode(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for &byte in id.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            segment.push(byte as char);
        } else {
            segment.push('%');
            segment.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            segment.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_id_stays_as_it_is() {
        assert_eq!(path_segment("run id", "run_c1neoca6-x.~").expect("valid"), "run_c1neoca6-x.~");
    }

    #[test]
    fn anything_else_becomes_one_segment() {
        assert_eq!(path_segment("run id", "a b?c#d%é").expect("valid"), "a%20b%3Fc%23d%25%C3%A9");
    }

    #[test]
    fn a_name_of_the_users_own_may_hold_whatever_can_be_encoded() {
        for (name, segment) in [("logs/main", "logs%2Fmain"), ("a\\b", "a%5Cb"), (" ", "%20"), ("a\n..", "a%0A..")] {
            assert_eq!(text_segment("stream key", name).expect(name), segment);
        }
        for name in ["", ".", "..", "../../x", "a/..", "a\\..\\b", &"x".repeat(513)] {
            assert_eq!(text_segment("stream key", name).expect_err(name).code(), ErrorCode::InvalidId);
        }
    }

    #[test]
    fn a_task_id_is_any_text() {
        for (id, segment) in [("mail/send", "mail%2Fsend"), ("a\\b\n", "a%5Cb%0A"), (" ", "%20"), ("...", "...")] {
            assert_eq!(task_segment("task id", id).expect(id), segment);
        }
        assert!(task_segment("task id", &"x".repeat(2_000)).is_ok());
        for id in ["", ".", ".."] {
            assert_eq!(task_segment("task id", id).expect_err(id).code(), ErrorCode::InvalidId);
        }
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        for id in ["", " ", ".", "..", "../../../api/v1/runs?x#", "a/b", "a\\b", "a\nb", "a\u{7f}", &"x".repeat(513)] {
            let error = path_segment("run id", id).expect_err(id);
            assert_eq!(error.code(), ErrorCode::InvalidId);
            assert!(error.message().contains("run id"));
        }
    }
}
