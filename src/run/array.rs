//! Postgres array literals of one dimension: `{a,"b,c","q\"q",NULL}`.

use std::borrow::Cow;

/// The elements of a literal; `None` is an unquoted NULL.
///
/// # Errors
/// The fault of the literal.
pub(crate) fn elements(literal: &str) -> Result<Vec<Option<Cow<'_, str>>>, &'static str> {
    // A literal with other bounds than 1 to n names them first: `[2:3]={a,b}`.
    let literal = match literal.strip_prefix('[').and_then(|rest| rest.split_once("]=")) {
        Some((bounds, rest)) if !bounds.contains('[') => rest,
        Some(_) => return Err("the array has more than one dimension"),
        None => literal,
    };
    let inner = literal.strip_prefix('{').ok_or("the array does not begin with {")?;
    let mut reader = Reader { text: inner, at: 0 };
    let mut elements = Vec::new();
    if reader.peek() == Some(b'}') {
        reader.at += 1;
    } else {
        loop {
            elements.push(reader.element()?);
            match reader.next() {
                Some(b',') => {}
                Some(b'}') => break,
                Some(_) => return Err("the array has something between its elements"),
                None => return Err("the array breaks off"),
            }
        }
    }
    if reader.at == inner.len() { Ok(elements) } else { Err("the array is followed by something") }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn element(&mut self) -> Result<Option<Cow<'a, str>>, &'static str> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                let text = self.until(|byte| byte == b'"')?;
                self.at += 1;
                Ok(Some(text))
            }
            Some(b'{') => Err("the array has more than one dimension"),
            Some(_) | None => {
                let from = self.at;
                let text = self.until(|byte| matches!(byte, b',' | b'}'))?;
                // `NULL` in quotes, or with an escape, is a string.
                let null = self.text[from..self.at].eq_ignore_ascii_case("NULL");
                Ok((!null).then_some(text))
            }
        }
    }

    /// The text up to an ASCII byte for which `ends` is true, without the backslashes of escapes.
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> Result<Cow<'a, str>, &'static str> {
        let mut owned: Option<String> = None;
        let mut from = self.at;
        loop {
            match self.peek().ok_or("the array breaks off")? {
                b'\\' => {
                    owned.get_or_insert_default().push_str(&self.text[from..self.at]);
                    self.at += 1;
                    from = self.at;
                    let escaped = self.text[from..].chars().next().ok_or("the array breaks off")?;
                    self.at += escaped.len_utf8();
                }
                byte if ends(byte) => break,
                _ => self.at += 1,
            }
        }
        let rest = &self.text[from..self.at];
        Ok(match owned {
            Some(mut text) => {
                text.push_str(rest);
                Cow::Owned(text)
            }
            None => Cow::Borrowed(rest),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(literal: &str) -> Vec<Option<String>> {
        elements(literal).expect(literal).into_iter().map(|element| element.map(Cow::into_owned)).collect()
    }

    #[test]
    fn quotes_backslashes_and_nulls_are_read() {
        assert_eq!(read("{}"), []);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read(r#"{a,"b,c","q\"q","back\\slash",NULL,"NULL","",ü}"#),
            [some("a"), some("b,c"), some("q\"q"), some("back\\slash"), None, some("NULL"), some(""), some("ü")]
        );
        assert_eq!(read("[2:3]={a,b}"), [some("a"), some("b")]);
    }

    #[test]
    fn a_literal_that_is_none_is_refused() {
        for literal in
            ["", "a", "{", "{a", "{a,", "{\"a", "{\"a\"x}", "{a}b", "{{a},{b}}", "[1:1][1:1]={{a}}", "{\"a\\"]
        {
            assert!(elements(literal).is_err(), "{literal}");
        }
    }

    proptest! {
        #[test]
        fn any_strings_come_back(strings in prop::collection::vec(prop::option::of(any::<String>()), 0..6)) {
            let quoted: Vec<String> = strings
                .iter()
                .map(|string| match string {
                    Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
                    None => "NULL".to_owned(),
                })
                .collect();
            prop_assert_eq!(read(&format!("{{{}}}", quoted.join(","))), strings);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), inner in "[{},\"\\\\aN ü]*") {
            let _ = elements(&text);
            let _ = elements(&format!("{{{inner}"));
        }
    }
}
