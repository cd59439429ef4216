//! A line, written as JSON for JavaScript or as text for standard error.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::level::Level;
use super::text::shown;

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text. [`From`] hides keys and tokens, and cuts what is long.
    Text(Cow<'a, str>),
    /// A count, a status, an id or a number of milliseconds.
    Number(u64),
    /// No value: the field is left out.
    Nothing,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(shown(text.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(shown(text.into()))
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

/// A line on its way to a sink.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The level.
    pub level: Level,
    /// The event: one of a fixed set of phrases.
    pub message: &'static str,
    /// The subject of the event, and what is known about it.
    pub fields: &'a [(&'static str, Value<'a>)],
}

impl<'a> Line<'a> {
    /// The line of a sink that could not take all. `fields` holds how many it dropped.
    pub const fn dropped(fields: &'a [(&'static str, Value<'a>)]) -> Self {
        Self { level: Level::Warn, message: "log lines dropped", fields }
    }
}

impl Line<'_> {
    /// `["info","feed started",{"feed":1,"path":"/realtime/v1/runs/run_1"}]`, for JavaScript.
    pub fn to_json(self) -> String {
        let fields: serde_json::Map<String, serde_json::Value> = self
            .fields
            .iter()
            .filter_map(|(name, value)| {
                let value = match value {
                    Value::Text(text) => text.clone().into_owned().into(),
                    Value::Number(number) => (*number).into(),
                    Value::Nothing => return None,
                };
                Some(((*name).to_owned(), value))
            })
            .collect();
        serde_json::json!([self.level.as_str(), self.message, fields]).to_string()
    }

    /// `2026-11-22T08:16:42.432Z trigger-native info feed started feed=1 path=/realtime/v1/runs/run_1`, with a line break.
    /// `time` is the first word. Text with anything but plain characters is quoted, so that a line stays one line.
    pub fn to_text(self, time: &str) -> String {
        let mut text = format!("{time} trigger-native {} {}", self.level.as_str(), self.message);
        for (name, value) in self.fields {
            // Writing into a String cannot fail.
            let _ = match value {
                Value::Text(value) if is_plain(value) => write!(text, " {name}={value}"),
                Value::Text(value) => write!(text, " {name}={value:?}"),
                Value::Number(value) => write!(text, " {name}={value}"),
                Value::Nothing => Ok(()),
            };
        }
        text.push('\n');
        text
    }
}

/// Scheme, host and port of `url`: without a user name and a query, which can hold secrets.
pub(crate) fn origin_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}", authority.rsplit('@').next().unwrap_or_default())
}

/// The path of `target`, without its query.
pub(crate) fn path_of(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let fields = [
            ("path", Value::from("/runs/run_1")),
            ("status", Value::from(Some(401_u16))),
            ("stream", Value::from("a \"b\"\nc\u{1b}[31m")),
            ("none", Value::from(None::<u64>)),
        ];
        let line = Line { level: Level::Warn, message: "feed refused", fields: &fields };
        assert_eq!(
            line.to_text("now"),
            "now trigger-native warn feed refused path=/runs/run_1 status=401 stream=\"a \\\"b\\\"\\nc\\u{1b}[31m\"\n"
        );
        assert_eq!(
            line.to_json(),
            "[\"warn\",\"feed refused\",{\"path\":\"/runs/run_1\",\"status\":401,\"stream\":\"a \\\"b\\\"\\nc\\u001b[31m\"}]"
        );
    }

    #[test]
    fn of_a_url_only_where_it_leads_is_written() {
        assert_eq!(origin_of("https://user:secret@a.b:8080/path?token=secret"), "https://a.b:8080");
        assert_eq!(origin_of("https://a.b"), "https://a.b");
        assert_eq!(origin_of("secret"), "");
        assert_eq!(path_of("/runs/run_1?signature=secret#secret"), "/runs/run_1");
    }

    #[test]
    fn levels_have_the_names_of_a_consoles_functions() {
        for name in ["error", "warn", "info", "debug"] {
            assert_eq!(Level::parse(name).map(Level::as_str), Some(name));
        }
        for name in ["", "Debug", "trace", "verbose", " info"] {
            assert_eq!(Level::parse(name), None);
        }
    }
}
