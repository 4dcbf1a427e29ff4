//! Users and roles between servers that tell passwords as hashes, and know privilege groups: 2.4.10 and later.

use milvault::milvus::wire::milvus::{PrivilegeEntity, PrivilegeGroupInfo, RbacMeta, UserInfo};
use milvault::naming::Naming;
use milvault::rbac::{RbacOptions, RbacReport};
use milvault::restore::{IfExists, RestoreOptions};

use crate::made::{self, connect};
use crate::sim::Sim;
use crate::sim::rbac::{grant, hashed, initial, role};
use crate::support::vault::{Vault, refused, restore_into, restoring, suffixed};

fn group(name: &str, privileges: &[&str]) -> PrivilegeGroupInfo {
    let privilege = |name: &&str| PrivilegeEntity {
        name: name.to_string(),
    };
    PrivilegeGroupInfo {
        group_name: name.into(),
        privileges: privileges.iter().map(privilege).collect(),
    }
}

fn user(name: &str, password: &str, roles: &[&str]) -> UserInfo {
    UserInfo {
        user: name.into(),
        password: hashed(password),
        roles: roles.iter().map(|name| role(name)).collect(),
    }
}

/// A server's own users and roles, and more.
fn with(more: RbacMeta) -> RbacMeta {
    let mut all = initial();
    all.users.extend(more.users);
    all.roles.extend(more.roles);
    all.grants.extend(more.grants);
    all.privilege_groups.extend(more.privilege_groups);
    all
}

/// The same, whatever the order.
fn sorted(mut meta: RbacMeta) -> RbacMeta {
    meta.users.sort_by(|a, b| a.user.cmp(&b.user));
    for user in &mut meta.users {
        user.roles.sort_by(|a, b| a.name.cmp(&b.name));
    }
    meta.roles.sort_by(|a, b| a.name.cmp(&b.name));
    meta.grants.sort_by_key(|grant| format!("{grant:?}"));
    meta.privilege_groups
        .sort_by(|a, b| a.group_name.cmp(&b.group_name));
    meta
}

fn with_rbac(naming: &Naming) -> RestoreOptions {
    RestoreOptions {
        rbac: Some(RbacOptions::default()),
        ..restoring(naming)
    }
}

#[tokio::test]
async fn hashes_privilege_groups_and_any_grant_arrive_and_are_merged() {
    let source = Sim::start((2, 5, 4)).await;
    made::make_plain(&mut source.world(), 10);
    let there = RbacMeta {
        users: vec![
            user("alice", "a-Secret", &["reader"]),
            user("bob", "b-Secret", &["reader", "writer"]),
        ],
        roles: vec![role("reader"), role("writer")],
        grants: vec![
            grant("reader", "Collection", ("default", "docs"), "reading"),
            grant("reader", "Collection", ("*", "*"), "GetLoadState"),
            // Of 2.5's second kind of grants: a global privilege, on one collection.
            grant(
                "reader",
                "Global",
                ("default", "docs"),
                "DescribeCollection",
            ),
            grant("writer", "Global", ("*", "*"), "*"),
            grant(
                "writer",
                "Collection",
                ("default", "*"),
                "CollectionReadWrite",
            ),
            grant("public", "Collection", ("default", "docs"), "GetStatistics"),
        ],
        privilege_groups: vec![group("reading", &["Query", "Search"])],
    };
    source.world().access = with(there.clone());
    let vault = Vault::new();
    let archive = vault.export_with_rbac(&connect(&source).await, "a").await;

    let target = Sim::start((2, 6, 3)).await;
    target.world().access = with(RbacMeta {
        users: vec![user("bob", "other", &["its_own"])],
        roles: vec![role("its_own"), role("reader")],
        grants: vec![grant("reader", "Collection", ("*", "*"), "GetLoadState")],
        privilege_groups: vec![group("reading", &["Search", "Load"])],
    });
    let cluster = connect(&target).await;
    let mut options = with_rbac(&suffixed("_copy"));
    let report = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    assert_eq!(
        (report.users.as_slice(), report.without_password.len()),
        (&["alice".to_owned()][..], 0)
    );
    assert_eq!(report.left_out, Vec::<String>::new());
    assert!(!format!("{report:?}").contains("terceS"), "{report:?}");

    let mut grants = there.grants;
    for grant in &mut grants {
        if grant.object_name == "docs" {
            grant.object_name = "docs_copy".into();
        }
    }
    let meant = with(RbacMeta {
        users: vec![
            user("alice", "a-Secret", &["reader"]),
            user("bob", "other", &["its_own", "reader", "writer"]),
        ],
        roles: vec![role("its_own"), role("reader"), role("writer")],
        grants,
        privilege_groups: vec![group("reading", &["Search", "Load", "Query"])],
    });
    assert_eq!(sorted(target.world().access.clone()), sorted(meant.clone()));

    options.if_exists = IfExists::Skip;
    let again = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    assert_eq!(again, RbacReport::default());
    assert_eq!(sorted(target.world().access.clone()), sorted(meant));
    assert_eq!(target.world().calls["RestoreRBAC"], 1);

    // An older server takes no hashes, and knows neither the groups nor a global grant on one collection.
    let old = Sim::start((2, 3, 5)).await;
    let options = with_rbac(&suffixed("_copy"));
    let words = refused(&archive, &connect(&old).await, &options)
        .await
        .to_string();
    for part in [
        "privilege groups, such as reading",
        "CollectionReadWrite",
        "DescribeCollection on docs_copy",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(old.world().access, initial());
}
