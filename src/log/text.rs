//! The text of a field. A key or token, which a caller or a viewer can pass in the place of an id, is hidden; long text is cut.
//! `js/errors/hidden.js` hides the same in messages.

use std::borrow::Cow;

use crate::secret::PLACEHOLDER;

/// The longest text, in bytes. A line stays below 4,096 bytes, which a pipe takes whole or not at all.
const MAX_BYTES: usize = 500;

/// The prefixes of keys, and that of a JSON Web Token, which has three parts.
const KEYS: [&str; 6] = ["tr_dev_", "tr_stg_", "tr_prod_", "tr_preview_", "tr_pat_", "tr_oat_"];
const TOKEN: &str = "eyJ";

/// `text` as a line shows it.
pub(super) fn shown(text: Cow<'_, str>) -> Cow<'_, str> {
    let text = without_secrets(text);
    if text.len() <= MAX_BYTES {
        return text;
    }
    let end = (0..=MAX_BYTES).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    format!("{}...", &text[..end]).into()
}

/// `text` without keys, tokens and the logins of URLs.
pub(super) fn without_secrets(text: Cow<'_, str>) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = &*text;
    while let Some((start, end)) = next_secret(rest) {
        kept.push_str(&rest[..start]);
        kept.push_str(PLACEHOLDER);
        rest = &rest[end..];
    }
    if rest.len() == text.len() {
        return text;
    }
    kept.push_str(rest);
    kept.into()
}

/// The start and the end of the first key or token in `text`.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let word_end = |start: usize| {
        let is_of_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
        text[start..].find(|char| !is_of_word(char)).map_or(text.len(), |length| start + length)
    };
    let keys = KEYS.iter().filter_map(|key| text.find(key));
    let tokens = text.match_indices(TOKEN).map(|(start, _)| start);
    let token = tokens.into_iter().find(|&start| {
        let word = &text[start..word_end(start)];
        word.matches('.').count() == 2 || is_cut_token(text[..start].chars().next_back(), word)
    });
    let words = keys.chain(token).map(|start| (start, word_end(start)));
    words.chain(next_login(text)).min()
}

/// Whether `word`, which stands behind `before`, is the beginning of a token: a part without a dot of at least 15 letters.
fn is_cut_token(before: Option<char>, word: &str) -> bool {
    let is_whole = !before.is_some_and(|char| char.is_ascii_alphanumeric() || char == '_');
    is_whole && word.split('.').next().is_some_and(|part| part.len() >= TOKEN.len() + 12)
}

/// The start and the end of the first login of a URL in `text`.
fn next_login(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(at, scheme)| {
        let start = at + scheme.len();
        let length = text[start..].find(|char: char| char.is_whitespace() || "/@\"'<>".contains(char))?;
        (length > 0 && text[start + length..].starts_with('@')).then_some((start, start + length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_or_token_in_the_place_of_an_id_is_not_shown() {
        for (text, expected) in [
            ("/realtime/v1/runs/tr_dev_hidden", "/realtime/v1/runs/(secret)"),
            ("/api/v1/tasks/tr_prod_sk_hidden/trigger", "/api/v1/tasks/(secret)/trigger"),
            ("/realtime/v1/streams/eyJh.eyJi.c-_d/tr_pat_hidden", "/realtime/v1/streams/(secret)/(secret)"),
            ("/realtime/v1/runs/Bearer%20eyJh.eyJi.hidden%0A", "/realtime/v1/runs/Bearer%20(secret)%0A"),
            ("/realtime/v1/streams/run_1/heyJude.mp3", "/realtime/v1/streams/run_1/heyJude.mp3"),
            ("/api/v1/tasks/tr_daily/trigger", "/api/v1/tasks/tr_daily/trigger"),
            ("/realtime/v1/runs/eyJhbGciOiJIUzI1NiJ9.eyJhid", "/realtime/v1/runs/(secret)"),
            ("/realtime/v1/runs/eyJhbGciOiJIUzI1NiJ9", "/realtime/v1/runs/(secret)"),
            // Shorter than the beginning of a token, and with letters before it.
            ("/realtime/v1/runs/eyJude", "/realtime/v1/runs/eyJude"),
            ("/realtime/v1/runs/heyJhbGciOiJIUzI1NiJ9", "/realtime/v1/runs/heyJhbGciOiJIUzI1NiJ9"),
            ("http://user:hidden@a.test/b@c and https://hidden@d", "http://(secret)@a.test/b@c and https://(secret)@d"),
            ("http://a.test/@b", "http://a.test/@b"),
            ("http://@b", "http://@b"),
            ("", ""),
        ] {
            assert_eq!(shown(text.into()), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(shown("x".repeat(500).into()).len(), 500);
        assert_eq!(shown("x".repeat(501).into()), format!("{}...", "x".repeat(500)));
        assert_eq!(shown("\u{e9}".repeat(100_001).into()), format!("{}...", "\u{e9}".repeat(250)));
        assert_eq!(shown(format!("x{}", "\u{e9}".repeat(500)).into()), format!("x{}...", "\u{e9}".repeat(249)));
        // Cut after its secrets are out: half a token shows as little as a whole one.
        assert!(!shown(format!("{}eyJh.eyJi.hidden", "x".repeat(490)).into()).contains("eyJ"));
    }
}
