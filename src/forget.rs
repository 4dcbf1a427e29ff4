//! Forget: removes the archives of a store that a policy does not keep, or those of given names.
//!
//! Look at every archive, group, decide, look whether all of what stays is there, ask what is locked; then remove. Planning
//! touches nothing.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::archive::locks::told;
use crate::archive::{self, Inventory, Listed, Manifest, Unfinished};
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::store::Store;

pub use policy::{Keep, Policy, Span};

/// Which archives are to go.
#[derive(Clone, Debug)]
pub enum Which {
    /// Those that a policy does not keep.
    Policy {
        /// The policy.
        policy: Policy,
        /// Whether it is for the archives of each set of collections of each cluster, instead of all together.
        by_collections: bool,
    },
    /// Those of these names.
    Named(Vec<String>),
    /// None.
    None,
}

/// How archives are forgotten.
#[derive(Clone, Debug)]
pub struct ForgetOptions {
    /// Which archives are to go.
    pub which: Which,
    /// Unfinished archives that were begun so long ago are given up, and go, too: with [`Which::Named`] only those that
    /// are named.
    pub unfinished: Option<Span>,
}

/// What is to become of the archives of a store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ForgetPlan {
    /// All that are whole, by group, newest first.
    pub archives: Vec<Verdict>,
    /// All that are not whole.
    pub unfinished: Vec<UnfinishedVerdict>,
    /// Those that cannot be read, or of which some is gone. They stay, unless they were named.
    pub unreadable: Vec<Unreadable>,
}

/// What is to become of one archive.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The archive.
    #[serde(flatten)]
    pub archive: Listed,
    /// The group that the policy was applied to, where it was to several.
    pub group: Option<String>,
    /// What becomes of it.
    pub action: Action,
    /// Why it is kept.
    pub reasons: Vec<String>,
}

/// What is to become of an archive that is not whole.
#[derive(Clone, Debug, Serialize)]
pub struct UnfinishedVerdict {
    /// What there is.
    #[serde(flatten)]
    pub archive: Unfinished,
    /// What becomes of it.
    pub action: Action,
    /// Why it is kept.
    pub reasons: Vec<String>,
}

/// An archive that cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct Unreadable {
    /// Its name in the store.
    pub name: String,
    /// What is wrong with it.
    pub error: String,
    /// What becomes of it.
    pub action: Action,
}

/// What becomes of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It would go, but is locked, and stays.
    Locked,
}

/// What was removed, by name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Forgotten {
    /// What is gone.
    pub removed: Vec<String>,
    /// What could not be removed, and why; it may be gone in part, and is not whole then.
    pub failed: Vec<(String, String)>,
    /// What was to go and has stayed, and why: unfinished ones that were gone on with since they were looked at.
    pub kept: Vec<(String, String)>,
}

impl ForgetPlan {
    /// The names of all that go.
    pub fn removals(&self) -> impl Iterator<Item = &str> {
        let actions = self.actions();
        actions.filter_map(|(name, action)| (action == Action::Remove).then_some(name))
    }

    /// Whether something stays only because it is locked.
    pub fn has_locked(&self) -> bool {
        self.actions().any(|(_, action)| action == Action::Locked)
    }

    /// What becomes of each.
    fn actions(&self) -> impl Iterator<Item = (&str, Action)> {
        let archives = self.archives.iter();
        let archives = archives.map(|one| (one.archive.name.as_str(), one.action));
        let unfinished = self.unfinished.iter();
        let unfinished = unfinished.map(|one| (one.archive.name.as_str(), one.action));
        let unreadable = self.unreadable.iter();
        let unreadable = unreadable.map(|one| (one.name.as_str(), one.action));
        archives.chain(unfinished).chain(unreadable)
    }
}

/// Decides what becomes of the archives of a store, and touches nothing.
///
/// # Errors
/// [`Error::Usage`] where the policy keeps nothing at all; [`Error::Missing`] where a name is not there.
pub async fn plan(store: &Arc<dyn Store>, options: &ForgetOptions) -> Result<ForgetPlan> {
    if let Which::Policy { policy, .. } = &options.which
        && policy.is_empty()
    {
        return Err(Error::Usage(
            "a policy that keeps nothing would remove everything: give --keep-last, --keep-daily, … or --keep-within"
                .to_owned(),
        ));
    }
    let now = Timestamp::now();
    let mut found = archive::survey(store, |inventory: &Inventory| {
        inventory.manifest().map(Group::of)
    })
    .await?;
    if let Which::Policy {
        by_collections: true,
        ..
    } = &options.which
        && let Some((closed, _)) = found.archives.iter().find(|(_, group)| group.is_none())
    {
        return Err(Error::Usage(format!(
            "{} is encrypted, so nothing tells which collections it holds; do without --collection-group, or name the \
             archives that are to go",
            closed.uri
        )));
    }
    let mut sound = BTreeSet::new();
    let archives = loop {
        let verdicts = decide(found.archives.clone(), &options.which, now);
        // No archive goes for the sake of one that is not there as its manifest says.
        let Some((name, error)) = broken(store, &verdicts, &options.which, &mut sound).await?
        else {
            break verdicts;
        };
        found.archives.retain(|(one, _)| one.name != name);
        found.unreadable.push((name, error));
    };
    let mut plan = ForgetPlan {
        archives,
        unfinished: found
            .unfinished
            .into_iter()
            .map(|one| decide_unfinished(one, options, now))
            .collect(),
        unreadable: found
            .unreadable
            .into_iter()
            .map(|(name, error)| Unreadable {
                action: named(&options.which, &name),
                error: error.to_string(),
                name,
            })
            .collect(),
    };
    if let Which::Named(names) = &options.which {
        check_names(names, &plan, store)?;
    }
    for one in &mut plan.archives {
        if one.action == Action::Remove
            && let Some(protection) = archive::held(&**store, &one.archive.name, now).await?
        {
            one.action = Action::Locked;
            one.reasons.push(told(&protection));
        }
    }
    for one in &mut plan.unfinished {
        if one.action == Action::Remove
            && let Some(protection) = archive::held(&**store, &one.archive.name, now).await?
        {
            one.action = Action::Locked;
            one.reasons.push(told(&protection));
        }
    }
    for one in &mut plan.unreadable {
        if one.action == Action::Remove
            && let Some(protection) = archive::held(&**store, &one.name, now).await?
        {
            one.action = Action::Locked;
            one.error = format!("{}; {}", one.error, told(&protection));
        }
    }
    Ok(plan)
}

/// An archive that a policy keeps instead of others, and of which some is gone. `sound` are those that were looked at.
async fn broken(
    store: &Arc<dyn Store>,
    verdicts: &[Verdict],
    which: &Which,
    sound: &mut BTreeSet<String>,
) -> Result<Option<(String, Error)>> {
    let goes = |one: &Verdict| one.action == Action::Remove;
    if !matches!(which, Which::Policy { .. }) || !verdicts.iter().any(goes) {
        return Ok(None);
    }
    for one in verdicts.iter().filter(|one| !goes(one)) {
        let Listed { name, uri, .. } = &one.archive;
        if sound.contains(name) {
            continue;
        }
        let inventory = Inventory::open(store.clone(), name).await?;
        if let Some((path, flaw)) = inventory.flaw().await? {
            let error = Error::Damaged {
                uri: uri.clone(),
                reason: format!(
                    "{path} {flaw}; bring it back from another copy with `milvault copy`, or remove the rest with `milvault \
                     forget {} {name}`",
                    store.uri()
                ),
            };
            return Ok(Some((name.clone(), error)));
        }
        sound.insert(name.clone());
    }
    Ok(None)
}

/// Removes what a plan says, one after the other. One that fails does not keep the others.
///
/// # Errors
/// [`Error::Stopped`] where the user asks to stop: what was begun then is completed by the next forget.
pub async fn forget(store: &Arc<dyn Store>, plan: &ForgetPlan, ctx: &Context) -> Result<Forgotten> {
    let mut done = Forgotten::default();
    for name in plan.removals() {
        let removing = remove(store, plan, name);
        match ctx
            .until_stopped(&format!("removing {name}"), removing)
            .await
        {
            Ok(None) => done.removed.push(name.to_owned()),
            Ok(Some(why)) => done.kept.push((name.to_owned(), why.to_owned())),
            Err(stopped @ Error::Stopped(_)) => return Err(stopped),
            Err(error) => done.failed.push((name.to_owned(), error.to_string())),
        }
    }
    Ok(done)
}

/// Removes what has this name; or says why it stays.
async fn remove(
    store: &Arc<dyn Store>,
    plan: &ForgetPlan,
    name: &str,
) -> Result<Option<&'static str>> {
    let mut unfinished = plan.unfinished.iter().map(|one| &one.archive);
    match unfinished.find(|one| one.name == name && !one.forgotten) {
        Some(found) => archive::remove_unfinished(&**store, found).await,
        None => archive::remove(&**store, name).await.map(|()| None),
    }
}

/// What the archives of a group have in common: where they come from and what of it they hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    source: String,
    collections: Vec<String>,
    /// The rest of the selection, as JSON: half of the rows is no substitute for all of them.
    part: String,
}

impl Group {
    fn of(manifest: &Manifest) -> Group {
        let collections = manifest.collections.iter();
        let mut collections: Vec<String> = collections
            .map(|entry| entry.schema.name.to_string())
            .collect();
        collections.sort_unstable();
        let mut selection = manifest.selection.clone();
        // How collections were picked does not matter, as they are known.
        selection.collections.clear();
        selection.exclude.clear();
        selection.databases.clear();
        Group {
            source: manifest.source.address.clone(),
            collections,
            part: serde_json::to_string(&selection).unwrap_or_default(),
        }
    }

    fn title(&self) -> String {
        let part = match self.part.as_str() {
            "{}" => String::new(),
            part => format!(" ({part})"),
        };
        let collections = match self.collections.as_slice() {
            [] => "no collections".to_owned(),
            names if names.len() <= 5 => names.join(", "),
            names => format!("{} and {} more", names[..5].join(", "), names.len() - 5),
        };
        format!("{}: {collections}{part}", self.source)
    }
}

/// What becomes of archives that are whole, which are given newest first.
fn decide(archives: Vec<(Listed, Option<Group>)>, which: &Which, now: Timestamp) -> Vec<Verdict> {
    match which {
        Which::Policy {
            policy,
            by_collections: false,
        } => apply(
            archives.into_iter().map(|(one, _)| one).collect(),
            policy,
            None,
            now,
        ),
        Which::Policy {
            policy,
            by_collections: true,
        } => {
            let mut groups: BTreeMap<Option<Group>, Vec<Listed>> = BTreeMap::new();
            for (one, group) in archives {
                groups.entry(group).or_default().push(one);
            }
            let apply = |(group, archives): (Option<Group>, _)| {
                apply(archives, policy, group.map(|group| group.title()), now)
            };
            groups.into_iter().flat_map(apply).collect()
        }
        Which::Named(_) | Which::None => archives
            .into_iter()
            .map(|(archive, _)| Verdict {
                action: named(which, &archive.name),
                archive,
                group: None,
                reasons: Vec::new(),
            })
            .collect(),
    }
}

fn apply(
    archives: Vec<Listed>,
    policy: &Policy,
    group: Option<String>,
    now: Timestamp,
) -> Vec<Verdict> {
    let times: Vec<Timestamp> = archives.iter().map(Listed::time).collect();
    let reasons = policy.reasons(&times, now);
    archives
        .into_iter()
        .zip(reasons)
        .map(|(archive, reasons)| Verdict {
            archive,
            group: group.clone(),
            action: if reasons.is_empty() {
                Action::Remove
            } else {
                Action::Keep
            },
            reasons,
        })
        .collect()
}

/// A removal that was begun is always completed.
fn decide_unfinished(
    archive: Unfinished,
    options: &ForgetOptions,
    now: Timestamp,
) -> UnfinishedVerdict {
    let age = &options.unfinished;
    let started = archive.started.as_deref();
    let started = started.and_then(|text| text.parse::<Timestamp>().ok());
    let (action, reason) = if archive.forgotten {
        (Action::Remove, None)
    } else if matches!(&options.which, Which::Named(names) if !names.contains(&archive.name)) {
        (Action::Keep, None)
    } else {
        match (age, started) {
            (None, _) => (Action::Keep, None),
            (Some(_), None) => (Action::Keep, Some("nothing tells how old it is".to_owned())),
            (Some(age), Some(started)) => {
                let since = age.before(&now.to_zoned(jiff::tz::TimeZone::UTC));
                if started < since {
                    (Action::Remove, None)
                } else {
                    (Action::Keep, Some(format!("it was begun within {age}")))
                }
            }
        }
    };
    UnfinishedVerdict {
        archive,
        action,
        reasons: reason.into_iter().collect(),
    }
}

fn named(which: &Which, name: &str) -> Action {
    match which {
        Which::Named(names) if names.iter().any(|one| one == name) => Action::Remove,
        _ => Action::Keep,
    }
}

/// Every name that was given must be something that goes.
fn check_names(names: &[String], plan: &ForgetPlan, store: &Arc<dyn Store>) -> Result<()> {
    for name in names {
        if let Some(one) = plan
            .unfinished
            .iter()
            .find(|one| one.archive.name == *name && one.action == Action::Keep)
        {
            let why = match &one.reasons[..] {
                [] => "--unfinished AGE removes those that were begun longer ago".to_owned(),
                reasons => format!("it stays, because {}", reasons.join(", ")),
            };
            return Err(Error::Usage(format!(
                "{} is unfinished, and may be being written: {why}",
                one.archive.uri
            )));
        }
        if !plan.removals().any(|one| one == name) {
            return Err(Error::Missing {
                uri: format!("archive {}/{name}", store.uri()),
                hint: format!("`milvault ls {}` lists the archives", store.uri()),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "forget/forget_tests.rs"]
mod tests;
