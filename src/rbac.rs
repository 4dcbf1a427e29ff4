//! Users and roles: those of one server merged into another.
//!
//! Read what there is, give grants the names that collections have in the target, subtract what the target has,
//! refuse what it does not know, make the rest, and look whether it is there. Nothing is ever removed or changed.

mod known;
mod merge;
mod passwords;
mod place;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::milvus::{Cluster, Product, ServerVersion};
use crate::model::{ANY, CollectionName, Grant, PrivilegeGroup, Rbac, User, grants_in_words};
use crate::naming::Naming;
use crate::progress::Context;
use known::{Target, Unknown};
use merge::{Missing, NewUser};
use place::Places;

pub use passwords::Passwords;

/// How users and roles are restored.
#[derive(Clone, Debug, Default)]
pub struct RbacOptions {
    /// Passwords of users whose password the source did not tell. They go before those that it told.
    pub passwords: Passwords,
    /// Whether privileges that the target does not know are left out, instead of refused.
    pub skip_unknown: bool,
}

/// What was made of users and roles, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RbacReport {
    /// Users that were made.
    pub users: Vec<String>,
    /// Roles that were made.
    pub roles: Vec<String>,
    /// Privilege groups that were made.
    pub privilege_groups: Vec<String>,
    /// Privileges that groups which were there have got.
    pub added_privileges: Vec<PrivilegeGroup>,
    /// Roles that users were given.
    pub memberships: Vec<Membership>,
    /// What roles were granted.
    pub grants: Vec<Grant>,
    /// Users that were not made, because nobody tells their password.
    pub without_password: Vec<String>,
    /// What was left out, with the reason.
    pub left_out: Vec<String>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// That a user has a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Membership {
    /// The user.
    pub user: String,
    /// The role.
    pub role: String,
}

/// What will be made of users and roles: decided before the target is touched.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What the target lacks.
    missing: Missing,
    /// Everything as it shall be, for a last look.
    meant: Rbac,
    passwords: Passwords,
    carries_passwords: bool,
    pub report: RbacReport,
}

/// All users and roles of a cluster, where it has some.
///
/// # Errors
/// [`Error::Unsupported`] on milvus-lite.
pub async fn read(cluster: &Cluster) -> Result<Rbac> {
    match cluster.rbac().await {
        Ok(found) => Ok(found.rbac),
        Err(Error::Unsupported { server, call, .. }) => Err(Error::Unsupported {
            server,
            call,
            need: "--rbac".into(),
        }),
        Err(error) => Err(error),
    }
}

/// Plans the restore of `archived`, which comes from a server of the version `source`; `coming` says what the
/// collections and aliases that are restored with them are called in the target. Also gives the reasons why it cannot be, each with the way out.
pub(crate) async fn plan(
    archived: &Rbac,
    source: Option<&ServerVersion>,
    cluster: &Cluster,
    naming: &Naming,
    coming: &BTreeMap<CollectionName, CollectionName>,
    options: &RbacOptions,
) -> Result<(Plan, Vec<String>)> {
    let version = cluster.version();
    if version.product == Product::Lite {
        let problem = format!("{version} knows no users and roles (leave --rbac away)");
        return Ok((Plan::empty(), vec![problem]));
    }
    let found = cluster.rbac().await?;
    let mut report = RbacReport::default();
    let mut meant = archived.clone();
    let places = Places::look(cluster, naming, coming, &meant.grants).await?;
    meant.grants = Vec::new();
    let mut homeless: BTreeMap<String, Vec<&Grant>> = BTreeMap::new();
    for grant in &archived.grants {
        match places.find(grant) {
            Ok(placed) => meant.grants.push(placed),
            Err(reason) => homeless.entry(reason).or_default().push(grant),
        }
    }
    for (reason, grants) in homeless {
        let lines = grants_in_words(grants).into_iter();
        let lines = lines.map(|line| format!("{line}: {reason}"));
        report.left_out.extend(lines);
    }
    report.notes.extend(places.moved(&archived.grants));
    report.without_password = merge::without_password(
        &meant,
        &found.rbac,
        &options.passwords,
        found.carries_passwords,
    );
    meant
        .users
        .retain(|user| !report.without_password.contains(&user.name));

    let mut problems = Vec::new();
    let target = Target {
        version,
        source,
        names_global_grants: found.carries_passwords,
        groups: meant
            .privilege_groups
            .iter()
            .chain(&found.rbac.privilege_groups)
            .map(|group| group.name.as_str())
            .collect(),
    };
    let lacking = Missing::of(&meant, &found.rbac);
    let unknown = target.unknown(&lacking);
    if options.skip_unknown {
        report
            .left_out
            .extend(unknown.iter().map(Unknown::left_out));
        unknown
            .iter()
            .for_each(|unknown| unknown.remove(&mut meant));
    } else {
        problems.extend(unknown.iter().map(|unknown| unknown.problem(version)));
    }

    let missing = Missing::of(&meant, &found.rbac);
    // Whether or not the server asks for passwords (seen on 2.3.5).
    if !missing.grants.is_empty() && !found.carries_passwords && !cluster.is_logged_in() {
        problems.push(format!(
            "{version} grants in the name of a user only (log in as root: --user root with --password-file)"
        ));
    }
    report.notes.extend(options.passwords.unused(archived));
    missing.fill(&mut report);
    Ok((
        Plan {
            missing,
            meant,
            passwords: options.passwords.clone(),
            carries_passwords: found.carries_passwords,
            report,
        },
        problems,
    ))
}

impl Plan {
    fn empty() -> Plan {
        Plan {
            missing: Missing::default(),
            meant: Rbac::default(),
            passwords: Passwords::default(),
            carries_passwords: false,
            report: RbacReport::default(),
        }
    }
}

/// Makes what the target lacks, and looks whether it is there then.
pub(crate) async fn apply(cluster: &Cluster, plan: Plan, ctx: &Context) -> Result<RbacReport> {
    let work = async {
        if !plan.missing.is_empty() {
            make(cluster, &plan).await?;
            prove(cluster, &plan).await?;
        }
        Ok(())
    };
    match ctx.until_stopped("restoring users and roles", work).await {
        Ok(()) => Ok(plan.report),
        Err(error) => {
            ctx.monitor.warn(
                "all collections are restored, but not all users and roles; restore again with --rbac and --if-exists skip to add what is missing",
            );
            Err(error)
        }
    }
}

async fn make(cluster: &Cluster, plan: &Plan) -> Result<()> {
    let missing = &plan.missing;
    let mut grants: Vec<&Grant> = missing.grants.iter().collect();
    // Users whose password is given are made by name; those with a hash can only come with RestoreRBAC.
    let (given, hashed): (Vec<&NewUser>, Vec<&NewUser>) = missing
        .users
        .iter()
        .partition(|user| plan.passwords.of(&user.name).is_some());
    let mut memberships: Vec<&Membership> = missing.memberships.iter().collect();
    if plan.carries_passwords {
        // Before 2.5.x and 2.6.15 RestoreRBAC makes another grant of "any privilege", or refuses it
        // (github.com/milvus-io/milvus/pull/48978); OperatePrivilege does not, but has no names in global grants.
        let (single, together): (Vec<&Grant>, Vec<&Grant>) =
            grants.into_iter().partition(|grant| {
                grant.privilege == ANY
                    && (grant.object != Grant::GLOBAL || grant.object_name == ANY)
            });
        let by_hash = |user: &str| hashed.iter().any(|hashed| hashed.name == user);
        let batch = Rbac {
            users: hashed.iter().filter_map(|user| plan.hashed(user)).collect(),
            roles: missing.roles.clone(),
            privilege_groups: missing.privilege_groups.clone(),
            grants: together.into_iter().cloned().collect(),
        };
        if batch != Rbac::default() {
            cluster.restore_rbac(&batch).await?;
        }
        memberships.retain(|membership| !by_hash(&membership.user));
        grants = single;
    } else {
        for role in &missing.roles {
            cluster.create_role(role).await?;
        }
    }
    for user in given {
        if let Some(password) = plan.passwords.of(&user.name) {
            let description = &user.description;
            cluster
                .create_user(&user.name, password, description)
                .await?;
        }
    }
    for membership in memberships {
        cluster
            .add_user_to_role(&membership.user, &membership.role)
            .await?;
    }
    for added in &missing.added_privileges {
        cluster.add_to_privilege_group(added).await?;
    }
    for grant in grants {
        cluster.grant(grant).await?;
    }
    Ok(())
}

impl Plan {
    fn hashed(&self, user: &NewUser) -> Option<User> {
        let found = self
            .meant
            .users
            .iter()
            .find(|meant| meant.name == user.name);
        found.cloned()
    }
}

/// Reads everything again: servers may pass over what they do not take, without a word.
async fn prove(cluster: &Cluster, plan: &Plan) -> Result<()> {
    let there = cluster.rbac().await?.rbac;
    let lacking = Missing::of(&plan.meant, &there);
    match lacking.first() {
        None => Ok(()),
        Some(first) => Err(Error::Answer {
            server: cluster.server().to_owned(),
            call: "SelectGrant",
            subject: "users and roles".into(),
            reason: format!("{first} was made, and is not there"),
        }),
    }
}
