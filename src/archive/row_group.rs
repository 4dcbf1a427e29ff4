//! One row group of a data file, out of the batches that were gathered for it.
//!
//! The Parquet writer's pages end where its own steps do, so the bytes depend on how columns are handed to it: each
//! must come as if it came at once.

use std::io::Write;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ListArray, RecordBatch};
use arrow_schema::{DataType as ArrowType, SchemaRef};
use arrow_select::concat::concat;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::FloatType;
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedFileWriter;

/// How many values one call hands over at most: their levels stay in the processor's cache.
const VALUES_AT_ONCE: usize = 1 << 16;

/// Writes batches as one row group, the `index`-th of the file.
pub(super) fn write<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    schema: &SchemaRef,
    index: usize,
    batches: &[RecordBatch],
) -> Result<()> {
    let step = writer.properties().write_batch_size();
    let columns = ArrowRowGroupWriterFactory::new(writer, schema.clone());
    let mut leaves = columns.create_column_writers(index)?.into_iter();
    let mut group = writer.next_row_group()?;
    for (position, field) in schema.fields().iter().enumerate() {
        let parts = batches.iter().map(|batch| batch.column(position).as_ref());
        if let Some(vectors) = Vectors::of(field.data_type(), parts.clone()) {
            // The column is written at once instead of by the writer that was made for it.
            drop(leaves.next());
            let mut column = group.next_column()?.ok_or_else(too_few)?;
            vectors.write(column.typed::<FloatType>(), step)?;
            column.close()?;
            continue;
        }
        let whole = concat(&parts.collect::<Vec<_>>())?;
        for leaf in compute_leaves(field, &whole)? {
            let mut column = leaves.next().ok_or_else(too_few)?;
            column.write(&leaf)?;
            column.close()?.append_to_row_group(&mut group)?;
        }
    }
    group.close()?;
    Ok(())
}

fn too_few() -> ParquetError {
    ParquetError::General("there are more columns than the schema has".into())
}

/// Vectors of floats, none of them null and all of one length. Most of the bytes of most archives are such, and
/// their levels are known without looking at them.
struct Vectors<'a> {
    parts: Vec<&'a ListArray>,
    dim: usize,
}

impl<'a> Vectors<'a> {
    fn of(
        data_type: &ArrowType,
        parts: impl Iterator<Item = &'a dyn Array>,
    ) -> Option<Vectors<'a>> {
        match data_type {
            ArrowType::List(item) if *item.data_type() == ArrowType::Float32 => {}
            _ => return None,
        }
        let parts: Vec<&ListArray> = parts.filter_map(|part| part.as_list_opt()).collect();
        let dim = parts.first().map(|part| part.value_length(0))?;
        let plain = |part: &&ListArray| {
            let lengths = part.value_offsets().windows(2);
            part.null_count() == 0
                && part.values().null_count() == 0
                && lengths
                    .map(|ends| ends[1] - ends[0])
                    .all(|length| length == dim)
        };
        Some(Vectors {
            dim: usize::try_from(dim).ok().filter(|dim| *dim > 0)?,
            parts: Some(parts).filter(|parts| parts.iter().all(plain))?,
        })
    }

    /// `step` values are what the writer takes at once, rounded up to whole vectors; all calls but the last hand
    /// over a multiple of that, so that it is the same as one call.
    fn write(&self, column: &mut ColumnWriterImpl<'_, FloatType>, step: usize) -> Result<()> {
        let rows = step.div_ceil(self.dim);
        let most = (VALUES_AT_ONCE / self.dim / rows).max(1) * rows;
        let levels = Levels::new(self.dim, most, column.get_descriptor().max_def_level());
        let mut begun: Vec<f32> = Vec::new();
        for part in &self.parts {
            let values: &[f32] = part.values().as_primitive::<Float32Type>().values();
            let offsets = part.value_offsets();
            let values = &values[offsets[0] as usize..offsets[part.len()] as usize];
            let missing = (rows * self.dim - begun.len()) % (rows * self.dim);
            let (head, values) = values.split_at(missing.min(values.len()));
            begun.extend_from_slice(head);
            if begun.len() == rows * self.dim {
                levels.write(column, &begun)?;
                begun.clear();
            }
            let whole = values.len() / (rows * self.dim) * (rows * self.dim);
            let (whole, tail) = values.split_at(whole);
            for some in whole.chunks(most * self.dim) {
                levels.write(column, some)?;
            }
            begun.extend_from_slice(tail);
        }
        if begun.is_empty() {
            return Ok(());
        }
        levels.write(column, &begun)
    }
}

/// The definition and repetition levels of vectors: each begins anew, and all is there.
struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl Levels {
    fn new(dim: usize, rows: usize, defined: i16) -> Levels {
        let mut repetition = vec![1; dim * rows];
        repetition
            .iter_mut()
            .step_by(dim)
            .for_each(|level| *level = 0);
        Levels {
            definition: vec![defined; dim * rows],
            repetition,
        }
    }

    fn write(&self, column: &mut ColumnWriterImpl<'_, FloatType>, values: &[f32]) -> Result<()> {
        let all: Range<usize> = 0..values.len();
        let levels = (&self.definition[all.clone()], &self.repetition[all]);
        column.write_batch(values, Some(levels.0), Some(levels.1))?;
        Ok(())
    }
}
