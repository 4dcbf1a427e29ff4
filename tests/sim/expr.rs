//! Expressions, as far as milvault and the tests send them: comparisons of a field with a number or a text, `in`,
//! `&&` and parentheses. Anything else is an error, as Milvus has one for what it cannot parse.

use std::collections::BTreeMap;

use milvault::model::Key;

use super::cells::{Cell, as_key};
use super::refusal::{Outcome, Refusal};

pub enum Expr {
    Compare(String, String, Key),
    In(String, Vec<Key>),
    And(Box<Expr>, Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Literal(Key),
    Sign(String),
}

impl Expr {
    /// The words of the refusal are Milvus's (`planparserv2`), which quote the expression.
    pub fn parse(text: &str) -> Outcome<Expr> {
        let refuse = |reason: String| {
            Refusal::parameter(format!(
                "failed to create query plan: cannot parse expression: {text}, error: {reason}"
            ))
        };
        let tokens = tokens(text).map_err(refuse)?;
        let mut parser = Parser { tokens, next: 0 };
        let parsed = parser.all().map_err(refuse)?;
        match parser.tokens.get(parser.next) {
            None => Ok(parsed),
            Some(token) => Err(refuse(format!("unexpected {token:?}"))),
        }
    }

    /// Whether a row fulfils it; NULL fulfils nothing.
    pub fn holds(&self, cells: &BTreeMap<String, Cell>) -> bool {
        let value = |field: &String| {
            cells
                .get(field)
                .and_then(|cell| cell.as_ref())
                .and_then(as_key)
        };
        match self {
            Expr::And(a, b) => a.holds(cells) && b.holds(cells),
            Expr::In(field, keys) => value(field).is_some_and(|value| keys.contains(&value)),
            Expr::Compare(field, sign, literal) => {
                value(field).is_some_and(|value| match sign.as_str() {
                    "<" => value < *literal,
                    "<=" => value <= *literal,
                    ">" => value > *literal,
                    ">=" => value >= *literal,
                    "==" => value == *literal,
                    _ => value != *literal,
                })
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(&first) = rest.peek() {
        if first.is_whitespace() {
            rest.next();
        } else if first.is_ascii_digit() || first == '-' {
            let mut number = String::new();
            while let Some(c) =
                rest.next_if(|c| c.is_ascii_digit() || (number.is_empty() && *c == '-'))
            {
                number.push(c);
            }
            // The sign is an operator of its own, so the smallest integer does not parse (docs/servers-seen.md).
            let magnitude = number.trim_start_matches('-');
            let value: i64 = magnitude.parse().map_err(|_| {
                format!("strconv.ParseInt: parsing \"{magnitude}\": value out of range")
            })?;
            let value = if number.starts_with('-') {
                -value
            } else {
                value
            };
            found.push(Token::Literal(Key::Int(value)));
        } else if first == '"' {
            rest.next();
            found.push(Token::Literal(Key::Text(string(&mut rest)?)));
        } else if first.is_alphanumeric() || first == '_' || first == '$' {
            let mut name = String::new();
            while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == '$') {
                name.push(c);
            }
            found.push(Token::Name(name));
        } else if "()[],".contains(first) {
            rest.next();
            found.push(Token::Sign(first.to_string()));
        } else {
            let mut sign = String::new();
            while let Some(c) = rest.next_if(|c| "<>=!&|%+*".contains(*c)) {
                sign.push(c);
            }
            if !["<", "<=", ">", ">=", "==", "!=", "&&"].contains(&sign.as_str()) {
                return Err(format!("unexpected {first}{sign}"));
            }
            found.push(Token::Sign(sign));
        }
    }
    Ok(found)
}

fn string(rest: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match rest.next() {
            None => return Err("a text without an end".into()),
            Some('"') => return Ok(text),
            Some('\n' | '\r') => return Err("a line break in a text".into()),
            Some('\\') => match rest.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(c @ ('"' | '\\')) => text.push(c),
                other => return Err(format!("unknown escape {other:?}")),
            },
            Some(c) => text.push(c),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn take(&mut self) -> Result<Token, String> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token.ok_or_else(|| "unexpected end".to_owned())
    }

    fn takes(&mut self, sign: &str) -> bool {
        let there = self.tokens.get(self.next) == Some(&Token::Sign(sign.to_owned()));
        self.next += usize::from(there);
        there
    }

    fn all(&mut self) -> Result<Expr, String> {
        let mut left = self.one()?;
        while self.takes("&&") {
            left = Expr::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expr, String> {
        if self.takes("(") {
            let inner = self.all()?;
            return if self.takes(")") {
                Ok(inner)
            } else {
                Err("a parenthesis without an end".into())
            };
        }
        let Token::Name(field) = self.take()? else {
            return Err("a comparison that begins with no field".into());
        };
        match self.take()? {
            Token::Name(word) if word == "in" => {
                let mut keys = Vec::new();
                if !self.takes("[") {
                    return Err("in without a list".into());
                }
                while !self.takes("]") {
                    keys.push(self.literal()?);
                    self.takes(",");
                }
                Ok(Expr::In(field, keys))
            }
            Token::Sign(sign) => Ok(Expr::Compare(field, sign, self.literal()?)),
            other => Err(format!("unexpected {other:?}")),
        }
    }

    fn literal(&mut self) -> Result<Key, String> {
        match self.take()? {
            Token::Literal(key) => Ok(key),
            other => Err(format!("{other:?} instead of a value")),
        }
    }
}
