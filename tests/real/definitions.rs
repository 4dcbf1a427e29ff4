//! All of a definition comes back, or is named before anything is made.

use milvault::Error;
use milvault::archive::Archive;
use milvault::compat::{Adaptation, AutoId, Droppable, IndexChoice, Indexes, KeysKept};
use milvault::restore::{IfExists, restore};
use serde_json::{Value, json};

use crate::support::program::{Milvault, failure, stderr, stdout};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    Listener, Vault, assert_equal, collections, connect, database, into_database, live, refused,
    renamed, restore_into, restoring, side,
};

fn rich(server: &Server, database: &str, names: &str, more: &[&str]) {
    let arguments = [&[server.address.as_str(), database, names], more].concat();
    python::run("rich.py", &arguments);
}

fn databases(server: &Server) -> String {
    python::call(server, "", &[("list_databases", json!({}))])[0].to_string()
}

async fn exported(server: &Server, from: &str, vault: &Vault) -> Archive {
    vault
        .export(&connect(server).await, "a", &database(from))
        .await
}

#[tokio::test]
async fn all_that_a_server_knows_of_a_definition_comes_back() {
    for (server, from, to) in [
        (servers::milvus_235(), "rich_235", "rich_235_copy"),
        (servers::lite_322(), "rich_lite", "rich_lite_copy"),
    ] {
        rich(server, from, "rich", &[]);
        let before = python::definitions(server, from, &["rich"]);
        let vault = Vault::new();
        let archive = exported(server, from, &vault).await;
        let cluster = connect(server).await;
        let naming = into_database(to);
        let report = restore_into(&archive, &cluster, &restoring(&naming)).await;
        let after = python::definitions(server, to, &["rich"]);
        python::assert_same(&after, &before, to);
        let one = &report.collections[0];
        assert!(
            one.translated.is_empty() && one.dropped.is_empty(),
            "{one:?}"
        );
        assert_equal(
            &side(&archive),
            &live(&cluster),
            &database(from),
            &naming,
            1,
        )
        .await;
    }
    let describe = |name: &str| {
        let call = ("describe_database", json!({"db_name": name}));
        python::call(servers::lite_322(), "", &[call]).remove(0)
    };
    let (before, after) = (describe("rich_lite"), describe("rich_lite_copy"));
    assert_eq!(
        (&before["timezone"], &before["own"]),
        (&json!("Asia/Tokyo"), &json!("thing"))
    );
    assert_eq!(
        (&after["timezone"], &after["own"]),
        (&before["timezone"], &before["own"])
    );

    let server = servers::lite_251();
    rich(server, "", "rich_251", &[]);
    let vault = Vault::new();
    let cluster = connect(server).await;
    let only = collections("default", &["rich_251"]);
    let archive = vault.export(&cluster, "a", &only).await;
    let naming = renamed("rich_251:rich_251_copy");
    restore_into(&archive, &cluster, &restoring(&naming)).await;
    let names = ["rich_251", "rich_251_copy"];
    let definitions = python::definitions(server, "", &names);
    python::assert_same(&definitions[names[1]], &definitions[names[0]], "2.5.1");
    assert_equal(&side(&archive), &live(&cluster), &only, &naming, 1).await;
}

/// Every problem of every collection, each with the flag; with all those flags it is done.
#[tokio::test]
async fn all_that_a_target_does_not_know_is_told_at_once_and_can_be_given_up() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    rich(source, "too_rich", "first,second", &[]);
    let vault = Vault::new();
    let archive = exported(source, "too_rich", &vault).await;
    let cluster = connect(target).await;
    let naming = renamed("too_rich.*:not_so_rich.*");
    let mut options = restoring(&naming);
    let Error::Incompatible { problems } = refused(&archive, &cluster, &options).await else {
        panic!("another error");
    };
    for collection in ["not_so_rich.first", "not_so_rich.second"] {
        for part in [
            "null values of field maybe (--drop nullable",
            "the default value of field yes (--drop defaults",
            "the default value of field word (--drop defaults",
            "the analyzer of field text (--drop analyzers",
            "the BM25 function words (--drop functions",
            "the property timezone=Europe/Berlin (--drop properties",
            "the index INVERTED of field number (--index-fallback makes it STL_SORT",
            "the index SPARSE_INVERTED_INDEX of field sparse",
        ] {
            let named =
                |problem: &&String| problem.starts_with(collection) && problem.contains(part);
            assert_eq!(
                problems.iter().filter(named).count(),
                1,
                "{part}: {problems:#?}"
            );
        }
    }
    assert!(!databases(target).contains("not_so_rich"));

    options.adapt.indexes = Indexes::Fallback;
    options.adapt.drop = [
        Droppable::Defaults,
        Droppable::Analyzers,
        Droppable::Functions,
        Droppable::Properties,
        Droppable::Nullable,
    ]
    .into();
    // Rows are NULL in `maybe`: what cannot be held stops, and nothing of it remains.
    let error = refused(&archive, &cluster, &options).await;
    assert!(error.to_string().contains("maybe"), "{error}");
    assert!(!databases(target).contains("not_so_rich"));

    options.selection.exclude_fields = vec!["maybe".into()];
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(report.collections[0].rows, 60);
    assert!(report.collections[0].dropped.len() >= 8, "{report:?}");
    let there = python::definitions(target, "not_so_rich", &["first"]);
    let there = &there["first"];
    assert_eq!(there["indexes"]["number"]["index_type"], "STL_SORT");
    // milvus-lite tells no M.
    assert_eq!(there["indexes"]["vector"]["M"], "16");
    assert_eq!(there["functions"], json!({}));
    assert_eq!(there["loaded"], true);
    let query = json!({"collection_name": "first", "filter": "id == 59", "limit": 1,
        "output_fields": ["word", "large", "text", "undeclared"], "consistency_level": "Strong"});
    let row = python::call(target, "not_so_rich", &[("query", query)]);
    let row = &row[0][0];
    assert_eq!(row["word"], "word 59");
    assert_eq!(row["large"], 59i64 << 40);
    assert_eq!(row["text"], "row 59 of first");
    assert_eq!(row["undeclared"], 59);
}

#[tokio::test]
async fn a_restored_collection_does_not_lose_rows_to_its_own_time_to_live_while_it_is_proven() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    // milvus-lite keeps the property and lets no row expire.
    rich(source, "mortal", "mortal", &["--ttl", "1"]);
    let vault = Vault::new();
    let archive = exported(source, "mortal", &vault).await;
    let mut options = restoring(&renamed("mortal.*:mortal_copy.*"));
    options.adapt.indexes = Indexes::Fallback;
    options.adapt.drop = [
        Droppable::Defaults,
        Droppable::Analyzers,
        Droppable::Functions,
        Droppable::Properties,
    ]
    .into();
    options.selection.exclude_fields = vec!["maybe".into()];
    let report = restore_into(&archive, &connect(target).await, &options).await;
    assert_eq!(report.collections[0].rows, 60);
    let there = python::definitions(target, "mortal_copy", &["mortal"]);
    let properties = &there["mortal"]["properties"];
    assert_eq!(properties["collection.ttl.seconds"], "1");
}

#[tokio::test]
async fn a_chosen_index_is_the_one_that_is_built_and_a_bad_one_costs_nothing() {
    let server = servers::milvus_235();
    rich(server, "choosing", "choosing", &[]);
    let vault = Vault::new();
    let archive = exported(server, "choosing", &vault).await;
    let cluster = connect(server).await;
    let choosing = |texts: &[&str], into: &str| {
        let choices = texts.iter().map(|text| IndexChoice::parse(text).unwrap());
        let mut options = restoring(&into_database(into));
        options.adapt.index_choices = choices.collect();
        options
    };
    let chosen = [
        "choosing/vector=IVF_FLAT:nlist=32,metric=COSINE",
        "number=none",
    ];
    restore_into(&archive, &cluster, &choosing(&chosen, "chosen")).await;
    let there = python::definitions(server, "chosen", &["choosing"]);
    let indexes = &there["choosing"]["indexes"];
    assert_eq!(indexes["vector"]["index_type"], "IVF_FLAT");
    assert_eq!(indexes["vector"]["metric_type"], "COSINE");
    assert_eq!(indexes["vector"]["nlist"], "32");
    assert_eq!(indexes["vector"]["index_name"], "choosing_vectors");
    assert_eq!(indexes["number"], Value::Null);
    assert_eq!(indexes["text"]["index_type"], "Trie");

    // What only the server can judge stops before the first row.
    let listener = Listener::default();
    let options = choosing(&["vector=IVF_FLAT:nlist=0"], "badly_chosen");
    let error = restore(&archive, &cluster, &options, &listener.context())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nlist"), "{error}");
    assert!(listener.heard("was not completed and has been removed"));
    assert!(!databases(server).contains("badly_chosen"));
    for (choice, code) in [
        ("vector=HNSW:M", 2),
        ("vectr=HNSW:metric=L2", 2),
        ("text=HNSW:metric=L2", 1),
    ] {
        let from = vault.path().join("a");
        let to = format!("http://{}/never_made", server.address);
        let output = Milvault::new().run(&[
            "-q",
            "restore",
            "--from",
            from.to_str().unwrap(),
            "--to",
            &to,
            "--index",
            choice,
        ]);
        let line = failure(&output, code);
        assert!(line.contains(choice.split('=').next().unwrap()), "{line}");
    }
    assert!(!databases(server).contains("never_made"));
}

#[tokio::test]
async fn a_dry_run_says_all_that_would_be_done_and_does_nothing() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    rich(source, "planned", "planned", &[]);
    let vault = Vault::new();
    let archive = exported(source, "planned", &vault).await;
    let from = vault.path().join("a");
    let to = format!("http://{}", target.address);
    let dry = [
        "-q",
        "restore",
        "--from",
        from.to_str().unwrap(),
        "--to",
        &to,
        "--rename",
        "planned.*:plan_made.*",
        "--index-fallback",
        "--exclude-fields",
        "maybe",
        "--drop",
        "functions,defaults,analyzers,properties",
        "--dry-run",
    ];
    let text = Milvault::new().run(&dry);
    assert!(text.status.success(), "{}", stderr(&text));
    let text = stdout(&text);
    for part in [
        "database plan_made: would be made",
        "planned.planned → plan_made.planned: would be created, 60 rows (",
        "the index INVERTED of number becomes STL_SORT",
        "without the BM25 function words: sparse is left out",
        "16 by key",
        "Nothing was touched.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = Milvault::new().run(&[&dry[..], &["--json"]].concat());
    let plan: Value = serde_json::from_str(stdout(&json)).unwrap();
    assert_eq!(
        (&plan["dry_run"], &plan["rows"]),
        (&json!(true), &json!(60))
    );
    let bytes: u64 = archive.manifest().files().map(|file| file.bytes).sum();
    assert_eq!(plan["bytes"], bytes);
    assert_eq!(plan["databases"][0]["name"], "plan_made");
    let one = &plan["collections"][0];
    assert_eq!(one["bytes"], bytes);
    // milvus-lite tells neither max_length in arrays nor M and efConstruction.
    assert_eq!(one["translated"].as_array().unwrap().len(), 4, "{one:#}");
    assert!(one["dropped"].as_array().unwrap().len() >= 7, "{one:#}");
    let fields = one["plan"]["fields"].as_array().unwrap();
    assert!(
        fields
            .iter()
            .all(|field| field["name"] != "sparse" && field["default"].is_null())
    );
    assert!(!databases(target).contains("plan_made"));

    // And that is what is done.
    let done: Vec<&str> = dry[..dry.len() - 1].to_vec();
    let done = Milvault::new().run(&[&done[..], &["--json"]].concat());
    let done: Value = serde_json::from_str(stdout(&done)).unwrap();
    for what in [
        "translated",
        "dropped",
        "rows",
        "bytes",
        "indexes",
        "loaded",
        "aliases",
    ] {
        assert_eq!(done["collections"][0][what], one[what], "{what}");
    }
}

#[tokio::test]
async fn keys_that_a_server_made_are_kept_or_made_anew_as_asked() {
    for (server, from) in [
        (servers::milvus_235(), "keys_235"),
        (servers::lite_322(), "keys_lite"),
    ] {
        python::fill_database(server, from, &["auto_id"]);
        let vault = Vault::new();
        let archive = exported(server, from, &vault).await;
        let cluster = connect(server).await;
        let rows = |database: &str| {
            let query = json!({"collection_name": "auto_id", "filter": "number >= 0",
                "output_fields": ["id", "number"], "limit": 1000, "consistency_level": "Strong"});
            let rows = python::call(server, database, &[("query", query)]).remove(0);
            let of = |name: &str| {
                let rows = rows.as_array().unwrap().iter();
                let mut values: Vec<i64> = rows.map(|row| row[name].as_i64().unwrap()).collect();
                values.sort();
                values
            };
            (of("id"), of("number"))
        };
        let (keys, numbers) = rows(from);
        for (auto_id, way) in [
            (AutoId::Keep, KeysKept::KeptWithoutAutoId),
            (AutoId::Regenerate, KeysKept::Regenerated),
        ] {
            let into = format!("{from}_{auto_id:?}").to_lowercase();
            let mut options = restoring(&into_database(&into));
            options.adapt = Adaptation {
                auto_id,
                ..Adaptation::default()
            };
            let report = restore_into(&archive, &cluster, &options).await;
            assert_eq!(report.collections[0].auto_id, Some(way));
            let (new_keys, new_numbers) = rows(&into);
            assert_eq!(new_numbers, numbers);
            let definition = python::definitions(server, &into, &["auto_id"]);
            let makes_keys = &definition["auto_id"]["fields"]["id"]["auto_id"];
            if auto_id == AutoId::Keep {
                assert_eq!(new_keys, keys);
                assert_ne!(*makes_keys, json!(true));
            } else {
                // milvus-lite counts from 1 in every collection.
                assert_eq!(new_keys == keys, from == "keys_lite");
                assert_eq!(*makes_keys, json!(true));
            }
        }
    }
}

#[tokio::test]
async fn what_is_to_be_replaced_stays_until_its_successor_is_whole() {
    for (server, name) in [
        (servers::milvus_235(), "replaced_235"),
        (servers::lite_322(), "replaced_lite"),
    ] {
        python::fill_database(server, name, &["deleted"]);
        let vault = Vault::new();
        let archive = exported(server, name, &vault).await;
        let delete = json!({"collection_name": "deleted", "filter": "id >= 500"});
        python::call(server, name, &[("delete", delete)]);
        let before = python::definitions(server, name, &["deleted"]);
        let cluster = connect(server).await;
        let mut options = restoring(&Default::default());
        options.if_exists = IfExists::Replace;
        let listener = Listener::stopping("restore", 1);
        let stopped = restore(&archive, &cluster, &options, &listener.context()).await;
        assert!(matches!(stopped, Err(Error::Stopped(_))), "{stopped:?}");
        let list = || python::call(server, name, &[("list_collections", json!({}))]).remove(0);
        assert_eq!(list(), json!(["deleted"]));
        let now = python::definitions(server, name, &["deleted"]);
        python::assert_same(&now, &before, name);
        let query = json!({"collection_name": "deleted", "filter": "id >= 500", "limit": 1,
            "output_fields": ["id"], "consistency_level": "Strong"});
        assert_eq!(
            python::call(server, name, &[("query", query)])[0],
            json!([])
        );

        restore_into(&archive, &cluster, &options).await;
        assert_eq!(list(), json!(["deleted"]));
        python::assert_holds(server, "deleted", &["--db", name]);
        let now = python::definitions(server, name, &["deleted"]);
        python::assert_same(&now, &before, name);
    }
}
