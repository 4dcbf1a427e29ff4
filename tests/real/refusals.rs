//! What cannot be carried is refused by name, before anything is made.

use milvault::Error;
use milvault::archive::Selection;
use milvault::naming::Naming;
use milvault::progress::Context;
use serde_json::json;

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, Vault, assert_equal, compared, connect, database, live, refused, renamed,
    restore_into, restoring, side, strings,
};

fn databases(server: &Server) -> String {
    python::call(server, "", &[("list_databases", json!({}))])[0].to_string()
}

#[tokio::test]
async fn fields_that_the_target_does_not_know_are_named_with_the_way_out() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    python::fill_database(source, "too_new", &["every_type"]);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(source).await, "a", &database("too_new"))
        .await;
    let cluster = connect(target).await;
    let naming = renamed("too_new.*:from_newer.*");
    let mut options = restoring(&naming);
    let Error::Incompatible { problems } = refused(&archive, &cluster, &options).await else {
        panic!("another error");
    };
    for (field, kind) in [
        ("sparse_vector", "SparseFloatVector"),
        ("geometry", "Geometry"),
        ("timestamptz", "Timestamptz"),
    ] {
        let flag = format!("--exclude-fields {field}");
        let named = |problem: &&String| {
            problem.contains("from_newer.every_type")
                && problem.contains(field)
                && problem.contains(kind)
                && problem.contains(&flag)
        };
        assert!(problems.iter().any(|one| named(&one)), "{problems:?}");
    }
    assert!(!databases(target).contains("from_newer"));

    let left_out = ["sparse_vector", "geometry", "timestamptz"];
    options.selection.exclude_fields = strings(&left_out);
    restore_into(&archive, &cluster, &options).await;
    let rest = Selection {
        exclude_fields: strings(&left_out),
        ..Selection::default()
    };
    assert_equal(&side(&archive), &live(&cluster), &rest, &naming, 1).await;
    let left_out = left_out.join(",");
    python::assert_holds(
        target,
        "every_type",
        &[
            "--db",
            "from_newer",
            "--of",
            "lite-3.2.2",
            "--without",
            &left_out,
        ],
    );
}

#[tokio::test]
async fn null_values_and_defaults_are_not_dropped_on_a_server_without_them() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    python::fill_database(source, "has_nulls", &["nullable"]);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(source).await, "a", &database("has_nulls"))
        .await;
    let options = restoring(&renamed("*.nullable:default.never_made"));
    let refusal = refused(&archive, &connect(target).await, &options).await;
    let words = refusal.to_string();
    assert!(words.contains("null values of field int64"), "{words}");
    assert!(
        words.contains("default value of field defaulted"),
        "{words}"
    );
    let there = python::call(target, "", &[("list_collections", json!({}))]);
    assert!(!there[0].to_string().contains("never_made"));
}

#[tokio::test]
async fn a_row_that_the_server_counts_and_never_shows_fails_the_export() {
    let server = servers::milvus_235();
    python::fill_database(server, "hidden", &["highest_int_key"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let mut selection = database("hidden");
    let silent = Context::silent();
    let error = vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &silent)
        .await
        .unwrap_err();
    let Error::Incomplete { collection, reason } = &error else {
        panic!("{error}");
    };
    assert_eq!(collection.to_string(), "hidden.highest_int_key");
    assert!(reason.contains("9223372036854775807"), "{reason}");
    assert_eq!(vault.content(), Vec::<String>::new());

    // What is shown is the same, but nobody can tell of the rest.
    let place = live(&cluster);
    let error = compared(&place, &place, &selection, &Naming::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(error.to_string().contains(&server.address), "{error}");

    selection.filter = Some("id < 9223372036854775807".into());
    let comparison = compared(&place, &place, &selection, &Naming::default()).await;
    assert!(comparison.unwrap().equal);
    let archive = vault.export(&cluster, "a", &selection).await;
    assert_eq!(archive.manifest().totals().rows, 10);
    let naming = renamed("hidden.*:unhidden.*");
    restore_into(&archive, &cluster, &restoring(&naming)).await;
    python::assert_holds(server, "highest_int_key", &["--db", "unhidden"]);
}

#[tokio::test]
async fn a_key_that_the_target_would_hide_is_refused() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    python::fill_database(source, "extreme", &["hard_int_keys"]);
    let cluster = connect(source).await;
    let vault = Vault::new();
    let mut selection = database("extreme");
    let archive = vault.export(&cluster, "a", &selection).await;
    let other = connect(target).await;
    let options = restoring(&renamed("extreme.*:no_extremes.*"));
    let refusal = refused(&archive, &other, &options).await.to_string();
    assert!(refusal.contains("9223372036854775807"), "{refusal}");
    assert!(!databases(target).contains("no_extremes"));

    selection.filter = Some("id < 9223372036854775807".into());
    let archive = vault.export(&cluster, "b", &selection).await;
    restore_into(&archive, &other, &options).await;
    // The scenario as 2.3.5 has it is the one without that key.
    python::assert_holds(target, "hard_int_keys", &["--db", "no_extremes"]);
}
