//! JSON as archives have it: for people, too.

use serde::Serialize;

use crate::{Error, Result};

/// Indented, with a newline at the end.
pub(super) fn written(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|error| Error::Program {
        doing: "write JSON".to_owned(),
        reason: error.to_string(),
    })?;
    json.push(b'\n');
    Ok(json)
}

/// Why bytes are no manifest, and the way out where they once were one.
pub(super) fn unreadable(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    const WAY_OUT: &str = "take this file from another copy of the archive";
    match error.classify() {
        Category::Eof => format!("it ends in the middle, at line {}; {WAY_OUT}", error.line()),
        Category::Syntax => format!("it is no JSON ({error}); {WAY_OUT}"),
        Category::Data | Category::Io => error.to_string(),
    }
}
