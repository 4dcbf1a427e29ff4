//! Masking: values that must not leave are replaced between the reading of rows and whatever is done with them.
//!
//! What cannot be masked as asked is refused before anything is read; what turns out to be impossible in a row fails,
//! so that no value gets through as it was.

mod apply;
mod constant;
mod noise;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use secret::MaskKey;

use arrow_array::ArrayRef;

use crate::error::{Error, Result};
use crate::model::{Collection, CollectionName, DYNAMIC_FIELD, DataType, Field, Mask, MaskKind};
use crate::select;

/// The least length of a hash as text: 64 bits.
const LEAST_HASH: usize = 16;

/// The length of a hash as text where there is room: 128 bits.
const HASH: usize = 32;

/// What is done to the rows of one collection; nothing by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masking {
    columns: Vec<Column>,
    key_field: String,
    secret: Option<MaskKey>,
}

/// What is done to a column.
#[derive(Clone, Debug)]
struct Column {
    field: Field,
    becomes: Becomes,
}

/// What the values of a column become.
#[derive(Clone, Debug)]
enum Becomes {
    Null,
    /// A column of one row.
    Constant(ArrayRef),
    /// Hexadecimal digits, so many.
    Hash(usize),
    /// Whole numbers of the field's type, not negative.
    HashNumber,
    Noise(f64),
    /// Some keys of the dynamic field.
    Keys(Vec<(String, KeyBecomes)>),
}

/// What the value of a key of the dynamic field becomes, where a row has it.
#[derive(Clone, Debug)]
enum KeyBecomes {
    /// The key goes, too.
    Gone,
    Constant(serde_json::Value),
    Hash,
}

/// Whether primary keys may be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrder {
    /// Rows are written in order of key: no.
    Matters,
    /// Rows go in any order.
    IsFree,
}

impl Masking {
    /// Whether rows stay as they are.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Whether primary keys are masked.
    pub fn masks_keys(&self) -> bool {
        self.columns.iter().any(|column| column.field.primary_key)
    }
}

/// Makes sure that there is a secret where a mask needs one.
///
/// # Errors
/// [`Error::Usage`] where there is none.
pub fn check_secret(masks: &[Mask], secret: Option<&MaskKey>) -> Result<()> {
    let keyed = |mask: &&Mask| matches!(mask.how, MaskKind::Hash | MaskKind::Noise(_));
    if secret.is_none()
        && let Some(mask) = masks.iter().find(keyed)
    {
        return Err(Error::Usage(format!(
            "--mask {mask} needs a secret, without which guesses of the values could be checked or the noise be taken \
             off again: give one with --mask-key-file or in MILVAULT_MASK_KEY (`openssl rand -hex 32` makes one)"
        )));
    }
    Ok(())
}

/// Whether a mask is for a collection, if that has the field.
pub(crate) fn is_for(mask: &Mask, collection: &CollectionName) -> Result<bool> {
    match &mask.collection {
        Some(pattern) => select::names(pattern, collection),
        None => Ok(true),
    }
}

/// The masking of each collection, of which these fields are read.
///
/// # Errors
/// [`Error::Usage`] with everything that cannot be done as the masks say.
pub(crate) fn plan(
    masks: &[Mask],
    secret: Option<&MaskKey>,
    read: &[(&Collection, &[Field])],
    order: KeyOrder,
) -> Result<Vec<Masking>> {
    check_secret(masks, secret)?;
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    let mut planned = Vec::with_capacity(read.len());
    for (collection, fields) in read {
        let mut masking = Masking {
            columns: Vec::new(),
            key_field: collection
                .primary_key()
                .map_or_else(String::new, |key| key.name.clone()),
            secret: secret.cloned(),
        };
        for (number, mask) in masks.iter().enumerate() {
            let named = is_for(mask, &collection.name)?;
            let Some(field) = fields.iter().find(|field| field.name == mask.field) else {
                continue;
            };
            if !named {
                continue;
            }
            used.insert(number);
            let name = &collection.name;
            match add(&mut masking.columns, field, mask, order) {
                Ok(()) => {}
                Err(reason) => problems.push(format!("--mask {mask} of {name}: {reason}")),
            }
        }
        let masked = |name: &String| {
            let mut columns = masking.columns.iter();
            columns.any(|column| column.field.name == *name)
        };
        // What the server computes itself is made anew, of the masked values; other outputs go as they are.
        for function in collection.functions.iter().filter(|one| !one.computes()) {
            let read = |name: &&String| fields.iter().any(|field| field.name == **name);
            let tells = function
                .outputs
                .iter()
                .filter(read)
                .find(|name| !masked(name));
            let hidden = function.inputs.iter().find(|name| masked(name));
            if let (Some(output), Some(input)) = (tells, hidden) {
                problems.push(format!(
                    "--mask of {input} of {}: field {output} was made of it by the function {} and would still tell of \
                     it; mask it, too, or leave it out with --exclude-fields {output}",
                    collection.name, function.name
                ));
            }
        }
        planned.push(masking);
    }
    for (number, mask) in masks.iter().enumerate() {
        if !used.contains(&number) {
            problems.push(format!(
                "--mask {mask}: nothing that is read has this field"
            ));
        }
    }
    if problems.is_empty() {
        Ok(planned)
    } else {
        Err(Error::Usage(problems.join("; ")))
    }
}

/// Adds what a mask means for a field.
fn add(
    columns: &mut Vec<Column>,
    field: &Field,
    mask: &Mask,
    order: KeyOrder,
) -> Result<(), String> {
    let twice = || format!("{} is masked twice", field.name);
    let present = columns
        .iter_mut()
        .find(|column| column.field.name == field.name);
    let Some(key) = &mask.key else {
        if present.is_some() {
            return Err(twice());
        }
        columns.push(Column {
            becomes: becomes(field, &mask.how, order)?,
            field: field.clone(),
        });
        return Ok(());
    };
    let becomes = key_becomes(&mask.how)?;
    match present {
        None => columns.push(Column {
            field: field.clone(),
            becomes: Becomes::Keys(vec![(key.clone(), becomes)]),
        }),
        Some(Column {
            becomes: Becomes::Keys(keys),
            ..
        }) if keys.iter().all(|(other, _)| other != key) => keys.push((key.clone(), becomes)),
        Some(_) => return Err(twice()),
    }
    Ok(())
}

/// What the values of a field become, if they can.
fn becomes(field: &Field, how: &MaskKind, order: KeyOrder) -> Result<Becomes, String> {
    let (name, kind) = (&field.name, field.data_type);
    if field.primary_key {
        if *how != MaskKind::Hash {
            return Err(format!(
                "{name} is the primary key, which must tell rows apart; only hash does"
            ));
        }
        if order == KeyOrder::Matters {
            return Err(format!(
                "{name} is the primary key, and an archive's rows are in its order; mask it when they are restored \
                 or migrated"
            ));
        }
    }
    match how {
        MaskKind::Null if name == DYNAMIC_FIELD => constant::column(field, "{}"),
        MaskKind::Null if field.nullable => Ok(Becomes::Null),
        MaskKind::Null => Err(format!(
            "{name} takes no null; give a constant, or leave it out with --exclude-fields {name}"
        )),
        MaskKind::Constant(value) => constant::column(field, value),
        MaskKind::Hash => match kind {
            DataType::VarChar | DataType::Text => match field
                .params
                .get("max_length")
                .and_then(|most| most.parse().ok())
            {
                Some(most) if most < LEAST_HASH => Err(format!(
                    "{name} takes {most} bytes, and a hash has at least {LEAST_HASH}; give a constant"
                )),
                Some(most) => Ok(Becomes::Hash(HASH.min(most))),
                None => Ok(Becomes::Hash(HASH)),
            },
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                Ok(Becomes::HashNumber)
            }
            _ => Err(format!(
                "{name} is {kind}; hash is for texts and whole numbers"
            )),
        },
        MaskKind::Noise(sigma) => match kind {
            DataType::Float
            | DataType::Double
            | DataType::FloatVector
            | DataType::Float16Vector
            | DataType::BFloat16Vector => Ok(Becomes::Noise(*sigma)),
            _ => Err(format!(
                "{name} is {kind}; noise is for floats and vectors of them"
            )),
        },
    }
}

fn key_becomes(how: &MaskKind) -> Result<KeyBecomes, String> {
    match how {
        MaskKind::Null => Ok(KeyBecomes::Gone),
        MaskKind::Hash => Ok(KeyBecomes::Hash),
        // As JSON where it is some, else as text.
        MaskKind::Constant(value) => Ok(KeyBecomes::Constant(
            serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into()),
        )),
        MaskKind::Noise(_) => {
            Err("a key of the dynamic field may hold anything; noise is for floats".to_owned())
        }
    }
}
