//! Milvus expressions over primary keys.
//!
//! Ranges are half-open at the lower end, `(after, to]`, so that a walk continues from the last key it
//! received. Two traps shape the texts (seen on Milvus 2.2.16 and 2.3.5): the literal
//! `-9223372036854775808` does not parse, and `!= ""` as a first page would drop the empty key.

use crate::model::Key;

/// An expression that is true of the keys after `after` (of all keys where there is none) up to and
/// including `to` (to the end where there is none). `text` tells the kind of key where neither is given.
pub fn key_range(field: &str, text: bool, after: Option<&Key>, to: Option<&Key>) -> String {
    let mut parts = Vec::with_capacity(2);
    match after {
        Some(Key::Int(i64::MIN)) => parts.push(format!("{field} >= {}", i64::MIN + 1)),
        Some(Key::Int(key)) => parts.push(format!("{field} > {key}")),
        Some(Key::Text(key)) => parts.push(format!("{field} > {}", quote(key))),
        None => {}
    }
    match to {
        Some(Key::Int(i64::MIN)) => parts.push(format!("{field} < {}", i64::MIN + 1)),
        Some(Key::Int(key)) => parts.push(format!("{field} <= {key}")),
        Some(Key::Text(key)) => parts.push(format!("{field} <= {}", quote(key))),
        None => {}
    }
    if parts.is_empty() {
        // 2.2 refuses an empty expression, so "everything" is spelt out.
        parts.push(if text {
            format!("{field} >= \"\"")
        } else {
            format!("{field} <= {}", i64::MAX)
        });
    }
    parts.join(" && ")
}

/// An expression that is true of just these keys, none of which may be the smallest integer.
pub fn key_in(field: &str, keys: &[Key]) -> String {
    let literals: Vec<String> = keys
        .iter()
        .map(|key| match key {
            Key::Int(key) => key.to_string(),
            Key::Text(key) => quote(key),
        })
        .collect();
    format!("{field} in [{}]", literals.join(", "))
}

/// Both expressions at once.
pub fn and(filter: Option<&str>, range: String) -> String {
    match filter {
        Some(filter) => format!("({filter}) && ({range})"),
        None => range,
    }
}

/// A string literal: the escapes are those that Milvus's parser undoes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_smallest_integer_is_never_written() {
        for (after, to) in [
            (Some(i64::MIN), None),
            (None, Some(i64::MIN)),
            (Some(i64::MIN), Some(0)),
            (None, None),
        ] {
            let expr = key_range(
                "id",
                false,
                after.map(Key::Int).as_ref(),
                to.map(Key::Int).as_ref(),
            );
            assert!(!expr.contains("-9223372036854775808"), "{expr}");
            assert!(!expr.is_empty());
        }
    }

    #[test]
    fn everything_includes_the_empty_text_and_the_largest_integer() {
        assert_eq!(key_range("pk", true, None, None), "pk >= \"\"");
        assert_eq!(
            key_range("id", false, None, None),
            "id <= 9223372036854775807"
        );
    }

    /// Undoes C-style escapes as Go's `strconv.Unquote` does, which Milvus's parser calls.
    fn unquote(literal: &str) -> Option<String> {
        let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
        let mut text = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            text.push(match c {
                '"' | '\n' => return None,
                '\\' => match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    c @ ('"' | '\\') => c,
                    _ => return None,
                },
                c => c,
            });
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn any_text_survives_quoting(text in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&text)), Some(text));
        }
    }
}
