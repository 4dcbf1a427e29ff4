//! What must hold of any rows.

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use proptest::prelude::*;
use proptest::sample::Index;

use super::arrow::batch;
use super::rows::{KEY, Value, columns, every_field, value};
use super::wire::{Nulls, wire, within};
use crate::columns::digest::{digest, row_hashes};
use crate::columns::{Digests, arrow_schema, decode, encode};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{FieldData, VectorField};
use crate::model::{DYNAMIC_FIELD, DataType};

fn every_column() -> impl Strategy<Value = Vec<Vec<Value>>> {
    columns(every_field())
}

fn decoded(batch: &RecordBatch) -> RecordBatch {
    let fields = every_field();
    let data = encode(&fields, batch).unwrap();
    decode(&fields, &arrow_schema(&fields).unwrap(), data, KEY).unwrap()
}

fn digest_of(batch: &RecordBatch) -> Digests {
    digest(&every_field(), batch, KEY).unwrap()
}

fn no_dimension(value: &Value) -> bool {
    match value {
        Value::Sparse(pairs) => pairs.is_empty(),
        value => *value == Value::Null,
    }
}

/// Without what `wire` leaves out, as some answers do, and without field IDs.
fn bare(mut data: FieldData) -> FieldData {
    fn without_dim(vectors: &mut VectorField) {
        vectors.dim = 0;
        match &mut vectors.data {
            Some(Vectors::SparseFloatVector(sparse)) => sparse.dim = 0,
            Some(Vectors::VectorArray(array)) => {
                array.dim = 0;
                array.data.iter_mut().for_each(without_dim);
            }
            _ => {}
        }
    }
    data.field_id = 0;
    match &mut data.field {
        Some(Payload::Vectors(vectors)) => without_dim(vectors),
        Some(Payload::StructArrays(structs)) => {
            structs.fields = std::mem::take(&mut structs.fields)
                .into_iter()
                .map(bare)
                .collect();
        }
        _ => {}
    }
    data
}

/// In memory, as an archive's file is: without Arrow's own schema in it.
fn through_parquet(batch: &RecordBatch) -> RecordBatch {
    let mut file = Vec::new();
    let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(&mut file, batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file = ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(file), options);
    let mut reader = file.unwrap().build().unwrap();
    let read = reader.next();
    assert!(reader.next().is_none());
    read.map_or_else(
        || RecordBatch::new_empty(batch.schema()),
        |read| read.unwrap(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_become_the_rows_they_hold(
        columns in every_column(),
        forms in proptest::collection::vec(any::<(bool, bool)>(), every_field().len()),
    ) {
        let fields = every_field();
        let mut data: Vec<_> = fields
            .iter()
            .zip(&columns)
            .zip(forms)
            .map(|((field, values), (filled, deep))| {
                let data = wire(field, values, if filled { Nulls::Filled } else { Nulls::LeftOut });
                if deep { within(data) } else { data }
            })
            .collect();
        data.reverse();
        let rows = decode(&fields, &arrow_schema(&fields).unwrap(), data, KEY).unwrap();
        prop_assert_eq!(rows, batch(&fields, &columns));
    }

    #[test]
    fn rows_survive_encoding(columns in every_column()) {
        let rows = batch(&every_field(), &columns);
        prop_assert_eq!(decoded(&rows), rows);
    }

    #[test]
    fn slices_survive_encoding(columns in every_column(), cut in any::<(Index, Index)>()) {
        let rows = batch(&every_field(), &columns);
        let start = cut.0.index(rows.num_rows() + 1);
        let length = cut.1.index(rows.num_rows() - start + 1);
        let part: Vec<_> = columns.iter().map(|c| c[start..start + length].to_vec()).collect();
        let slice = rows.slice(start, length);
        prop_assert_eq!(decoded(&slice), batch(&every_field(), &part));
        prop_assert_eq!(
            crate::columns::row_bytes(&slice),
            &crate::columns::row_bytes(&rows)[start..start + length]
        );
    }

    #[test]
    fn what_is_sent_is_what_milvus_expects(columns in every_column()) {
        let fields = every_field();
        let rows = batch(&fields, &columns);
        for ((field, values), sent) in fields.iter().zip(&columns).zip(encode(&fields, &rows).unwrap()) {
            let mut expected = wire(field, values, Nulls::LeftOut);
            expected.is_dynamic = field.name == DYNAMIC_FIELD;
            if let Some(Payload::Vectors(vectors)) = &sent.field {
                // `wire` leaves the dim out, as some answers do.
                prop_assert!(vectors.dim > 0 || values.iter().all(no_dimension));
            }
            prop_assert_eq!(bare(sent), bare(expected));
        }
    }

    #[test]
    fn rows_survive_parquet(columns in every_column()) {
        let rows = batch(&every_field(), &columns);
        let read = through_parquet(&rows);
        prop_assert_eq!(read.schema_ref().fields(), rows.schema_ref().fields());
        prop_assert_eq!(digest_of(&read), digest_of(&rows));
        prop_assert_eq!(read.columns(), rows.columns());
    }

    #[test]
    fn digests_do_not_depend_on_order(columns in every_column(), turn in any::<Index>()) {
        let mut fields = every_field();
        let rows = batch(&fields, &columns);
        let n = rows.num_rows() as u32;
        let turned: UInt32Array = (0..n).map(|row| (row + turn.index(n.max(1) as usize) as u32) % n).collect();
        let turned = take_record_batch(&rows, &turned).unwrap();
        fields.reverse();
        prop_assert_eq!(digest(&fields, &turned, KEY).unwrap(), digest_of(&rows));
    }

    #[test]
    fn digests_do_not_depend_on_cuts(columns in every_column(), cut in any::<Index>()) {
        let rows = batch(&every_field(), &columns);
        let cut = cut.index(rows.num_rows() + 1);
        let (head, tail) = (rows.slice(0, cut), rows.slice(cut, rows.num_rows() - cut));
        let mut sum = Digests::default();
        sum.merge(&digest_of(&head));
        sum.merge(&digest_of(&tail));
        prop_assert_eq!(&sum, &digest_of(&rows));
        let hashes = row_hashes(&every_field(), &rows, KEY).unwrap();
        prop_assert_eq!(&hashes[cut..], row_hashes(&every_field(), &tail, KEY).unwrap());
        prop_assert_eq!(sum.all.0, hashes.into_iter().fold(0, u128::wrapping_add));
    }

    #[test]
    fn any_changed_value_shows_in_its_field_alone(
        (mut columns, at, row, other) in (every_column(), 1..every_field().len(), any::<Index>())
            .prop_flat_map(|(columns, at, row)| {
                let other = value(&every_field()[at]);
                (Just(columns), Just(at), Just(row), other)
            }),
    ) {
        let fields = every_field();
        let before = batch(&fields, &columns);
        prop_assume!(before.num_rows() > 0);
        columns[at][row.index(before.num_rows())] = other;
        let after = batch(&fields, &columns);
        let changed = before.column(at).to_data() != after.column(at).to_data();
        let (before, after) = (digest_of(&before), digest_of(&after));
        prop_assert_eq!(before.all != after.all, changed);
        for field in &fields {
            let differs = before.fields[&field.name] != after.fields[&field.name];
            prop_assert_eq!(differs, changed && field.name == fields[at].name, "{}", &field.name);
        }
    }

    #[test]
    fn a_changed_key_shows_in_every_field(mut columns in every_column(), row in any::<Index>()) {
        let fields = every_field();
        let before = batch(&fields, &columns);
        prop_assume!(before.num_rows() > 0);
        if let Value::Int(key) = &mut columns[0][row.index(before.num_rows())] {
            *key ^= 1;
        }
        let (before, after) = (digest_of(&before), digest_of(&batch(&fields, &columns)));
        prop_assert_ne!(before.all, after.all);
        for field in &fields {
            prop_assert_ne!(before.fields[&field.name], after.fields[&field.name]);
        }
    }
}

#[test]
fn every_known_type_is_among_the_fields_tested() {
    let fields = every_field();
    for code in 0..=400 {
        let kind = DataType::from_code(code);
        if !matches!(kind, DataType::Unknown(_)) {
            assert!(fields.iter().any(|field| field.data_type == kind), "{kind}");
        }
    }
}
