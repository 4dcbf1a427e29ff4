//! Whether the target holds what was read: the digests of the rows, summed on their way, against those of an
//! independent read of the target. Where they differ, rows are compared one by one, so that the first can be named.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::MigrateOptions;
use crate::archive::Selection;
use crate::columns::digest::{Digest, Digests};
use crate::compare::{CollectionComparison, CompareOptions, Comparison, Side, compare};
use crate::error::Result;
use crate::masking::Masking;
use crate::milvus::Cluster;
use crate::model::CollectionName;
use crate::naming::Naming;
use crate::progress::Context;
use crate::readable::ReadAccess;
use crate::reading::{Digesting, Plan, Read, ReadOptions, Reading};
use crate::restore::{Live, Outcome, RestoredCollection};
use crate::select;

/// How many differing rows of a collection are named.
const SHOWN: usize = 10;

/// Checks each collection that was migrated; one that was left as it is, row by row.
pub(super) async fn verify(
    from: &Cluster,
    to: &Cluster,
    migrated: &[RestoredCollection],
    live: &Live<'_>,
    options: &MigrateOptions,
    ctx: &Context,
) -> Result<Comparison> {
    let read = std::mem::take(&mut *live.read.lock().unwrap_or_else(PoisonError::into_inner));
    let mut comparison = Comparison::default();
    for one in migrated {
        let found = match read.get(&one.source) {
            Some(read) if one.outcome != Outcome::Skipped => {
                let there = read_again(to, &one.target, read, options, ctx).await?;
                match differing(read, &there) {
                    None => the_same(one, read.digests().rows),
                    // Rows under other keys than those of the source have none to be compared with.
                    Some(what) if masks_keys(live, &one.source) => CollectionComparison {
                        schema: what,
                        ..CollectionComparison::of(&one.source, &one.target)
                    },
                    Some(what) => by_rows(from, to, one, what, options, ctx).await?,
                }
            }
            _ if masks_keys(live, &one.source) => CollectionComparison {
                schema: vec!["its keys are masked and it was left as it is".to_owned()],
                ..CollectionComparison::of(&one.source, &one.target)
            },
            _ => by_rows(from, to, one, Vec::new(), options, ctx).await?,
        };
        comparison.collections.push(found);
    }
    comparison.equal = comparison.collections.iter().all(|found| found.equal);
    Ok(comparison)
}

/// Reads a collection of the target: all of its rows, whatever was selected of the source.
async fn read_again(
    to: &Cluster,
    name: &CollectionName,
    read: &Read<()>,
    options: &MigrateOptions,
    ctx: &Context,
) -> Result<Read<()>> {
    let selection = Selection::default();
    let collection = to.describe(name).await?;
    let digests = read.digests();
    let mut fields = select::present_fields(&selection, &collection);
    fields.retain(|field| field.primary_key || digests.fields.contains_key(&field.name));
    let plan = Plan {
        partitions: select::partitions(&selection, &collection)?,
        collection,
        fields,
        masking: Masking::default(),
    };
    let reading = ReadOptions {
        selection,
        access: access(options),
        jobs: options.jobs,
        memory: options.memory,
        purpose: "the verification",
    };
    let reading = Reading::begin(to, reading).await?;
    let open = reading.open(&plan, ctx).await?;
    let task = ctx.monitor.begin("verify", &name.to_string(), open.rows());
    let there = open.read(Digesting, task, ctx).await;
    open.close(ctx).await;
    there
}

fn masks_keys(live: &Live<'_>, source: &CollectionName) -> bool {
    let mut plans = live.plans.iter();
    plans.any(|plan| plan.collection.name == *source && plan.masking.masks_keys())
}

/// What is loaded to be checked is released again.
fn access(options: &MigrateOptions) -> ReadAccess {
    ReadAccess {
        load: true,
        temp_index: options.access.temp_index,
    }
}

/// In what two reads differ, a sentence each; none where they are of the same rows.
fn differing(read: &Read<()>, there: &Read<()>) -> Option<Vec<String>> {
    let as_one = |read: &Read<()>| read.partitions.iter().any(|part| part.name.is_none());
    if as_one(read) || as_one(there) {
        return differing_digests("", &read.digests(), &there.digests());
    }
    let by_name = |read: &'_ Read<()>| -> BTreeMap<Option<String>, Digests> {
        let parts = read.partitions.iter();
        parts
            .map(|part| (part.name.clone(), part.digests.clone()))
            .collect()
    };
    let (was, is) = (by_name(read), by_name(there));
    let mut found = Vec::new();
    let none = Digests::default();
    for name in was
        .keys()
        .chain(is.keys().filter(|name| !was.contains_key(name)))
    {
        let place = format!("partition {}: ", name.as_deref().unwrap_or_default());
        let (was, is) = (
            was.get(name).unwrap_or(&none),
            is.get(name).unwrap_or(&none),
        );
        found.extend(differing_digests(&place, was, is).into_iter().flatten());
    }
    (!found.is_empty()).then_some(found)
}

fn differing_digests(place: &str, was: &Digests, is: &Digests) -> Option<Vec<String>> {
    let mut found = Vec::new();
    if was.rows != is.rows {
        found.push(format!(
            "{place}{} rows were read, {} are there",
            was.rows, is.rows
        ));
    }
    let none = Digest::default();
    for (field, digest) in &was.fields {
        if is.fields.get(field).unwrap_or(&none) != digest {
            found.push(format!("{place}field {field} is not as it was read"));
        }
    }
    (!found.is_empty()).then_some(found)
}

fn the_same(one: &RestoredCollection, rows: u64) -> CollectionComparison {
    CollectionComparison {
        equal: true,
        rows_a: rows,
        rows_b: rows,
        ..CollectionComparison::of(&one.source, &one.target)
    }
}

/// Compares rows, source and target, with `what` the digests say.
async fn by_rows(
    from: &Cluster,
    to: &Cluster,
    one: &RestoredCollection,
    what: Vec<String>,
    options: &MigrateOptions,
    ctx: &Context,
) -> Result<CollectionComparison> {
    let (source, target) = (&one.source, &one.target);
    let mut naming = Naming::default();
    let qualified = |name: &CollectionName| format!("{}.{}", name.database, name.collection);
    naming.rename(&format!("{}:{}", qualified(source), qualified(target)))?;
    let comparing = CompareOptions {
        selection: Selection {
            collections: vec![qualified(source)],
            exclude: Vec::new(),
            databases: Vec::new(),
            ..options.selection.clone()
        },
        naming,
        access: access(options),
        mask_key: options.mask_key.clone(),
        second_as_is: true,
        show: SHOWN,
    };
    let (a, b) = (
        Side::Cluster(Box::new(from.clone())),
        Side::Cluster(Box::new(to.clone())),
    );
    let mut compared = compare(&a, &b, &comparing, ctx).await?.collections;
    let mut found = match compared.pop() {
        Some(found) => found,
        None => CollectionComparison::of(source, target),
    };
    if found.equal && !what.is_empty() {
        ctx.monitor.warn(&format!(
            "{target}: is not what was read, but what the source holds now"
        ));
    }
    found.equal &= what.is_empty();
    found.schema.extend(what);
    Ok(found)
}
