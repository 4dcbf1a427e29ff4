//! Reading rows (`task_query.go`).

use std::collections::BTreeMap;

use milvault::milvus::wire::milvus::{QueryRequest, QueryResults};
use milvault::milvus::wire::schema::field_data::Field as Payload;
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::{
    FieldData, FieldSchema, LongArray, StructArrayField, StructArrayFieldSchema,
};
use milvault::model::Key;
use prost::Message;

use super::cells::{self, is_vector};
use super::collections::Stored;
use super::data::Row;
use super::expr::Expr;
use super::knows::Version;
use super::refusal::{Outcome, Refusal};
use super::world::{World, value_of};

/// `quotaAndLimits.limits.maxQueryResultWindow`.
const WINDOW: i64 = 16_384;

/// Newer than this is no release: what milvus-proto's head has.
const HEAD: Version = (3, 9, 0);

/// The parameters of a read (`parseQueryParams`).
struct Params {
    limit: Option<usize>,
    iterator: bool,
    stop_for_best: bool,
}

impl World {
    pub fn query(&mut self, request: QueryRequest) -> Outcome<QueryResults> {
        let params = params(&request)?;
        // The proxy takes its time first; rows are read at whatever moment the query nodes have come to by then.
        let begun = self.tick();
        if let Some(mut meanwhile) = self.meanwhile.take() {
            let before = self.calls.get("Query").map_or(0, |calls| calls - 1);
            meanwhile(self, before);
            self.meanwhile.get_or_insert(meanwhile);
        }
        let (version, now, largest) = (self.version, self.clock, self.largest_answer);
        let mut hidden = self.hidden.clone();
        if request.output_fields.len() > 1 {
            hidden.extend_from_slice(&self.bare);
        }
        let stored = self.find(&request.db_name, &request.collection_name)?;
        if stored.replicas == 0 {
            // docs/servers-seen.md; 2.2 has no code for it.
            let words = format!(
                "collection not loaded[collection={}]",
                request.collection_name
            );
            return Err(Refusal::Milvus(101, 1, words));
        }
        if stored.partition_key().is_some() && !request.partition_names.is_empty() {
            let words =
                "not support manually specifying the partition names if partition key mode is used";
            return Err(Refusal::parameter(words));
        }
        if let Some(lost) = request
            .partition_names
            .iter()
            .find(|name| !stored.partitions.contains(name))
        {
            return Err(Refusal::Milvus(
                200,
                1,
                format!("partition not found[partition={lost}]"),
            ));
        }
        let counts = request.output_fields == ["count(*)"];
        if counts && params.limit.is_some() {
            return Err(Refusal::parameter(
                "count entities with pagination is not allowed",
            ));
        }
        let expr = match request.expr.as_str() {
            "" if version < (2, 3, 0) => {
                return Err(Refusal::parameter("query expression is empty"));
            }
            "" if !counts && params.limit.is_none() => {
                return Err(Refusal::parameter(
                    "empty expression should be used with limit",
                ));
            }
            "" => None,
            text => Some(Expr::parse(text)?),
        };
        // An iterator that names a moment reads just that one, from 2.5 on: MvccTimestamp = GuaranteeTimestamp.
        let pins = version >= (2, 5, 0) && params.iterator;
        let moment = match request.guarantee_timestamp {
            named if pins && named > 0 => named,
            _ => now,
        };
        let found = |row: &&Row| {
            row.is_visible(moment)
                && (request.partition_names.is_empty()
                    || request.partition_names.contains(&row.partition))
                && expr.as_ref().is_none_or(|expr| expr.holds(&row.cells))
        };
        let rows: Vec<&Row> = stored.rows.iter().filter(found).collect();
        let fields_data = if counts {
            // Rows that share a key count each (docs/servers-seen.md). 2.2.16 succeeds without a count.
            let count = (version >= (2, 3, 0)).then_some(rows.len() as i64);
            count.into_iter().map(count_column).collect()
        } else {
            let returned = |row: &&Row| !hidden.contains(&row.key);
            let rows = page(
                version,
                &params,
                rows.into_iter().filter(returned).collect(),
            );
            answer(version, stored, &request.output_fields, &rows)?
        };
        let bytes: usize = fields_data.iter().map(Message::encoded_len).sum();
        if version >= (2, 4, 0) && bytes > largest {
            // `quotaAndLimits.limits.maxOutputSize`; the words of 3.x differ.
            let words = if version < (3, 0, 0) {
                format!("query results exceed the maxOutputSize Limit {largest}")
            } else {
                format!("query result of {bytes} bytes exceeds the byte-size limit {largest}")
            };
            return Err(Refusal::unexpected(words));
        }
        // Where an iterator begins it is told the moment at which the proxy began, which is not the one at which
        // this page was read (`getMaxMvccTsFromChannels`: "no channel ts found, use beginTs instead").
        let session_ts = if pins && request.guarantee_timestamp == 0 {
            begun
        } else {
            0
        };
        Ok(QueryResults {
            fields_data,
            session_ts,
            collection_name: request.collection_name,
            ..QueryResults::default()
        })
    }
}

fn params(request: &QueryRequest) -> Outcome<Params> {
    let flag = |key| {
        value_of(&request.query_params, key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    };
    let number = |key: &str| match value_of(&request.query_params, key) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Refusal::unexpected(format!("{key} [{text}] is invalid"))),
        },
    };
    let limit = number("limit")?;
    if let Some(limit) = limit {
        let asked = limit + number("offset")?.unwrap_or(0);
        if limit < 1 || asked > WINDOW {
            return Err(Refusal::unexpected(format!(
                "invalid max query result window, (offset+limit) should be in range [1, {WINDOW}], but got {asked}"
            )));
        }
    }
    Ok(Params {
        limit: limit.map(|limit| limit as usize),
        iterator: flag("iterator"),
        stop_for_best: flag("reduce_stop_for_best"),
    })
}

/// The rows of a page: each segment gives its first `limit` rows in order of key, and the page is merged from
/// those (`reduceRetrieveResults`). A page in order for the best ends where a segment that has more runs dry, so it
/// may be shorter than `limit`, and it takes all that came until then, so it may be longer (docs/servers-seen.md).
/// One that does not ask for this takes `limit` rows, and skips what the dry segment has more. Of rows that share a
/// key one is returned; from 2.4 on the others do not count against `limit`.
fn page<'a>(version: Version, params: &Params, rows: Vec<&'a Row>) -> Vec<&'a Row> {
    let uniques_count = version >= (2, 4, 0);
    let mut segments: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        segments.entry(row.segment).or_default().push(row);
    }
    let limit = params.limit.unwrap_or(usize::MAX);
    // The key up to which a page for the best knows all rows.
    let mut dry: Option<&Key> = None;
    let mut merged = Vec::new();
    for segment in segments.values_mut() {
        segment.sort_by(|a, b| a.key.cmp(&b.key));
        if segment.len() > limit {
            segment.truncate(limit);
            let last = &segment[limit - 1].key;
            dry = Some(dry.map_or(last, |other| other.min(last)));
        }
        merged.extend(segment.iter().copied());
    }
    // 2.2 does not read these parameters.
    let best = params.iterator && params.stop_for_best && version >= (2, 3, 0);
    if params.iterator || !uniques_count {
        // Of one key the newest first.
        merged.sort_by(|a, b| a.key.cmp(&b.key).then(b.inserted.cmp(&a.inserted)));
    } else {
        // No order is promised to others; the simulator gives the last first.
        merged.reverse();
    }
    if best {
        merged.retain(|row| dry.is_none_or(|dry| row.key <= *dry));
    } else if !uniques_count {
        merged.truncate(limit);
    }
    let mut seen = std::collections::HashSet::new();
    merged.retain(|row| seen.insert(row.key.clone()));
    if !best {
        merged.truncate(limit);
    }
    merged
}

fn count_column(count: i64) -> FieldData {
    let data = Scalar::LongData(LongArray { data: vec![count] });
    FieldData {
        r#type: 5,
        field_name: "count(*)".into(),
        field: Some(cells::of_scalars(data)),
        ..FieldData::default()
    }
}

/// The columns of an answer: those that were asked for and the key, in an order of the server's own.
fn answer(
    version: Version,
    stored: &Stored,
    wanted: &[String],
    rows: &[&Row],
) -> Outcome<Vec<FieldData>> {
    let mut names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    let key = stored.key().name.as_str();
    if !names.contains(&key) {
        names.push(key);
    }
    // `CanRetrieveRawFieldData`: nobody stores what BM25 computes.
    let hidden = stored.outputs(&[1]);
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let nested = stored
            .schema
            .struct_array_fields
            .iter()
            .find(|nested| nested.name == name);
        if let Some(nested) = nested {
            columns.push(struct_array(version, stored, nested, rows));
            continue;
        }
        let Some(field) = stored.field(name) else {
            return Err(Refusal::unexpected(format!("field {name} not exist")));
        };
        if hidden.contains(&name) {
            let words = format!("not allowed to retrieve raw data of field {name}");
            return Err(Refusal::unexpected(words));
        }
        columns.push(column(version, field, rows));
    }
    Ok(columns)
}

/// A struct array is put together again from its fields (`reconstructStructFieldData`), which 2.6 calls by their
/// short names.
fn struct_array(
    version: Version,
    stored: &Stored,
    nested: &StructArrayFieldSchema,
    rows: &[&Row],
) -> FieldData {
    let part = |field: &FieldSchema| {
        let full = format!("{}[{}]", nested.name, field.name);
        let data = column(version, stored.field(&full).unwrap(), rows);
        let field_name = if version < (3, 0, 0) {
            field.name.clone()
        } else {
            full
        };
        FieldData { field_name, ..data }
    };
    let fields = nested.fields.iter().map(part).collect();
    FieldData {
        r#type: 200,
        field_name: nested.name.clone(),
        field: Some(Payload::StructArrays(StructArrayField { fields })),
        ..FieldData::default()
    }
}

fn column(version: Version, field: &FieldSchema, rows: &[&Row]) -> FieldData {
    let cells = rows
        .iter()
        .map(|row| row.cells.get(&field.name).cloned().flatten());
    let valid: Vec<bool> = if field.nullable {
        cells.clone().map(|cell| cell.is_some()).collect()
    } else {
        Vec::new()
    };
    // Scalars have a filler where they are NULL, and so have arrays of vectors (pull request 49924); other vectors
    // (3.0) take no place there.
    let values = if is_vector(field) && field.data_type != 106 {
        cells.flatten().collect()
    } else {
        cells
            .map(|cell| cell.unwrap_or_else(|| cells::filler(field)))
            .collect()
    };
    let mut column = cells::empty(field);
    cells::extend(&mut column, values);
    let mut data = FieldData {
        r#type: field.data_type,
        field_name: field.name.clone(),
        field_id: field.field_id,
        is_dynamic: field.is_dynamic,
        ..FieldData::default()
    };
    // milvus-proto's head has it in the payload, and no release.
    match &mut column {
        Payload::Scalars(scalars) if version > HEAD => scalars.valid_data = valid,
        Payload::Vectors(vectors) if version > HEAD => vectors.valid_data = valid,
        _ => data.valid_data = valid,
    }
    data.field = Some(column);
    data
}
