//! Compare: whether two places hold the same collections, each a cluster or an archive.
//!
//! Rows of both are read in order of key and held against each other, so that memory does not grow with the
//! collections, and the first rows that differ can be named.

mod content;
mod rows;

use std::collections::BTreeSet;

use serde::Serialize;

use self::content::Content;
use crate::archive::{Archive, Selection};
use crate::error::{Error, Result};
use crate::masking::MaskKey;
use crate::milvus::Cluster;
use crate::model::{CollectionName, Field, Key, schema_differences};
use crate::naming::Naming;
use crate::progress::Context;
use crate::readable::ReadAccess;
use crate::select;

/// One of the two places.
#[derive(Debug)]
pub enum Side {
    /// A live cluster.
    Cluster(Box<Cluster>),
    /// An archive.
    Archive(Box<Archive>),
}

/// How a comparison is done.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// Which collections, partitions, rows (of clusters only) and fields, by their names in the first place, and how
    /// values of clusters are masked before they are compared.
    pub selection: Selection,
    /// What the collections of the first place are called in the second.
    pub naming: Naming,
    /// What may be done to collections that cannot be read as they are.
    pub access: ReadAccess,
    /// The secret of masks that need one.
    pub mask_key: Option<MaskKey>,
    /// Whether the second place holds just what was taken of the first, so that its rows are neither filtered, nor
    /// thinned, nor masked.
    pub second_as_is: bool,
    /// How many differing rows of each collection are named.
    pub show: usize,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Whether everything is the same.
    pub equal: bool,
    /// One entry for each collection that both have.
    pub collections: Vec<CollectionComparison>,
    /// Collections of the first place that the second lacks.
    pub only_in_a: Vec<CollectionName>,
    /// Collections that only the second place has; only looked for where no collections were selected or renamed.
    pub only_in_b: Vec<CollectionName>,
    /// What the user should know: that one place is a sample, and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a comparison found in one collection.
#[derive(Clone, Debug, Serialize)]
pub struct CollectionComparison {
    /// Its name in the first place.
    pub a: CollectionName,
    /// Its name in the second.
    pub b: CollectionName,
    /// Whether schema and rows are the same.
    pub equal: bool,
    /// Rows in the first place.
    pub rows_a: u64,
    /// Rows in the second.
    pub rows_b: u64,
    /// Differences of schema, one sentence each.
    pub schema: Vec<String>,
    /// Fields that were not compared, because one place has them masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<String>,
    /// Rows that only the first place has.
    pub only_in_a: u64,
    /// Rows that only the second has.
    pub only_in_b: u64,
    /// Rows that both have, with other values.
    pub changed: u64,
    /// The first rows that differ.
    pub first: Vec<RowDifference>,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowDifference {
    /// Its partition; none where partitions are read as one.
    pub partition: Option<String>,
    /// Its primary key.
    pub key: Key,
    /// In what.
    pub what: RowChange,
}

/// In what a row differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowChange {
    /// Only the first place has it.
    OnlyInA,
    /// Only the second has it.
    OnlyInB,
    /// Both have it, with other values in these fields.
    Fields(Vec<String>),
}

impl CollectionComparison {
    /// Of two collections of which nothing is known yet, so that they are not equal.
    pub(crate) fn of(a: &CollectionName, b: &CollectionName) -> CollectionComparison {
        CollectionComparison {
            a: a.clone(),
            b: b.clone(),
            equal: false,
            rows_a: 0,
            rows_b: 0,
            schema: Vec::new(),
            masked: Vec::new(),
            only_in_a: 0,
            only_in_b: 0,
            changed: 0,
            first: Vec::new(),
        }
    }
}

/// Compares the selected collections of the first place with those of the second, row by row.
pub async fn compare(
    a: &Side,
    b: &Side,
    options: &CompareOptions,
    ctx: &Context,
) -> Result<Comparison> {
    if options.selection.filter.is_some() && !matches!((a, b), (Side::Cluster(_), Side::Cluster(_)))
    {
        return Err(Error::Usage(
            "--filter is for clusters; an archive's rows are compared whole".into(),
        ));
    }
    let named = options.selection.named_databases(a.database());
    let (all_a, databases_a) = a.collections(&named).await?;
    // What an archive left out, a cluster beside it is not asked for either.
    let mut options = options.clone();
    for archived in [a.selection(), b.selection()].into_iter().flatten() {
        let wanted = &mut options.selection;
        wanted.filter = wanted.filter.take().or_else(|| archived.filter.clone());
        wanted.sample = wanted.sample.or(archived.sample);
        wanted.limit = wanted.limit.or(archived.limit);
    }
    let options = &options;
    let chosen = select::collections(
        &options.selection,
        &all_a,
        &databases_a,
        a.database(),
        &a.place(),
    )?;
    // An address that names a database means the collections of that one.
    let naming = options.naming.within(b.database())?;
    // Only then does what the second place has beyond the first count.
    let whole =
        options.selection == Selection::default() && options.naming.keeps_names() && a.is_whole();
    let others = match whole && b.database().is_none() {
        true => BTreeSet::new(),
        false => chosen
            .iter()
            .map(|name| naming.target(name).database)
            .collect(),
    };
    let (all_b, _) = b.collections(&Vec::from_iter(others)).await?;
    // Nor does what a cluster has that was not selected for the archive, where that has any of what was.
    let chosen = match (a, b.selection()) {
        (Side::Cluster(_), Some(archived)) if options.selection.collections.is_empty() => {
            let mut selected = Vec::new();
            for name in &chosen {
                let other = naming.target(name);
                if all_b.contains(&other) || select::has_named(archived, &other)? {
                    selected.push(name.clone());
                }
            }
            Some(selected).filter(|selected| !selected.is_empty())
        }
        _ => None,
    }
    .unwrap_or(chosen);
    let mut comparison = Comparison {
        equal: true,
        notes: [(a, b), (b, a)].into_iter().filter_map(thinned).collect(),
        ..Comparison::default()
    };
    for name in &chosen {
        let other = naming.target(name);
        if !all_b.contains(&other) {
            comparison.only_in_a.push(name.clone());
            continue;
        }
        let options = &as_archived([(a, name, b), (b, &other, a)], options);
        let work = async {
            let of_a = Content::open(a, name, false, options, ctx).await?;
            let of_b = match Content::open(b, &other, true, options, ctx).await {
                Ok(of_b) => of_b,
                Err(error) => {
                    of_a.close(ctx).await;
                    return Err(error);
                }
            };
            let compared = ctx
                .until_stopped(
                    "the comparison",
                    compare_content(&of_a, &of_b, options, ctx),
                )
                .await;
            of_a.close(ctx).await;
            of_b.close(ctx).await;
            compared
        };
        comparison.collections.push(work.await?);
    }
    if whole {
        let compared: Vec<CollectionName> = chosen.iter().map(|name| naming.target(name)).collect();
        comparison.only_in_b = all_b
            .into_iter()
            .filter(|name| {
                b.database()
                    .is_none_or(|database| database == name.database)
            })
            .filter(|name| !compared.contains(name))
            .collect();
    }
    comparison.equal = comparison
        .collections
        .iter()
        .all(|collection| collection.equal)
        && comparison.only_in_a.is_empty()
        && comparison.only_in_b.is_empty();
    Ok(comparison)
}

/// The options for one collection: of a cluster beside an archive of some fields or partitions, no others are read, unless
/// the user names them.
fn as_archived(
    sides: [(&Side, &CollectionName, &Side); 2],
    options: &CompareOptions,
) -> CompareOptions {
    let mut options = options.clone();
    let wanted = &mut options.selection;
    for (side, name, beside) in sides {
        let (Side::Archive(archive), Side::Cluster(_)) = (side, beside) else {
            continue;
        };
        let manifest = archive.manifest();
        let archived = &manifest.selection;
        let of_fields = !archived.fields.is_empty() || !archived.exclude_fields.is_empty();
        let mut entries = manifest.collections.iter();
        let entry = entries.find(|entry| entry.schema.name == *name);
        if let Some(entry) = entry.filter(|_| of_fields && wanted.fields.is_empty()) {
            wanted.fields = entry.exported_fields.clone();
        }
        if wanted.partitions.is_empty() {
            wanted.partitions = archived.partitions.clone();
        }
    }
    options
}

/// Says that a place holds a part of its source.
fn thinned((one, other): (&Side, &Side)) -> Option<String> {
    let selection = one.selection()?;
    let mut parts = Vec::new();
    parts.extend(
        selection
            .sample
            .map(|sample| format!("{sample} of the rows, by key")),
    );
    parts.extend(
        selection
            .limit
            .map(|limit| format!("the first {limit} rows of each collection")),
    );
    let mut what = Vec::from_iter((!parts.is_empty()).then(|| parts.join(", of those ")));
    if let Some(filter) = &selection.filter {
        what.push(format!("the rows with {filter}"));
    }
    for (what_of, names) in [
        ("the databases", &selection.databases),
        ("the collections", &selection.collections),
        ("all collections but", &selection.exclude),
        ("the partitions", &selection.partitions),
        ("the fields", &selection.fields),
        ("all fields but", &selection.exclude_fields),
    ] {
        if !names.is_empty() {
            what.push(format!("{what_of} {}", names.join(", ")));
        }
    }
    if what.is_empty() {
        return None;
    }
    let what = what.join("; ");
    let consequence = match other {
        Side::Cluster(_) => format!("; no more of {} was compared", other.place()),
        Side::Archive(_) => String::new(),
    };
    Some(format!(
        "{} is a part of its source: {what}{consequence}",
        one.place()
    ))
}

async fn compare_content(
    a: &Content<'_>,
    b: &Content<'_>,
    options: &CompareOptions,
    ctx: &Context,
) -> Result<CollectionComparison> {
    let names = ("the first", "the second");
    let mut schema = schema_differences(a.schema(), b.schema(), names);
    // Values of other types are a difference of schema already.
    let same_in_b = |field: &&Field| {
        b.field(&field.name)
            .is_some_and(|other| field.is_like(other))
    };
    let mut common: Vec<Field> = a.fields().iter().filter(same_in_b).cloned().collect();
    let (masks_a, masks_b) = (a.masks()?, b.masks()?);
    let masked: Vec<String> = common
        .iter()
        .map(|field| &field.name)
        .filter(|field| masks_a.get(*field) != masks_b.get(*field))
        .cloned()
        .collect();
    common.retain(|field| !masked.contains(&field.name));
    let key_field = a.key_field()?;
    let mut found = CollectionComparison {
        rows_a: a.rows().unwrap_or(0),
        rows_b: b.rows().unwrap_or(0),
        masked,
        ..CollectionComparison::of(a.name(), b.name())
    };
    if key_field != b.key_field()? || !common.iter().any(|field| field.name == key_field) {
        schema.push("the primary keys are not of one kind, so rows were not compared".to_owned());
        found.schema = schema;
        return Ok(found);
    }
    (found.rows_a, found.rows_b) = (0, 0);
    let task = ctx
        .monitor
        .begin("compare", &a.name().to_string(), a.rows());
    let advance = |rows| task.advance(rows, 0);
    for (partition, part_a, part_b) in pair_partitions(a, b, &mut schema) {
        let rows_a = rows::merge(a.read(&part_a)?, key_field);
        let rows_b = rows::merge(b.read(&part_b)?, key_field);
        let left = options.show.saturating_sub(found.first.len());
        let tally = rows::compare_rows(
            rows_a,
            rows_b,
            &common,
            key_field,
            partition.as_deref(),
            left,
            &advance,
        )
        .await?;
        found.rows_a += tally.rows_a;
        found.rows_b += tally.rows_b;
        found.only_in_a += tally.only_in_a;
        found.only_in_b += tally.only_in_b;
        found.changed += tally.changed;
        found.first.extend(tally.first);
    }
    a.prove(ctx).await?;
    b.prove(ctx).await?;
    found.equal = schema.is_empty() && found.only_in_a + found.only_in_b + found.changed == 0;
    found.schema = schema;
    Ok(found)
}

/// A partition to compare: its name, and what to read of either side (`None` in it is the whole collection).
type Pair = (Option<String>, Vec<Option<String>>, Vec<Option<String>>);

/// Partitions are compared one by one; all as one where a side has a partition key and the other does not.
fn pair_partitions(a: &Content<'_>, b: &Content<'_>, schema: &mut Vec<String>) -> Vec<Pair> {
    let (of_a, of_b) = (a.partitions(), b.partitions());
    if of_a.contains(&None) || of_b.contains(&None) {
        return vec![(None, of_a.to_vec(), of_b.to_vec())];
    }
    let all: BTreeSet<&Option<String>> = of_a.iter().chain(of_b).collect();
    let mut pairs = Vec::with_capacity(all.len());
    for partition in all {
        let shown = partition.as_deref().unwrap_or_default();
        if !of_b.contains(partition) {
            schema.push(format!("partition {shown} is only in the first"));
        }
        if !of_a.contains(partition) {
            schema.push(format!("partition {shown} is only in the second"));
        }
        let part = |of: &[Option<String>]| {
            of.iter()
                .filter(|name| *name == partition)
                .cloned()
                .collect()
        };
        pairs.push((partition.clone(), part(of_a), part(of_b)));
    }
    pairs
}
