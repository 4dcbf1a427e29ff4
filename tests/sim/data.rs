//! Rows and their moments.

use std::collections::BTreeMap;

use milvault::model::Key;

use super::cells::Cell;

/// A row as it was written; a later write of its key makes another one.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: Key,
    pub partition: String,
    /// The segment that holds it: answers are merged from segments, each sorted by key.
    pub segment: usize,
    /// From this moment on it can be seen.
    pub inserted: u64,
    /// From this moment on it can be seen no more.
    pub deleted: Option<u64>,
    /// By field; `$meta` among them where the collection is dynamic.
    pub cells: BTreeMap<String, Cell>,
}

impl Row {
    pub fn is_visible(&self, moment: u64) -> bool {
        self.inserted <= moment && self.deleted.is_none_or(|deleted| deleted > moment)
    }
}

/// What a query would find: rows by partition and key, the newest of those that share one.
pub type Content = BTreeMap<(String, Key), BTreeMap<String, Cell>>;

/// The content at a moment.
pub fn content(rows: &[Row], moment: u64) -> Content {
    let mut visible: Vec<&Row> = rows.iter().filter(|row| row.is_visible(moment)).collect();
    visible.sort_by_key(|row| row.inserted);
    visible
        .into_iter()
        .map(|row| ((row.partition.clone(), row.key.clone()), row.cells.clone()))
        .collect()
}
