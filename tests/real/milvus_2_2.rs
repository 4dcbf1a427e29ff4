//! What Milvus 2.2 lacks: counts, upserts, and calls for aliases.

use milvault::archive::Selection;
use milvault::naming::Naming;
use milvault::restore::IfExists;
use milvault::{Error, Result};
use serde_json::json;

use crate::support::python;
use crate::support::servers;
use crate::support::vault::{
    FULL_ACCESS, Listener, Vault, collections, compared, connect, database, live, refused, renamed,
    restoring,
};

#[tokio::test]
async fn rows_that_are_stored_and_not_returned_are_told() -> Result<()> {
    let server = servers::milvus_2216();
    python::fill_database(
        server,
        "doubts",
        &["highest_int_key", "duplicates", "empty"],
    );
    let cluster = connect(server).await;
    let listener = Listener::default();
    let vault = Vault::new();
    let manifest = vault
        .try_export(
            &cluster,
            "a",
            &database("doubts"),
            FULL_ACCESS,
            &listener.context(),
        )
        .await?;
    for (name, rows) in [("highest_int_key", 10), ("duplicates", 2000), ("empty", 0)] {
        let entry = manifest
            .collections
            .iter()
            .find(|one| one.schema.name.collection == name);
        assert_eq!(
            (entry.unwrap().rows, entry.unwrap().server_rows),
            (rows, None)
        );
    }
    assert!(listener.heard("doubts.highest_int_key: 10 rows were read, "));
    assert!(listener.heard(" has stored 11; Milvus 2.2.16 cannot count"));
    assert!(listener.heard("doubts.duplicates: 2000 rows were read, "));
    assert!(!listener.heard("doubts.empty"));
    let all = database("doubts");
    let place = live(&cluster);
    assert!(
        compared(&place, &place, &all, &Naming::default())
            .await?
            .equal
    );
    Ok(())
}

#[tokio::test]
async fn rows_are_not_appended_without_upserts() {
    let server = servers::milvus_2216();
    python::fill_database(server, "no_upserts", &["hard_int_keys"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let archive = vault.export(&cluster, "a", &database("no_upserts")).await;
    let mut options = restoring(&Naming::default());
    options.if_exists = IfExists::Append;
    let Error::Incompatible { problems } = refused(&archive, &cluster, &options).await else {
        panic!("another error");
    };
    assert!(
        problems[0].contains("Milvus 2.2.16 has no upsert"),
        "{problems:?}"
    );
    python::assert_holds(server, "hard_int_keys", &["--db", "no_upserts"]);
}

#[tokio::test]
async fn aliases_are_known_though_no_call_tells_of_them() {
    let server = servers::milvus_2216();
    python::fill_database(server, "aliased", &["empty", "hard_int_keys"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let archive = vault.export(&cluster, "a", &database("aliased")).await;
    let entry = &archive.manifest().collections[0];
    assert_eq!(entry.schema.aliases, ["empty_alias"]);

    let mut options = restoring(&renamed("aliased.empty:aliased.hard_int_keys_alias"));
    options.selection = Selection {
        collections: vec!["aliased.empty".into()],
        ..Selection::default()
    };
    let refusal = refused(&archive, &cluster, &options).await.to_string();
    assert!(
        refusal.contains("is an alias of hard_int_keys"),
        "{refusal}"
    );

    let alias = json!({"collection_name": "hard_int_keys", "alias": "empty_alias_copy"});
    python::call(server, "aliased", &[("create_alias", alias)]);
    let mut options = restoring(&renamed("*.*:*.*_copy"));
    options.selection = collections("aliased", &["empty"]);
    let report = milvault::restore::restore(
        &archive,
        &cluster,
        &options,
        &milvault::progress::Context::silent(),
    )
    .await
    .unwrap();
    let told = |note: &String| note.contains("empty_alias_copy is taken by hard_int_keys");
    assert!(report.collections[0].notes.iter().any(told), "{report:?}");
}
