//! What a restore will do, and whether it can: decided before the target is touched.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Origin, Source};
use super::way::{self, Way};
use super::{IfExists, Outcome, RestoreOptions, append, groups};
use crate::compat::{self, Feature, Fit, IndexChoice, KeysKept, Thing};
use crate::error::{Error, Result};
use crate::masking::{self, KeyOrder};
use crate::milvus::Cluster;
use crate::model::{Collection, CollectionName, DEFAULT_PARTITION, DYNAMIC_FIELD, Field, Key};
use crate::naming::Naming;
use crate::rbac::{self, RbacOptions};
use crate::select;

/// One collection to restore.
pub(super) struct Target<'a> {
    pub origin: Origin<'a>,
    /// The collection as it shall be in the target.
    pub meant: Collection,
    /// The columns of the rows.
    pub fields: Vec<Field>,
    /// How it was made to fit the target.
    pub fit: Fit,
    pub outcome: Outcome,
    /// How the rows get there.
    pub way: Way,
    /// Whether the server loads collections that have no index (milvus-lite).
    pub loads_unindexed: bool,
    /// Whether the server returns no row with the greatest integer as its key.
    pub hides_greatest_key: bool,
    /// How many rows were written.
    pub rows: u64,
    /// Whether a collection that is skipped has another number of rows.
    pub differs: bool,
    pub notes: Vec<String>,
}

/// Everything that a restore will do; every reason why it cannot is in one error.
pub(super) async fn plan<'a>(
    source: &Source<'a>,
    cluster: &Cluster,
    options: &RestoreOptions,
) -> Result<(Vec<Target<'a>>, Option<rbac::Plan>)> {
    if matches!(source, Source::Archive(_)) && options.selection.filter.is_some() {
        return Err(Error::Usage(
            "--filter is for clusters; an archive's rows are restored whole".into(),
        ));
    }
    let naming = options
        .naming
        .within(cluster.address().database.as_deref())?;
    let mut targets = Vec::new();
    for origin in source.origins(&options.selection)? {
        targets.push(target(origin, cluster, options, &naming)?);
    }
    mask(source, options, &mut targets)?;
    let schemas: Vec<&Collection> = targets
        .iter()
        .map(|target| target.origin.schema())
        .collect();
    select::check_exclusions(&options.selection, &schemas)?;
    let named = schemas
        .iter()
        .map(|schema| (&schema.name, &schema.aliases[..]));
    naming.check_used(named)?;
    let mut seen = BTreeMap::new();
    for target in &targets {
        if let Some(other) = seen.insert(&target.meant.name, &target.origin.schema().name) {
            return Err(Error::Usage(format!(
                "{other} and {} would both become {}; give one another name with --rename",
                target.origin.schema().name,
                target.meant.name
            )));
        }
    }
    check_choices(options, &targets)?;
    groups::settle(cluster, &mut targets).await?;
    let mut problems: Vec<String> = targets
        .iter()
        .flat_map(|target| target.fit.problems.clone())
        .collect();
    let hides = |target: &&Target| {
        let greatest = Key::Int(i64::MAX);
        target.hides_greatest_key && target.origin.has_greatest_key(&greatest) == Some(true)
    };
    let hidden = targets.iter().filter(hides);
    problems.extend(hidden.map(|target| hidden_key(cluster, target)));
    problems.extend(settle_existing(cluster, options, &mut targets).await?);
    problems.extend(way::choose(cluster, options, &mut targets).await?);
    let rbac = match &options.rbac {
        Some(options) => {
            let planned = plan_rbac(source, cluster, &naming, &targets, options).await?;
            problems.extend(planned.1);
            Some(planned.0)
        }
        None => None,
    };
    if !problems.is_empty() {
        return Err(Error::Incompatible { problems });
    }
    Ok((targets, rbac))
}

/// What the restore will do with users and roles, and the reasons why it cannot.
async fn plan_rbac(
    source: &Source<'_>,
    cluster: &Cluster,
    naming: &Naming,
    targets: &[Target<'_>],
    options: &RbacOptions,
) -> Result<(rbac::Plan, Vec<String>)> {
    let (archived, version) = source.rbac().await?;
    let mut coming = BTreeMap::new();
    for target in targets {
        let (from, to) = (target.origin.schema(), &target.meant);
        coming.insert(from.name.clone(), to.name.clone());
        for alias in &from.aliases {
            let name = naming.alias(&from.name, alias);
            if to.aliases.contains(&name) {
                coming.insert(
                    CollectionName::new(from.name.database.clone(), alias),
                    CollectionName::new(to.name.database.clone(), name),
                );
            }
        }
    }
    rbac::plan(
        &archived,
        version.as_ref(),
        cluster,
        naming,
        &coming,
        options,
    )
    .await
}

/// Refuses indexes that were chosen for fields that nothing here has.
fn check_choices(options: &RestoreOptions, targets: &[Target<'_>]) -> Result<()> {
    let chosen = |choice: &IndexChoice| {
        targets.iter().any(|target| {
            let source = target.origin.schema();
            let mut fields = source.indexable();
            fields.any(|(name, _)| choice.is_for(&source.name, &name))
        })
    };
    match options.adapt.index_choices.iter().find(|one| !chosen(one)) {
        Some(unused) => Err(Error::Usage(format!(
            "--index {}: no collection that is restored has such a field",
            unused.text
        ))),
        None => Ok(()),
    }
}

/// Has an archive's rows masked; those of a cluster are when they are read.
fn mask(source: &Source<'_>, options: &RestoreOptions, targets: &mut [Target<'_>]) -> Result<()> {
    let masks = &options.selection.masks;
    if let Source::Archive(_) = source {
        let read: Vec<(&Collection, &[Field])> = targets
            .iter()
            .map(|target| (target.origin.schema(), target.fields.as_slice()))
            .collect();
        let mask_key = options.mask_key.as_ref();
        let maskings = masking::plan(masks, mask_key, &read, KeyOrder::IsFree)?;
        for (target, masking) in targets.iter_mut().zip(maskings) {
            target.origin.mask(masking);
        }
    }
    let keys = targets.iter().any(|target| target.origin.masks_keys());
    if keys && options.if_exists == IfExists::Append {
        return Err(Error::Usage(
            "rows whose keys are masked cannot be appended: who knows whose keys they replace; restore into a new \
             collection"
                .into(),
        ));
    }
    Ok(())
}

/// What one collection of the source becomes.
fn target<'a>(
    mut origin: Origin<'a>,
    cluster: &Cluster,
    options: &RestoreOptions,
    naming: &Naming,
) -> Result<Target<'a>> {
    let schema = origin.schema();
    let mut notes = Vec::new();
    let selected = select::fields(&options.selection, schema)?;
    let mut fields = origin.fields()?;
    fields.retain(|field| selected.iter().any(|wanted| wanted.name == field.name));
    let carried = |name: &String| fields.iter().any(|field| field.name == *name);

    let mut meant = schema.clone();
    meant.name = naming.target(&schema.name);
    // A function is kept where its inputs are; it fills its outputs itself.
    meant
        .functions
        .retain(|function| function.inputs.iter().all(carried));
    let computed = |name: &String| {
        meant
            .functions
            .iter()
            .any(|function| function.outputs.contains(name))
    };
    meant
        .fields
        .retain(|field| carried(&field.name) || computed(&field.name));
    meant.dynamic = carried(&DYNAMIC_FIELD.to_owned());
    let left_out: Vec<&str> = schema
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| meant.field(name).is_none())
        .chain((schema.dynamic && !meant.dynamic).then_some(DYNAMIC_FIELD))
        .collect();
    if !left_out.is_empty() {
        notes.push(format!("without {}", left_out.join(", ")));
    }
    if !schema.has_partition_key() {
        // The source may offer a part of the partitions. Also refuses those that it does not have.
        let offered = origin.partitions();
        meant
            .partitions
            .retain(|name| offered.contains(&Some(name.as_str())));
        let wanted = select::partitions(&options.selection, &meant)?;
        meant
            .partitions
            .retain(|name| wanted.contains(&Some(name.clone())));
        if !meant
            .partitions
            .iter()
            .any(|name| name == DEFAULT_PARTITION)
        {
            meant.partitions.push(DEFAULT_PARTITION.to_owned());
        }
    }
    if options.aliases {
        for alias in &mut meant.aliases {
            *alias = naming.alias(&schema.name, alias);
        }
    } else {
        meant.aliases.clear();
    }
    origin.select(&options.selection);
    let version = cluster.version();
    let came_from = origin.version();
    let fit = compat::fit(
        version,
        (came_from.as_ref(), &schema.name),
        &mut meant,
        &mut fields,
        &options.adapt,
    );
    let knows = |feature| compat::knows(version, Thing::Feature(feature));
    Ok(Target {
        way: Way::of(&origin),
        origin,
        meant,
        fields,
        outcome: Outcome::Created,
        loads_unindexed: knows(Feature::LoadUnindexed),
        hides_greatest_key: !knows(Feature::GreatestKey) && fit.keys != Some(KeysKept::Regenerated),
        fit,
        rows: 0,
        differs: false,
        notes,
    })
}

/// Milvus 2.3.5 takes a row with the greatest key, counts it, and returns it to no query.
pub(super) fn hidden_key(cluster: &Cluster, target: &Target) -> String {
    format!(
        "{}: {} returns no row whose key is {}, which {} has; leave it out (--filter)",
        target.meant.name,
        cluster.version(),
        i64::MAX,
        target.origin.word(),
    )
}

/// Looks at what the target has under the names, decides what happens to each, and drops aliases that are taken.
async fn settle_existing(
    cluster: &Cluster,
    options: &RestoreOptions,
    targets: &mut [Target<'_>],
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut taken = Vec::new();
    let wanted: BTreeSet<String> = targets
        .iter()
        .map(|target| target.meant.name.database.clone())
        .collect();
    let named: Vec<String> = wanted.iter().cloned().collect();
    let databases = cluster.databases_for(&named).await?;
    let there = named.into_iter().filter(|name| databases.contains(name));
    let there: Vec<String> = there.collect();
    let existing = BTreeSet::from_iter(cluster.collections_in(&there).await?);
    let coming: BTreeSet<CollectionName> = targets
        .iter()
        .map(|target| target.meant.name.clone())
        .collect();
    let changes = matches!(options.if_exists, IfExists::Replace | IfExists::Append);
    let mut read = Vec::new();
    for target in targets.iter().filter(|_| changes) {
        read.extend(target.origin.identity().await?);
    }
    let mut promised = BTreeSet::new();
    for target in targets.iter_mut() {
        let name = target.meant.name.clone();
        let has_database = databases.contains(&name.database);
        if existing.contains(&name) {
            match options.if_exists {
                IfExists::Fail => taken.push(name.to_string()),
                IfExists::Skip => target.outcome = Outcome::Skipped,
                IfExists::Replace | IfExists::Append
                    if !read.is_empty() && read.contains(&cluster.identity(&name).await?) =>
                {
                    problems.push(format!(
                        "{name}: is a collection that is read; choose another name with --rename or --suffix, or leave \
                         it out with --exclude"
                    ));
                }
                IfExists::Replace => target.outcome = Outcome::Replaced,
                IfExists::Append => {
                    target.outcome = Outcome::Appended;
                    problems.extend(append::problems(cluster, target).await?);
                }
            }
        } else if has_database
            && let Some(owner) = cluster
                .alias_owner(&name.database, &name.collection)
                .await?
        {
            problems.push(format!(
                "{name}: is an alias of {owner} in the target; choose another name with --rename"
            ));
        }
        let mut free = Vec::new();
        for alias in std::mem::take(&mut target.meant.aliases) {
            let as_name = CollectionName::new(name.database.clone(), alias.clone());
            let owner = if existing.contains(&as_name) || coming.contains(&as_name) {
                Some("a collection".to_owned())
            } else if !promised.insert(as_name) {
                Some("another collection of this restore".to_owned())
            } else if has_database {
                cluster
                    .alias_owner(&name.database, &alias)
                    .await?
                    .filter(|owner| *owner != name.collection)
            } else {
                None
            };
            match owner {
                Some(owner) => target.notes.push(format!(
                    "the alias {alias} is taken by {owner} and was left there"
                )),
                None => free.push(alias),
            }
        }
        target.meant.aliases = free;
    }
    if !taken.is_empty() {
        return Err(Error::Exists {
            what: match taken.as_slice() {
                [one] => format!("{one} in {}", cluster.server()),
                all => format!("each of {} in {}", all.join(", "), cluster.server()),
            },
            way_out: "choose other names with --rename or --suffix, or say --if-exists skip, append or replace".into(),
        });
    }
    Ok(problems)
}
