//! What a comparison finds.

use milvault::compare::{RowChange, RowDifference};
use milvault::model::{CollectionName, Key};
use milvault::naming::Naming;
use serde_json::json;

use crate::support::python;
use crate::support::servers;
use crate::support::vault::{
    Vault, assert_equal, collections, compared, connect, database, into_database, live, renamed,
    restore_into, restoring, side,
};

#[tokio::test]
async fn one_bit_is_found_between_any_two_places() {
    for (server, name) in [(servers::milvus_235(), "m"), (servers::lite_322(), "l")] {
        let (from, to) = (format!("bits_{name}"), format!("bits_{name}_copy"));
        python::fill_database(server, &from, &["every_type"]);
        let cluster = connect(server).await;
        let vault = Vault::new();
        let all = database(&from);
        let archive = vault.export(&cluster, "before", &all).await;
        let naming = into_database(&to);
        restore_into(&archive, &cluster, &restoring(&naming)).await;
        assert_equal(&live(&cluster), &live(&cluster), &all, &naming, 1).await;

        python::run("spoil.py", &[&server.address, "every_type", "--db", &to]);
        let spoilt = vault.export(&cluster, "after", &database(&to)).await;
        let places = [
            (live(&cluster), live(&cluster)),
            (side(&archive), side(&spoilt)),
            (side(&archive), live(&cluster)),
            (live(&cluster), side(&spoilt)),
        ];
        for (a, b) in &places {
            let comparison = compared(a, b, &all, &naming).await.unwrap();
            assert!(!comparison.equal);
            let found = &comparison.collections[0];
            assert_eq!((found.rows_a, found.rows_b, found.changed), (120, 120, 1));
            assert_eq!(found.only_in_a + found.only_in_b, 0);
            let expected = RowDifference {
                partition: Some("_default".into()),
                key: Key::Int(-20),
                what: RowChange::Fields(vec!["vector".into()]),
            };
            assert_eq!(found.first, [expected]);
        }
    }
}

#[tokio::test]
async fn rows_that_only_one_place_has_are_named() {
    let server = servers::lite_322();
    python::fill_database(server, "rows_differ", &["partitioned"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let all = database("rows_differ");
    let archive = vault.export(&cluster, "a", &all).await;
    let delete = json!({"collection_name": "partitioned", "ids": [-1000]});
    let new = json!({"id": 77, "text": "new", "vector": vec![0.5; 16]});
    let insert =
        json!({"collection_name": "partitioned", "partition_name": "north", "data": [new]});
    python::call(
        server,
        "rows_differ",
        &[("delete", delete), ("insert", insert)],
    );
    let naming = Default::default();
    let comparison = compared(&side(&archive), &live(&cluster), &all, &naming)
        .await
        .unwrap();
    let found = &comparison.collections[0];
    assert_eq!((found.only_in_a, found.only_in_b, found.changed), (1, 1, 0));
    let difference = |partition: &str, key, what| RowDifference {
        partition: Some(partition.into()),
        key: Key::Int(key),
        what,
    };
    let expected = [
        difference("_default", -1000, RowChange::OnlyInA),
        difference("north", 77, RowChange::OnlyInB),
    ];
    assert_eq!(found.first, expected);
}

#[tokio::test]
async fn collections_of_another_shape_are_told_apart() {
    let server = servers::lite_322();
    python::fill_database(
        server,
        "other_shape",
        &["deleted", "not_loaded", "hard_text_keys"],
    );
    let cluster = connect(server).await;
    let here = live(&cluster);
    let mut selection = database("other_shape");
    selection.collections = vec!["deleted".into()];
    let naming = renamed("*.deleted:*.not_loaded");
    let comparison = compared(&here, &here, &selection, &naming).await.unwrap();
    let schema = &comparison.collections[0].schema;
    assert_eq!(schema, &["field version is only in the first"]);

    let naming = renamed("*.deleted:*.hard_text_keys");
    let comparison = compared(&here, &here, &selection, &naming).await;
    let words = match comparison {
        Ok(comparison) => format!("{:?}", comparison.collections[0].schema),
        Err(error) => error.to_string(),
    };
    assert!(words.contains("id"), "{words}");

    let naming = renamed("*.deleted:*.nowhere");
    let comparison = compared(&here, &here, &selection, &naming).await.unwrap();
    assert!(!comparison.equal);
    let missing = comparison.only_in_a.iter().map(|name| name.to_string());
    assert_eq!(missing.collect::<Vec<_>>(), ["other_shape.deleted"]);
}

#[tokio::test]
async fn what_was_not_selected_for_an_archive_is_no_difference() {
    let server = servers::lite_322();
    python::fill_database(server, "selected", &["deleted", "not_loaded"]);
    let cluster = connect(server).await;
    let (vault, everything) = (Vault::new(), database("selected"));
    let deleted = collections("selected", &["del*"]);
    let archive = vault.export(&cluster, "a", &deleted).await;
    for (one, other) in [
        (live(&cluster), side(&archive)),
        (side(&archive), live(&cluster)),
    ] {
        let found = compared(&one, &other, &everything, &Naming::default())
            .await
            .unwrap();
        assert!(found.equal && found.collections.len() == 1, "{found:?}");
        assert!(found.notes[0].contains("the collections del*"), "{found:?}");
    }
    // Of archives, each says all that it has.
    let whole = vault.export(&cluster, "whole", &everything).await;
    let found = compared(
        &side(&whole),
        &side(&archive),
        &everything,
        &Naming::default(),
    )
    .await;
    let missing = found.unwrap().only_in_a;
    assert_eq!(missing, [CollectionName::new("selected", "not_loaded")]);
    // One that would have been selected is missing.
    let more = ["--db", "selected", "--collection", "deleted_too"];
    python::fill(server, "empty", &more);
    let (here, there) = (live(&cluster), side(&archive));
    let found = compared(&here, &there, &everything, &Naming::default()).await;
    let missing = found.unwrap().only_in_a;
    assert_eq!(missing, [CollectionName::new("selected", "deleted_too")]);
    // Those that are asked for by name, and archives that have nothing of it, are another matter.
    let named = collections("selected", &["*"]);
    let strangers = renamed("*.deleted:*.nowhere");
    for (selection, naming) in [(&named, &Naming::default()), (&everything, &strangers)] {
        let found = compared(&live(&cluster), &side(&archive), selection, naming)
            .await
            .unwrap();
        assert!(!found.equal && !found.only_in_a.is_empty(), "{found:?}");
    }
}
