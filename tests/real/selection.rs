//! A part of a server: just that part is exported, restored and compared.

use milvault::Error;
use milvault::archive::{Archive, Selection};
use milvault::model::CollectionName;
use milvault::progress::Context;
use milvault::restore::RestoreOptions;
use serde_json::json;

use crate::support::python;
use crate::support::servers;
use crate::support::vault::{
    FULL_ACCESS, Vault, assert_equal, compared, connect, database, into_database, live,
    restore_into, restoring, side, strings,
};

fn names(archive: &Archive) -> Vec<String> {
    let entries = archive.manifest().collections.iter();
    entries.map(|entry| entry.schema.name.to_string()).collect()
}

fn into(database: &str) -> RestoreOptions {
    restoring(&into_database(database))
}

#[tokio::test]
async fn partitions_that_are_selected_come_alone() {
    let server = servers::milvus_235();
    python::fill_database(server, "some_parts", &["partitioned"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let mut selection = database("some_parts");
    selection.partitions = strings(&["south", "west_1"]);
    let archive = vault.export(&cluster, "a", &selection).await;
    assert_eq!(archive.manifest().totals().rows, 301);
    let naming = into_database("two_parts");
    restore_into(&archive, &cluster, &restoring(&naming)).await;
    let query = |partition: &str| {
        (
            "query",
            json!({"collection_name": "partitioned", "filter": "id > -9999", "partition_names": [partition],
                "output_fields": ["id", "text"], "limit": 1000, "consistency_level": "Strong"}),
        )
    };
    for (partition, rows) in [("south", 300), ("west_1", 1), ("_default", 0)] {
        let found = python::call(server, "two_parts", &[query(partition)]);
        let found = found[0].as_array().unwrap();
        assert_eq!(found.len(), rows, "{partition}");
        assert!(found.iter().all(|row| row["text"] == partition));
    }
    let there = python::definitions(server, "two_parts", &["partitioned"]);
    assert_eq!(
        there["partitioned"]["partitions"],
        json!(["_default", "south", "west_1"])
    );
    let source = live(&cluster);
    // Also where the user does not say again what the archive has.
    for selection in [&selection, &database("some_parts")] {
        assert_equal(&source, &side(&archive), selection, &Default::default(), 1).await;
    }
    assert_equal(&source, &live(&cluster), &selection, &naming, 1).await;

    selection.partitions = strings(&["nowhere"]);
    let silent = Context::silent();
    let missing = vault
        .try_export(&cluster, "b", &selection, FULL_ACCESS, &silent)
        .await;
    assert!(matches!(missing, Err(Error::Usage(_))), "{missing:?}");
}

#[tokio::test]
async fn a_filter_selects_rows_whatever_is_quoted_in_it() {
    for (server, name) in [(servers::milvus_235(), "m"), (servers::lite_322(), "l")] {
        let from = format!("filtered_{name}");
        python::fill_database(server, &from, &["hard_text_keys", "partition_key"]);
        let cluster = connect(server).await;
        let vault = Vault::new();
        for (number, (collection, filter, keys)) in [
            (
                "hard_text_keys",
                r#"id == "double\"quote""#,
                vec!["double\"quote"],
            ),
            (
                "hard_text_keys",
                r#"id in ["single'quote", "日本語"]"#,
                vec!["single'quote", "日本語"],
            ),
            // Weaker than `and`, which joins the filter and the range of keys.
            (
                "hard_text_keys",
                "number == 0 or number == 1",
                vec!["", " "],
            ),
            (
                "partition_key",
                r#"tenant == "tenant 7" and id < "doc-2""#,
                vec![],
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let mut selection = database(&from);
            selection.collections = strings(&[collection]);
            selection.filter = Some(filter.into());
            let archive = vault
                .export(&cluster, &format!("a{number}"), &selection)
                .await;
            let to = format!("{from}_{number}");
            restore_into(&archive, &cluster, &into(&to)).await;
            let query = json!({"collection_name": collection, "filter": "id >= \"\"", "output_fields": ["id"],
                "limit": 1000, "consistency_level": "Strong"});
            let rows = python::call(server, &to, &[("query", query)]);
            let mut found: Vec<&str> = rows[0]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["id"].as_str().unwrap())
                .collect();
            found.sort();
            if collection == "hard_text_keys" {
                assert_eq!(found, keys, "{filter}");
            } else {
                let expected = (0..1000)
                    .filter(|row| row % 23 == 7 && format!("doc-{row}").as_str() < "doc-2");
                assert_eq!(found.len(), expected.count(), "{filter}");
            }
        }
        let mut selection = database(&from);
        selection.filter = Some("no_such_field > 1".into());
        let silent = Context::silent();
        let refused = vault
            .try_export(&cluster, "b", &selection, FULL_ACCESS, &silent)
            .await;
        let words = refused.unwrap_err().to_string();
        assert!(words.contains("no_such_field"), "{words}");
        assert!(!vault.path().join("b").exists());
    }
}

#[tokio::test]
async fn fields_that_are_selected_come_alone() {
    let server = servers::milvus_235();
    python::fill_database(server, "some_fields", &["every_type"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let out = ["json", "array_varchar", "int32"];
    let without = Selection {
        exclude_fields: strings(&out),
        ..database("some_fields")
    };
    let archive = vault.export(&cluster, "without", &without).await;
    restore_into(&archive, &cluster, &into("fewer_fields")).await;
    let more = ["--db", "fewer_fields", "--without", &out.join(",")];
    python::assert_holds(server, "every_type", &more);
    let (source, everything) = (live(&cluster), database("some_fields"));
    assert_equal(
        &source,
        &side(&archive),
        &everything,
        &Default::default(),
        1,
    )
    .await;
    let there = python::definitions(server, "fewer_fields", &["every_type"]);
    let indexes = there["every_type"]["indexes"].as_object().unwrap();
    assert_eq!(indexes.keys().collect::<Vec<_>>(), ["varchar", "vector"]);

    let only = Selection {
        fields: strings(&["vector", "varchar"]),
        ..database("some_fields")
    };
    let archive = vault.export(&cluster, "only", &only).await;
    restore_into(&archive, &cluster, &into("two_fields")).await;
    let there = python::definitions(server, "two_fields", &["every_type"]);
    let there = &there["every_type"];
    let fields = there["fields"].as_object().unwrap();
    assert_eq!(
        fields.keys().collect::<Vec<_>>(),
        ["id", "varchar", "vector"]
    );
    assert_eq!(there["dynamic"], false);
    let naming = into_database("two_fields");
    let found = compared(&side(&archive), &source, &everything, &Default::default()).await;
    let found = found.unwrap();
    assert!(found.equal, "{found:?}");
    assert!(
        found.notes[0].contains("the fields vector, varchar"),
        "{found:?}"
    );
    assert_equal(&source, &source, &only, &naming, 1).await;
    let whole = compared(&source, &source, &database("some_fields"), &naming)
        .await
        .unwrap();
    let told = |line: &String| line.contains("field json is only in the first");
    assert!(whole.collections[0].schema.iter().any(told), "{whole:?}");

    let unknown = Selection {
        fields: strings(&["vectr"]),
        ..database("some_fields")
    };
    let silent = Context::silent();
    let refused = vault
        .try_export(&cluster, "b", &unknown, FULL_ACCESS, &silent)
        .await;
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("vectr") && words.contains("varchar"),
        "{words}"
    );
}

#[tokio::test]
async fn globs_and_exclusions_pick_collections_on_export_and_restore() {
    let server = servers::lite_322();
    python::fill_database(
        server,
        "globs",
        &["empty", "deleted", "not_loaded", "unindexed"],
    );
    let cluster = connect(server).await;
    let vault = Vault::new();
    let picked = Selection {
        collections: strings(&["globs.*ed"]),
        exclude: strings(&["globs.un*"]),
        ..Selection::default()
    };
    let archive = vault.export(&cluster, "picked", &picked).await;
    assert_eq!(names(&archive), ["globs.deleted", "globs.not_loaded"]);
    let all = vault.export(&cluster, "all", &database("globs")).await;
    assert_eq!(all.manifest().collections.len(), 4);
    let mut options = into("globbed");
    options.selection = Selection {
        collections: strings(&["globs.d*", "globs.e*"]),
        ..Selection::default()
    };
    let report = restore_into(&all, &cluster, &options).await;
    let restored: Vec<_> = report
        .collections
        .iter()
        .map(|one| one.target.clone())
        .collect();
    assert_eq!(
        restored,
        ["deleted", "empty"].map(|name| CollectionName::new("globbed", name))
    );
    python::assert_holds(server, "deleted,empty", &["--db", "globbed"]);
    let missing = Selection {
        collections: strings(&["globs.nope*"]),
        ..Selection::default()
    };
    let silent = Context::silent();
    let refused = vault
        .try_export(&cluster, "b", &missing, FULL_ACCESS, &silent)
        .await;
    assert!(
        matches!(refused, Err(Error::NoCollection { .. })),
        "{refused:?}"
    );
}
