//! Which rows have a value, and where it is: Milvus sends nulls in two ways.

use arrow_array::Array;
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};

use crate::milvus::wire::schema::FieldData;
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::model::Field;
use crate::{Error, Result};

/// The rows of one column of an answer: which are null, and which value belongs to which row.
///
/// Scalars come with a filler at each null, nullable vectors without, and which of the two it is depends on
/// server and type. The count of values tells.
pub(super) struct Validity {
    rows: usize,
    nulls: Option<NullBuffer>,
    /// Whether null rows take no place among the values.
    compact: bool,
}

impl Validity {
    /// Reads `valid_data`, which has one entry a row, or none at all where all are valid.
    ///
    /// # Errors
    /// Where `values` is neither the number of rows nor that of the valid ones.
    pub(super) fn new(field: &Field, valid_data: Vec<bool>, values: usize) -> Result<Validity> {
        let rows = if valid_data.is_empty() {
            values
        } else {
            valid_data.len()
        };
        let nulls = Some(NullBuffer::from(valid_data)).filter(|nulls| nulls.null_count() > 0);
        let valid = rows - nulls.as_ref().map_or(0, NullBuffer::null_count);
        if values != rows && values != valid {
            return Err(Error::column(
                &field.name,
                format!("{values} values came for {rows} rows, of which {valid} are not null"),
            ));
        }
        Ok(Validity {
            rows,
            nulls,
            compact: values != rows,
        })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Which rows are null, if any is.
    pub(super) fn nulls(&self) -> Option<NullBuffer> {
        self.nulls.clone()
    }

    /// For each row the position of its value; none where it is null.
    pub(super) fn positions(&self) -> impl Iterator<Item = Option<usize>> {
        let mut next = 0;
        (0..self.rows).map(move |row| {
            let valid = self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let position = valid.then_some(if self.compact { next } else { row });
            next += usize::from(valid);
            position
        })
    }

    /// One value a row, with `T::default()` at nulls where there is none.
    pub(super) fn spread<T: Copy + Default>(&self, values: Vec<T>) -> Vec<T> {
        if !self.compact {
            return values;
        }
        self.positions()
            .map(|position| position.map_or(T::default(), |at| values[at]))
            .collect()
    }

    /// The offsets of rows whose values are `width` items wide each, over the values as they came.
    pub(super) fn strides(&self, field: &Field, width: usize) -> Result<OffsetBuffer<i32>> {
        if self.compact {
            offsets(
                field,
                self.positions()
                    .map(|position| position.map_or(0, |_| width)),
            )
        } else {
            offsets(field, std::iter::repeat_n(width, self.rows))
        }
    }
}

/// Takes `valid_data` out of a column: from the column, where every release of Milvus has it, or from its payload,
/// where milvus-proto's head does.
///
/// # Errors
/// Where it is in both places, and not the same.
pub(super) fn take_valid_data(data: &mut FieldData) -> Result<Vec<bool>> {
    let beside = std::mem::take(&mut data.valid_data);
    let within = match &mut data.field {
        Some(Payload::Scalars(scalars)) => std::mem::take(&mut scalars.valid_data),
        Some(Payload::Vectors(vectors)) => std::mem::take(&mut vectors.valid_data),
        Some(Payload::StructArrays(_)) | None => Vec::new(),
    };
    if within.is_empty() {
        Ok(beside)
    } else if beside.is_empty() || beside == within {
        Ok(within)
    } else {
        Err(Error::column(
            &data.field_name,
            "valid_data came twice, and not the same",
        ))
    }
}

/// Refuses an array whose `valid_data` says that an element is null.
pub(super) fn refuse_null_elements(field: &Field, valid_data: &[bool]) -> Result<()> {
    if valid_data.contains(&false) {
        return Err(Error::column(
            &field.name,
            "an element of an array is null, which cannot be carried",
        ));
    }
    Ok(())
}

/// The offsets of rows with these lengths.
///
/// # Errors
/// Where they do not fit 32 bits, which an answer of Milvus never comes near.
pub(super) fn offsets(
    field: &Field,
    lengths: impl Iterator<Item = usize>,
) -> Result<OffsetBuffer<i32>> {
    let mut offsets = Vec::with_capacity(lengths.size_hint().0 + 1);
    let mut end = 0usize;
    offsets.push(0);
    for length in lengths {
        end = end.saturating_add(length);
        offsets.push(i32::try_from(end).map_err(|_| {
            Error::column(
                &field.name,
                "more than 2 GiB of values in one batch of rows",
            )
        })?);
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

/// `valid_data` of a column that is sent: needed where null or a default is possible, else empty.
///
/// # Errors
/// Where a row is null and the field takes none.
pub(super) fn valid_data(field: &Field, column: &dyn Array) -> Result<Vec<bool>> {
    if field.nullable || field.default.is_some() {
        return Ok((0..column.len()).map(|row| column.is_valid(row)).collect());
    }
    match (0..column.len()).find(|&row| column.is_null(row)) {
        Some(row) => Err(Error::column(
            &field.name,
            format!("row {row} is null, but the field takes no nulls"),
        )),
        None => Ok(Vec::new()),
    }
}

/// The rows that are not null, the only ones whose values are sent.
pub(super) fn valid_rows(column: &dyn Array) -> impl Iterator<Item = usize> {
    (0..column.len()).filter(|&row| column.is_valid(row))
}
