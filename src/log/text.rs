//! The text of a field. A key or token, which a caller or a viewer can pass in the place of an id, is hidden; long text is cut.

use std::borrow::Cow;

use crate::secret::PLACEHOLDER;

/// The longest text, in bytes. A line stays below 4,096 bytes, which a pipe takes whole or not at all.
const MAX_BYTES: usize = 500;

/// The prefixes of keys, and that of a JSON Web Token, which has three parts.
const KEYS: [&str; 6] = ["tr_dev_", "tr_stg_", "tr_prod_", "tr_preview_", "tr_pat_", "tr_oat_"];
const TOKEN: &str = "eyJ";

/// `text` as a line shows it.
pub(super) fn shown(text: Cow<'_, str>) -> Cow<'_, str> {
    let text = redacted(text);
    if text.len() <= MAX_BYTES {
        return text;
    }
    let end = (0..=MAX_BYTES).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    format!("{}...", &text[..end]).into()
}

fn redacted(text: Cow<'_, str>) -> Cow<'_, str> {
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
    let token = tokens.into_iter().find(|&start| text[start..word_end(start)].matches('.').count() == 2);
    keys.chain(token).min().map(|start| (start, word_end(start)))
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
