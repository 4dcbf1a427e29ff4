//! Writing rows, with the checks of the proxy (`task_insert.go`, `util.go` `checkFieldsDataBySchema`,
//! `validate_util.go`; in the words of 2.5 and 3.0).

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use milvault::milvus::wire::common::Status;
use milvault::milvus::wire::milvus::*;
use milvault::milvus::wire::schema::field_data::Field as Payload;
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::vector_field::Data as Vector;
use milvault::milvus::wire::schema::{FieldData, FieldSchema};
use milvault::model::Key;

use super::cells::{self, Cell, alike, as_key, default_cell, is_vector, split};
use super::collections::Stored;
use super::data::Row;
use super::expr::Expr;
use super::knows::Version;
use super::refusal::{Outcome, Refusal};
use super::world::{Provider, World};

const BM25: i32 = 1;

/// Kinds of functions that are computed anew whenever rows are written: BM25 and MinHash.
const RECOMPUTED: [i32; 2] = [BM25, 4];

impl World {
    pub fn insert(&mut self, request: InsertRequest) -> Outcome<MutationResult> {
        let rows = self.write(request, false)?;
        Ok(MutationResult {
            status: Some(Status::default()),
            insert_cnt: rows,
            ..MutationResult::default()
        })
    }

    pub fn upsert(&mut self, request: InsertRequest) -> Outcome<MutationResult> {
        let rows = self.write(request, true)?;
        Ok(MutationResult {
            status: Some(Status::default()),
            upsert_cnt: rows,
            ..MutationResult::default()
        })
    }

    fn write(&mut self, request: InsertRequest, replace: bool) -> Outcome<i64> {
        let (version, provider) = (self.version, self.provider);
        let moment = self.tick();
        let first_id = self.clock as i64;
        let stored = self.find(&request.db_name, &request.collection_name)?;
        if stored.partition_key().is_some() && !request.partition_name.is_empty() {
            let words =
                "not support manually specifying the partition names if partition key mode is used";
            return Err(Refusal::parameter(words));
        }
        let partition = match request.partition_name.as_str() {
            "" => "_default",
            name => name,
        };
        if stored.partition_key().is_none() && !stored.partitions.iter().any(|one| one == partition)
        {
            return Err(Refusal::Milvus(
                200,
                1,
                format!("partition not found[partition={partition}]"),
            ));
        }
        let num_rows = request.num_rows as usize;
        let mut columns = columns(stored, version, provider, request.fields_data, num_rows)?;
        let key = stored.key().name.clone();
        if !columns.contains_key(&key) {
            let made =
                (0..num_rows).map(|row| Some(cells::of_key(Key::Int(first_id + row as i64))));
            columns.insert(key.clone(), made.collect());
        }
        // An upsert replaces within its partition only (docs/servers-seen.md).
        let mut replaced: HashMap<(Key, String), Vec<usize>> = HashMap::new();
        if replace {
            let live = stored
                .rows
                .iter()
                .enumerate()
                .filter(|(_, row)| row.deleted.is_none());
            for (position, row) in live {
                let place = (row.key.clone(), row.partition.clone());
                replaced.entry(place).or_default().push(position);
            }
        }
        for row in 0..num_rows {
            let cells: BTreeMap<String, Cell> = columns
                .iter()
                .map(|(name, column)| (name.clone(), column[row].clone()))
                .collect();
            let Some(key) = cells[&key].as_ref().and_then(as_key) else {
                return Err(Refusal::parameter("primary field not support null"));
            };
            let place = (key.clone(), partition_of(stored, &cells, partition));
            for old in replaced.remove(&place).unwrap_or_default() {
                stored.rows[old].deleted = Some(moment);
            }
            // Milvus makes the keys of what it upserts anew where it makes keys (issue 46891).
            let (key, cells) = match replace && stored.key().auto_id {
                true => {
                    let anew = Key::Int(first_id + row as i64);
                    let mut cells = cells;
                    cells.insert(stored.key().name.clone(), Some(cells::of_key(anew.clone())));
                    (anew, cells)
                }
                false => (key, cells),
            };
            stored.rows.push(Row {
                key,
                partition: place.1,
                segment: stored.rows.len() % stored.segments,
                inserted: moment,
                deleted: None,
                cells,
            });
        }
        Ok(num_rows as i64)
    }

    /// The call; what an insert brings later is not deleted.
    pub fn delete_rows(&mut self, request: DeleteRequest) -> Outcome<MutationResult> {
        let moment = self.tick();
        let expr = Expr::parse(&request.expr)?;
        let stored = self.find(&request.db_name, &request.collection_name)?;
        let partition = request.partition_name;
        for row in &mut stored.rows {
            let there = partition.is_empty() || row.partition == partition;
            if there && row.deleted.is_none() && expr.holds(&row.cells) {
                row.deleted = Some(moment);
            }
        }
        Ok(MutationResult::default())
    }

    /// Deletes rows of a collection of the default database by key.
    pub fn delete(&mut self, collection: &str, keys: &[Key]) {
        let moment = self.tick();
        for row in &mut self.collection(collection).rows {
            if row.deleted.is_none() && keys.contains(&row.key) {
                row.deleted = Some(moment);
            }
        }
    }

    /// Compaction: what is deleted goes for good, also for those who read an earlier moment (issue 30576).
    pub fn compact(&mut self, collection: &str) {
        self.collection(collection)
            .rows
            .retain(|row| row.deleted.is_none());
    }

    pub fn flush(&mut self, request: FlushRequest) -> Outcome<FlushResponse> {
        let moment = self.tick();
        let names = request.collection_names;
        for name in &names {
            self.find(&request.db_name, name)?;
        }
        let segments = |name: &String| (name.clone(), SegmentIds { data: vec![1] });
        Ok(FlushResponse {
            coll_seg_i_ds: names.iter().map(segments).collect(),
            coll_flush_ts: names.iter().map(|name| (name.clone(), moment)).collect(),
            ..FlushResponse::default()
        })
    }

    pub fn get_flush_state(
        &mut self,
        request: GetFlushStateRequest,
    ) -> Outcome<GetFlushStateResponse> {
        Ok(GetFlushStateResponse {
            flushed: request.flush_ts > 0,
            ..GetFlushStateResponse::default()
        })
    }
}

/// The partition of a row: by its key where there is a partition key.
fn partition_of(stored: &Stored, cells: &BTreeMap<String, Cell>, named: &str) -> String {
    let Some(field) = stored.partition_key() else {
        return named.to_owned();
    };
    let text = format!("{:?}", cells[&field.name]);
    let sum: usize = text.bytes().map(usize::from).sum();
    stored.partitions[sum % stored.partitions.len()].clone()
}

/// The columns of a write, a cell a row, one for each field that is stored.
fn columns(
    stored: &Stored,
    version: Version,
    provider: Provider,
    mut data: Vec<FieldData>,
    num_rows: usize,
) -> Outcome<BTreeMap<String, Vec<Cell>>> {
    if let Some(nested) = data.iter().find(|column| column.field_name.contains('[')) {
        let words = format!("field {} not exist", nested.field_name);
        return Err(Refusal::parameter(words));
    }
    data = data.into_iter().flat_map(flat).collect();
    for column in &mut data {
        if column.is_dynamic {
            column.field_name = "$meta".into();
        }
        if stored.field(&column.field_name).is_none() {
            return Err(Refusal::parameter(format!(
                "field {} not exist",
                column.field_name
            )));
        }
    }
    let recomputed = stored.outputs(&RECOMPUTED);
    let embedded = stored.outputs(&[2]);
    let keeps_embeddings =
        stored.has_property("collection.function.allowInsertNonBM25FunctionOutputs");
    // `allow_insert_auto_id`: release notes of 2.6.3.
    let keeps_keys = version >= (2, 6, 3) && stored.has_property("allow_insert_auto_id");
    let mut columns = BTreeMap::new();
    for field in &stored.columns {
        let name = field.name.as_str();
        let came = data.iter().position(|column| column.field_name == name);
        let came = came.map(|position| data.swap_remove(position));
        let column = match came {
            Some(_) if recomputed.contains(&name) => {
                return Err(Refusal::parameter(format!(
                    "attempt to insert function output field {name}"
                )));
            }
            Some(_) if embedded.contains(&name) && !keeps_embeddings => {
                let words =
                    format!("attempt to insert function output field {name}, which is not allowed");
                return Err(Refusal::parameter(words));
            }
            Some(_) if field.auto_id && !keeps_keys => {
                let words = format!(
                    "can not assign primary field data when auto id enabled and allow_insert_auto_id is false {name}"
                );
                return Err(Refusal::parameter(words));
            }
            Some(column) => self::column(version, field, column, num_rows)?,
            None if field.auto_id || recomputed.contains(&name) => continue,
            None if embedded.contains(&name) && provider == Provider::Gone => {
                return Err(Refusal::unexpected(
                    "call embedding service failed: no answer",
                ));
            }
            None if embedded.contains(&name) => vec![Some(embedding(field)); num_rows],
            None if field.is_dynamic => vec![Some(cells::of_json("{}")); num_rows],
            None => {
                let words = format!("fieldSchema({name}) has no corresponding fieldData pass in");
                return Err(Refusal::parameter(words));
            }
        };
        columns.insert(name.to_owned(), column);
    }
    Ok(columns)
}

/// The fields of a struct array as columns of their own (`checkAndFlattenStructFieldData`).
fn flat(column: FieldData) -> Vec<FieldData> {
    match column.field {
        Some(Payload::StructArrays(nested)) => nested
            .fields
            .into_iter()
            .map(|field| FieldData {
                field_name: format!("{}[{}]", column.field_name, field.field_name),
                ..field
            })
            .collect(),
        _ => vec![column],
    }
}

/// What the provider answers, whatever the text: so that it can be told from what was written before.
fn embedding(field: &FieldSchema) -> Payload {
    let mut vector = cells::empty(field);
    if let Payload::Vectors(data) = &mut vector
        && let Some(Vector::FloatVector(floats)) = &mut data.data
    {
        floats.data = vec![Bytes::from(1f32.to_le_bytes().repeat(data.dim as usize))];
    }
    vector
}

/// The cells of a column. NULL is where `valid_data` says so, and takes no place among the values; a field that is
/// not nullable must come without `valid_data`, one with a default must have it (`nullutil.CheckValidData`,
/// `fillWithNullValueImpl`, `fillWithDefaultValueImpl`).
fn column(
    version: Version,
    field: &FieldSchema,
    data: FieldData,
    num_rows: usize,
) -> Outcome<Vec<Cell>> {
    let name = &field.name;
    let payload = data.field.unwrap_or_else(|| cells::empty(field));
    if !alike(&payload, &cells::empty(field)) {
        return Err(Refusal::parameter(format!(
            "the data of field {name} are of another type than the field"
        )));
    }
    if let Payload::Vectors(vectors) = &payload {
        let dim = cells::param(field, "dim").unwrap_or(0) as i64;
        if field.data_type != 104 && vectors.dim != dim {
            let words = format!(
                "the dim ({}) of field data({name}) is not equal to schema dim ({dim})",
                vectors.dim
            );
            return Err(Refusal::parameter(words));
        }
    }
    check_values(field, &payload)?;
    let values = split(payload)?;
    // Before 2.5 `valid_data` is a field of the message that nobody reads.
    let valid = if version < (2, 5, 0) {
        Vec::new()
    } else {
        data.valid_data
    };
    let default = default_cell(field);
    let expected = if field.nullable || default.is_some() {
        num_rows
    } else {
        0
    };
    if valid.len() != expected {
        let words = format!("the length of valid_data of field({name}) is wrong");
        return Err(Refusal::lengths(&words, expected, valid.len()));
    }
    if valid.is_empty() {
        if values.len() != num_rows {
            let words = format!(
                "the num_rows ({}) of field ({name}) is not equal to passed num_rows ({num_rows})",
                values.len()
            );
            return Err(Refusal::lengths(&words, num_rows, values.len()));
        }
        return Ok(values.into_iter().map(Some).collect());
    }
    let there = valid.iter().filter(|valid| **valid).count();
    if there != values.len() {
        return Err(Refusal::lengths(
            "the length of field is wrong",
            there,
            values.len(),
        ));
    }
    let mut values = values.into_iter();
    // A NULL in a field with a default becomes the default, also where the field is nullable.
    Ok(valid
        .into_iter()
        .map(|valid| {
            if valid {
                values.next()
            } else {
                default.clone()
            }
        })
        .collect())
}

/// `withNANCheck`, `withMaxLenCheck`, `withOverflowCheck`.
fn check_values(field: &FieldSchema, payload: &Payload) -> Outcome<()> {
    let name = &field.name;
    match payload {
        Payload::Scalars(scalars) => match &scalars.data {
            Some(Scalar::StringData(texts)) if field.data_type == 21 => {
                let most = cells::param(field, "max_length").unwrap_or(0);
                match texts.data.iter().find(|text| text.len() > most) {
                    Some(long) => Err(Refusal::parameter(format!(
                        "length of varchar field {name} exceeds max length: {} > {most}",
                        long.len()
                    ))),
                    None => Ok(()),
                }
            }
            Some(Scalar::IntData(ints)) => {
                let bits = [8, 16, 32][(field.data_type - 2).clamp(0, 2) as usize];
                let most = (1i64 << (bits - 1)) - 1;
                match ints
                    .data
                    .iter()
                    .find(|int| i64::from(**int) > most || i64::from(**int) < -most - 1)
                {
                    Some(int) => Err(Refusal::parameter(format!(
                        "the {int} of field {name} is out of range"
                    ))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        },
        Payload::Vectors(vectors) => match &vectors.data {
            Some(Vector::FloatVector(floats)) if is_vector(field) => {
                let bytes = floats.data.concat();
                let numbers = bytes
                    .chunks_exact(4)
                    .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
                match numbers.into_iter().find(|number| !number.is_finite()) {
                    Some(number) => Err(Refusal::parameter(format!(
                        "value '{number}' is not a number or infinity, field {name}"
                    ))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        },
        Payload::StructArrays(_) => Ok(()),
    }
}
