//! What an old Milvus does not know is never sent to it: one such collection can bring it down, at once and at every
//! start after that.

use milvault::Error;
use milvault::archive::Selection;
use milvault::compat::Indexes;
use serde_json::json;

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    Vault, collections, connect, database, into_database, refused, restoring, strings,
};

/// What no Milvus before 2.4 knows of milvus-lite 3's collections, the one that is left out below first.
const OF_LITE_3: [(&str, &str); 5] = [
    ("every_type", "Geometry of field geometry"),
    ("every_type", "Timestamptz of field timestamptz"),
    ("every_type", "SparseFloatVector of field sparse_vector"),
    ("nullable", "null values of field json"),
    ("nullable", "default value of field defaulted"),
];

/// And of milvus-lite 2's.
const OF_LITE_2: [(&str, &str); 3] = [
    ("every_type", "Float16Vector of field float16_vector"),
    ("every_type", "BFloat16Vector of field bfloat16_vector"),
    ("every_type", "SparseFloatVector of field sparse_vector"),
];

#[tokio::test]
async fn milvus_2_2_survives_what_it_does_not_know() {
    survives("milvus-2.2.16").await;
}

#[tokio::test]
async fn milvus_2_3_survives_what_it_does_not_know() {
    survives("milvus-2.3.5").await;
}

/// Everything that a server has, as it tells it.
fn content(server: &Server) -> String {
    let calls = [
        ("list_databases", json!({})),
        ("list_collections", json!({})),
    ];
    format!("{:?}", python::call(server, "", &calls))
}

async fn survives(version: &str) {
    let label = version.replace(['-', '.'], "_");
    let vault = Vault::new();
    let lite_3 = servers::lite_322();
    let from = format!("unknown_to_{label}");
    python::fill_database(lite_3, &from, &["every_type", "nullable"]);
    let of_lite_3 = vault
        .export(&connect(lite_3).await, "of-lite-3", &database(&from))
        .await;
    let lite_2 = servers::lite_251();
    let name = format!("every_type_unknown_to_{label}");
    python::fill(lite_2, "every_type", &["--collection", &name]);
    let only = collections("default", &[&name]);
    let of_lite_2 = vault
        .export(&connect(lite_2).await, "of-lite-2", &only)
        .await;

    // A server of its own, whose data outlives it.
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::start(&[version, "--dir", folder.path().to_str().unwrap()]);
    let server = start();
    python::fill(&server, "every_type", &[]);
    let before = content(&server);
    let cluster = connect(&server).await;
    let without = Selection {
        exclude_fields: strings(&["geometry", "int64"]),
        ..Selection::default()
    };
    let all = Selection::default();
    for (archive, selection, unknown) in [
        (&of_lite_3, &all, &OF_LITE_3[..]),
        (&of_lite_3, &without, &OF_LITE_3[1..]),
        (&of_lite_2, &all, &OF_LITE_2[..]),
    ] {
        let mut options = restoring(&into_database("poison"));
        options.aliases = false;
        options.adapt.indexes = Indexes::Omit;
        options.selection = selection.clone();
        let Error::Incompatible { problems } = refused(archive, &cluster, &options).await else {
            panic!("another error");
        };
        // Every problem of every collection at once.
        for (collection, what) in unknown {
            let named = |one: &String| one.contains(collection) && one.contains(what);
            assert!(problems.iter().any(named), "{what}: {problems:?}");
        }
    }
    assert_eq!(content(&server), before);

    drop(cluster);
    drop(server);
    let server = start();
    assert_eq!(content(&server), before);
    python::assert_holds(&server, "every_type", &["--load"]);
    python::fill(&server, "hard_text_keys", &[]);
    python::assert_holds(&server, "hard_text_keys", &[]);
}
