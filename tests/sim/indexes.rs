//! Indexes. They are built as soon as they are asked for.

use std::collections::BTreeMap;

use milvault::milvus::wire::common::{IndexState, KeyValuePair, Status};
use milvault::milvus::wire::milvus::*;

use super::knows;
use super::refusal::{Outcome, Refusal};
use super::world::{World, pair, value_of};

impl World {
    pub fn create_index(&mut self, request: CreateIndexRequest) -> Outcome<Status> {
        let version = self.version;
        let id = self.next_id();
        let stored = self.find(&request.db_name, &request.collection_name)?;
        let Some(field) = stored.field(&request.field_name) else {
            let words = format!(
                "cannot create index on non-exist field: {}",
                request.field_name
            );
            return Err(Refusal::unexpected(words));
        };
        let kind = value_of(&request.extra_params, "index_type").unwrap_or("AUTOINDEX");
        if knows::index_since(kind).is_none_or(|since| version < since) {
            return Err(Refusal::parameter(format!("invalid index type: {kind}")));
        }
        // BM25's output takes no other metric (`indexparamcheck`).
        let bm25 = stored.outputs(&[1]).contains(&request.field_name.as_str());
        if bm25 && value_of(&request.extra_params, "metric_type") != Some("BM25") {
            return Err(Refusal::parameter(
                "only BM25 metric type is supported for a BM25 function output",
            ));
        }
        // Default names: seen on 2.2.16 and 2.3.5.
        let name = match (request.index_name.as_str(), version >= (2, 3, 0)) {
            ("", true) => request.field_name.clone(),
            ("", false) => format!("_default_idx_{}", field.field_id),
            (name, _) => name.to_owned(),
        };
        let params = if version >= (2, 5, 0) {
            flattened(&request.extra_params)
        } else {
            request.extra_params
        };
        let rows = stored.rows.len() as i64;
        stored.indexes.retain(|index| index.index_name != name);
        stored.indexes.push(IndexDescription {
            index_name: name,
            index_id: id,
            params,
            field_name: request.field_name,
            indexed_rows: rows,
            total_rows: rows,
            state: IndexState::Finished.into(),
            ..IndexDescription::default()
        });
        Ok(Status::default())
    }

    pub fn drop_index(&mut self, request: DropIndexRequest) -> Outcome<Status> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        if stored.replicas > 0 {
            return Err(Refusal::unexpected(
                "index cannot be dropped, collection is loaded, please release it first",
            ));
        }
        stored
            .indexes
            .retain(|index| index.index_name != request.index_name);
        Ok(Status::default())
    }

    pub fn describe_index(
        &mut self,
        request: DescribeIndexRequest,
    ) -> Outcome<DescribeIndexResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        if stored.indexes.is_empty() {
            return Err(Refusal::no_index(&request.collection_name));
        }
        Ok(DescribeIndexResponse {
            index_descriptions: stored.indexes.clone(),
            ..DescribeIndexResponse::default()
        })
    }
}

/// Parameters that came as JSON under `params`, one level up: newer servers tell them so.
fn flattened(params: &[KeyValuePair]) -> Vec<KeyValuePair> {
    let mut flat = Vec::new();
    for param in params {
        if param.key == "params" {
            let nested: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(&param.value).unwrap();
            flat.extend(nested.into_iter().map(|(key, value)| match value {
                serde_json::Value::String(text) => pair(&key, &text),
                other => pair(&key, &other.to_string()),
            }));
        } else {
            flat.push(param.clone());
        }
    }
    flat
}
