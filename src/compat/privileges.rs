//! What each server version understands of access control.

use crate::milvus::{Product, ServerVersion};
use crate::model::ANY;

/// Major, minor, patch.
type Release = (u32, u32, u32);

/// What a privilege is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The whole server, in whichever database it was granted.
    Cluster,
    /// A database or what is in it.
    Database,
}

use Level::{Cluster, Database};

/// Privileges and Milvus's own groups of them, by the first release that knows them: those of milvus-proto's enum
/// `ObjectPrivilege`, at its tags of the same numbers.
const PRIVILEGES: &[(Release, Level, &[&str])] = &[
    (
        (2, 2, 0),
        Database,
        &[
            ANY,
            "All",
            "CreateCollection",
            "DropCollection",
            "DescribeCollection",
            "ShowCollections",
            "Load",
            "Release",
            "Compaction",
            "Insert",
            "Delete",
            "GetStatistics",
            "CreateIndex",
            "IndexDetail",
            "DropIndex",
            "Search",
            "Flush",
            "Query",
            "LoadBalance",
            "Import",
        ],
    ),
    (
        (2, 2, 0),
        Cluster,
        &[
            "CreateOwnership",
            "UpdateUser",
            "DropOwnership",
            "SelectOwnership",
            "ManageOwnership",
            "SelectUser",
        ],
    ),
    (
        (2, 2, 4),
        Cluster,
        &[
            "CreateResourceGroup",
            "DropResourceGroup",
            "DescribeResourceGroup",
            "ListResourceGroups",
            "TransferNode",
            "TransferReplica",
        ],
    ),
    ((2, 2, 4), Database, &["GetLoadingProgress", "GetLoadState"]),
    (
        (2, 2, 9),
        Cluster,
        &["CreateDatabase", "DropDatabase", "ListDatabases"],
    ),
    ((2, 2, 9), Database, &["RenameCollection"]),
    ((2, 2, 10), Cluster, &["FlushAll"]),
    ((2, 3, 0), Database, &["Upsert"]),
    (
        (2, 3, 4),
        Database,
        &[
            "CreatePartition",
            "DropPartition",
            "ShowPartitions",
            "HasPartition",
            "GetFlushState",
        ],
    ),
    (
        (2, 3, 5),
        Database,
        &["CreateAlias", "DropAlias", "DescribeAlias", "ListAliases"],
    ),
    ((2, 4, 0), Cluster, &["UpdateResourceGroups"]),
    ((2, 4, 1), Database, &["AlterDatabase"]),
    ((2, 4, 3), Database, &["DescribeDatabase"]),
    ((2, 4, 10), Cluster, &["BackupRBAC", "RestoreRBAC"]),
    ((2, 4, 10), Database, &["ReadOnly", "ReadWrite", "Admin"]),
    (
        (2, 4, 16),
        Cluster,
        &[
            "CreatePrivilegeGroup",
            "DropPrivilegeGroup",
            "ListPrivilegeGroups",
            "OperatePrivilegeGroup",
        ],
    ),
    (
        (2, 4, 18),
        Cluster,
        &["ClusterReadOnly", "ClusterReadWrite", "ClusterAdmin"],
    ),
    (
        (2, 4, 18),
        Database,
        &[
            "DatabaseReadOnly",
            "DatabaseReadWrite",
            "DatabaseAdmin",
            "CollectionReadOnly",
            "CollectionReadWrite",
            "CollectionAdmin",
        ],
    ),
    (
        (2, 6, 0),
        Database,
        &["GetImportProgress", "ListImport", "AddCollectionField"],
    ),
    (
        (2, 6, 1),
        Cluster,
        &["AddFileResource", "RemoveFileResource", "ListFileResources"],
    ),
    ((2, 6, 6), Cluster, &["UpdateReplicateConfiguration"]),
    ((2, 6, 12), Cluster, &["GetReplicateConfiguration"]),
    (
        (3, 0, 0),
        Database,
        &[
            "CreateSnapshot",
            "DropSnapshot",
            "DescribeSnapshot",
            "ListSnapshots",
            "RestoreSnapshot",
            "AlterCollectionSchema",
            "RefreshExternalCollection",
            "PinSnapshotData",
            "UnpinSnapshotData",
            "RestoreExternalSnapshot",
            "ExportSnapshot",
        ],
    ),
];

/// From when on users can make groups of privileges.
const PRIVILEGE_GROUPS: Release = (2, 4, 16);

fn find(privilege: &str) -> Option<(Release, Level)> {
    PRIVILEGES
        .iter()
        .find(|(_, _, names)| names.contains(&privilege))
        .map(|(since, level, _)| (*since, *level))
}

/// Whether a server of this version knows a privilege, or one of Milvus's own groups. What milvault itself does not
/// know is known to later patches of the version `source` that it comes from, and to no other.
pub fn knows_privilege(
    version: &ServerVersion,
    privilege: &str,
    source: Option<&ServerVersion>,
) -> bool {
    match find(privilege) {
        Some((since, _)) => version.product == Product::Milvus && version.number >= since,
        None => source.is_some_and(|source| {
            let (major, minor, patch) = source.number;
            source.is_known()
                && version.is_milvus_from(major, minor, patch)
                && (version.number.0, version.number.1) == (major, minor)
        }),
    }
}

/// Whether a privilege is about the whole server, so that it stays in its database when collections move to another.
pub fn is_of_cluster(privilege: &str) -> bool {
    find(privilege).is_some_and(|(_, level)| level == Cluster)
}

/// Whether users can make groups of privileges.
pub fn knows_privilege_groups(version: &ServerVersion) -> bool {
    let (major, minor, patch) = PRIVILEGE_GROUPS;
    version.is_milvus_from(major, minor, patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ServerVersion {
        ServerVersion::parse(text).unwrap()
    }

    #[test]
    fn a_privilege_is_known_from_its_release_on() {
        let source = version("2.6.0");
        let known = |target: &str, privilege: &str| {
            knows_privilege(&version(target), privilege, Some(&source))
        };
        assert!(known("2.2.16", "Search") && known("2.3.5", "DropAlias"));
        assert!(!known("2.2.16", "Upsert") && !known("2.3.5", "DescribeDatabase"));
        assert!(!known("2.3.5", "ClusterAdmin") && known("2.5.0", "ClusterAdmin"));
        assert!(!known("milvus_lite-3.2.2", "Search"));
    }

    #[test]
    fn what_milvault_does_not_know_goes_to_the_same_release_alone() {
        let source = version("2.6.7");
        let known = |target: &str| {
            knows_privilege(&version(target), "AddCollectionFunction", Some(&source))
        };
        assert!(known("2.6.7") && known("2.6.9"));
        assert!(!known("2.6.6") && !known("3.0.0") && !known("2.5.0"));
        assert!(!knows_privilege(
            &version("2.6.7"),
            "AddCollectionFunction",
            None
        ));
    }

    #[test]
    fn no_privilege_is_listed_twice() {
        let mut names: Vec<&str> = PRIVILEGES
            .iter()
            .flat_map(|(_, _, names)| *names)
            .copied()
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
