//! An index that is chosen on the way in.

use std::collections::BTreeMap;

use super::index::{INDEX_TYPE, METRIC_TYPE};
use super::table::{Thing, is_known};
use crate::error::{Error, Result};
use crate::model::CollectionName;

/// `[[database.]collection/]field=TYPE[:name=value,…]`: another index for a field, or `field=none`.
///
/// Collections are named as they are where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexChoice {
    /// What was typed, for messages.
    pub text: String,
    database: Option<String>,
    collection: Option<String>,
    field: String,
    /// `index_type`, `metric_type` and the rest of the parameters; `None` builds none.
    pub(super) params: Option<BTreeMap<String, String>>,
}

impl IndexChoice {
    /// Reads a choice as users type it.
    pub fn parse(text: &str) -> Result<IndexChoice> {
        let bad = |why: &str| {
            Error::Usage(format!(
                "{text:?} is no choice of an index: {why}; write field=TYPE:name=value,name=value, as in \
                 vector=HNSW:M=16,efConstruction=200,metric=COSINE, with [database.]collection/ before the field \
                 where it is not for all collections"
            ))
        };
        let (place, index) = text.split_once('=').ok_or_else(|| bad("it has no ="))?;
        let (collection, field) = match place.rsplit_once('/') {
            Some((collection, field)) => (Some(collection), field),
            None => (None, place),
        };
        let (database, collection) = match collection.map(|name| name.split_once('.')) {
            Some(Some((database, name))) => (Some(database), Some(name)),
            _ => (None, collection),
        };
        let named = [Some(field), collection, database];
        if named.iter().flatten().any(|name| name.is_empty()) {
            return Err(bad("a name is empty"));
        }
        let (index_type, rest) = index.split_once(':').unwrap_or((index, ""));
        let params = if index_type.eq_ignore_ascii_case("none") {
            if !rest.is_empty() {
                return Err(bad("none has no parameters"));
            }
            None
        } else {
            let index_type = known_type(index_type)
                .ok_or_else(|| bad(&format!("there is no type of index {index_type:?}")))?;
            let mut params = BTreeMap::from([(INDEX_TYPE.to_owned(), index_type)]);
            for part in rest.split(',').filter(|_| !rest.is_empty()) {
                let (name, value) = part
                    .split_once('=')
                    .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                    .ok_or_else(|| bad(&format!("{part:?} is not name=value")))?;
                let (name, value) = match name {
                    "metric" | METRIC_TYPE => (METRIC_TYPE, value.to_ascii_uppercase()),
                    other => (other, value.to_owned()),
                };
                if name == METRIC_TYPE && !is_known(Thing::Metric(&value)) {
                    return Err(bad(&format!("there is no metric {value:?}")));
                }
                if params.insert(name.to_owned(), value).is_some() {
                    return Err(bad(&format!("{name} is there twice")));
                }
            }
            Some(params)
        };
        Ok(IndexChoice {
            text: text.to_owned(),
            database: database.map(str::to_owned),
            collection: collection.map(str::to_owned),
            field: field.to_owned(),
            params,
        })
    }

    /// Whether it is for this field of this collection.
    pub fn is_for(&self, collection: &CollectionName, field: &str) -> bool {
        let same =
            |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|one| one == name);
        same(&self.database, &collection.database)
            && same(&self.collection, &collection.collection)
            && self.field == field
    }
}

/// The type as Milvus spells it: types are in capitals, but for one.
fn known_type(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let spelt = if upper == "TRIE" { "Trie" } else { &upper };
    is_known(Thing::Index(spelt)).then(|| spelt.to_owned())
}
