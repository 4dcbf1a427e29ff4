//! Results, on stdout.

use std::io::{self, ErrorKind, Write};

use comfy_table::{Table, presets};
use milvault::{Error, Result};
use serde::Serialize;

/// Where and how results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// As one JSON document instead of text.
    pub json: bool,
}

impl Output {
    /// Prints a result: `value` as JSON, or else `text`.
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            self.document(value)
        } else {
            self.text(&text())
        }
    }

    /// Prints a JSON document.
    pub fn document(self, value: &impl Serialize) -> Result<()> {
        let mut json =
            serde_json::to_vec_pretty(value).map_err(|error| unwritable(error.into()))?;
        json.push(b'\n');
        self.bytes(&json)
    }

    /// Prints lines of text.
    pub fn text(self, text: &str) -> Result<()> {
        let mut text = text.trim_end().to_owned();
        text.push('\n');
        self.bytes(text.as_bytes())
    }

    /// Prints bytes. A reader that has seen enough (`| head`) is no error.
    pub fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(unwritable),
        }
    }
}

fn unwritable(source: io::Error) -> Error {
    Error::Store {
        doing: "write",
        uri: "to stdout".to_owned(),
        source,
    }
}

/// Columns of text under their names, without borders.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Several things as one sentence's part; `none` where there are none.
pub fn joined<T: ToString>(things: impl IntoIterator<Item = T>, none: &str) -> String {
    let texts: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    if texts.is_empty() {
        none.to_owned()
    } else {
        texts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_without_trailing_blanks() {
        let rows = [("docs", "12"), ("a", "3")].map(|(a, b)| vec![a.to_owned(), b.to_owned()]);
        assert_eq!(
            table(&["NAME", "ROWS"], rows),
            "NAME  ROWS\ndocs  12\na     3"
        );
    }
}
