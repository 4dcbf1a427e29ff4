//! The canonical text of JSON.
//!
//! Own code, because no number may be rounded: `serde_json` keeps the digits of numbers by passing each as an object
//! with a member of a reserved name, and takes an object that has such a member for a number.

use std::borrow::Cow;

/// Texts that nest deeper have no canonical text.
const DEEPEST: usize = 127;

/// Appends the text without white space, with sorted keys and each key once, and the digits of numbers as they are.
/// `None` where it is not JSON (RFC 8259), holds half a surrogate pair or nests too deep; then `out` is spoilt.
pub(super) fn canonical(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < text.len() {
        return None;
    }
    value.write(out);
    Some(())
}

enum Value<'a> {
    /// `null`, `true` and `false`.
    Word(&'static str),
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    /// In order of the keys, each once.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl Value<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Word(word) => out.extend_from_slice(word.as_bytes()),
            Value::Number(digits) => write_number(digits, out),
            Value::Text(text) => write_text(text, out),
            Value::Array(values) => {
                out.push(b'[');
                for (position, value) in values.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    value.write(out);
                }
                out.push(b']');
            }
            Value::Object(members) => {
                out.push(b'{');
                for (position, (key, value)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    write_text(key, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// The digits, with `e` and a sign before the exponent.
fn write_number(digits: &str, out: &mut Vec<u8>) {
    let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) else {
        return out.extend_from_slice(digits.as_bytes());
    };
    out.extend_from_slice(mantissa.as_bytes());
    out.push(b'e');
    if !exponent.starts_with(['+', '-']) {
        out.push(b'+');
    }
    out.extend_from_slice(exponent.as_bytes());
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// One or more digits.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// A value within `depth` others, with the white space before it.
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.skip_space();
        match self.peek()? {
            b'{' | b'[' if depth == DEEPEST => None,
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::Text),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            _ => {
                let rest = &self.text[self.at..];
                let word = ["null", "true", "false"]
                    .into_iter()
                    .find(|word| rest.starts_with(word))?;
                self.at += word.len();
                Some(Value::Word(word))
            }
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(&self.text[start..self.at])
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    self.peek()?;
                }
                0..=0x1f => return None,
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        let quoted = &self.text[start..self.at];
        if escaped {
            serde_json::from_str(quoted).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(&quoted[1..quoted.len() - 1]))
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut values = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Some(Value::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Some(Value::Array(values));
            }
            self.take(b',').then_some(())?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.skip_space();
        let mut ended = self.take(b'}');
        while !ended {
            self.skip_space();
            let key = match self.peek()? {
                b'"' => self.string()?,
                _ => return None,
            };
            self.skip_space();
            self.take(b':').then_some(())?;
            members.push((key, self.value(depth + 1)?));
            self.skip_space();
            ended = self.take(b'}');
            if !ended {
                self.take(b',').then_some(())?;
            }
        }
        // Of one key the last member counts, which comes first here.
        members.reverse();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.dedup_by(|(later, _), (kept, _)| later == kept);
        Some(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(text: &str) -> Option<String> {
        let mut out = Vec::new();
        canonical(text, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    /// What `serde_json` makes of it.
    fn theirs(text: &str) -> Option<String> {
        let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
        value.sort_all_objects();
        Some(value.to_string())
    }

    #[test]
    fn an_object_that_looks_like_a_number_to_serde_json_is_an_object() {
        for text in [
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::Number":"no number"}"#,
            r#"{"a":[{"$serde_json::private::Number":"1.50"}]}"#,
            r#"{"$serde_json::private::Number":1}"#,
        ] {
            assert_eq!(own(text).as_deref(), Some(text));
        }
        assert_eq!(
            own(r#"{"\u0024serde_json::private::Number":"1"}"#).as_deref(),
            Some(r#"{"$serde_json::private::Number":"1"}"#)
        );
    }

    #[test]
    fn corners_are_those_of_serde_json() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let mut texts: Vec<String> = [
            "",
            " ",
            "null",
            "nul",
            "nullx",
            "tru",
            "true",
            "false ",
            "\u{a0}1",
            "\t\r\n 1 ",
            "1 2",
            "-",
            "-0",
            "-0.0",
            "01",
            "00",
            "1.",
            ".5",
            "+1",
            "1.50",
            "1e5",
            "1E5",
            "1e+5",
            "1e-05",
            "1E",
            "1e+",
            "1e400",
            "NaN",
            "123456789012345678901234567890",
            "\"",
            "\"a",
            "\"a\\",
            "\"\\\"",
            "\"a\\u00e9\\n\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83dx\"",
            "\"\\u12\"",
            "\"\\x\"",
            "\"\t\"",
            "\"\u{7f}\u{80}\\/\"",
            "\"\\u0000\\u001f\\u0008\\u000c\\u007f\"",
            "[",
            "]",
            "[]",
            "[ ]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1,2]",
            "{",
            "{}",
            "{ }",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{\"a\" : 1 , \"a\" : 2}",
            "{\"b\":1,\"a\":2,\"b\":3,\"a\":null}",
            "{\"é\":1,\"z\":2,\"\":3,\"\\u007a\":4}",
            "{\"a\":1}}",
            "{\"\u{10000}\":1,\"\u{ffff}\":2}",
            "\u{feff}1",
            "'a'",
            "// x",
            "[1/**/]",
            "Infinity",
            "-Infinity",
        ]
        .map(str::to_owned)
        .to_vec();
        for depth in [1, 126, 127, 128, 129, 5000] {
            texts.extend([nested(depth), objects(depth)]);
        }
        for text in texts {
            assert_eq!(own(&text), theirs(&text), "{text:?}");
        }
    }

    proptest! {
        /// Texts of the pieces that JSON is made of: most are wrong somewhere.
        #[test]
        fn whatever_is_put_together_is_read_as_serde_json_reads_it(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\\", "a", "\"a\"", "\"b\":", "1", "0", "-", ".", "e", "E5",
                    "+", " ", "\n", "null", "true", "\\u", "\\ud83d", "\\ude00", "00e9", "\u{1}", "é", "\"\\n\"",
                ]),
                0..12,
            )
        ) {
            let text = pieces.concat();
            prop_assert_eq!(own(&text), theirs(&text));
        }

        /// Texts that are right.
        #[test]
        fn values_are_written_as_serde_json_writes_them(value in json(), spaced in any::<bool>()) {
            let text = if spaced { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(own(&text), theirs(&text));
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
