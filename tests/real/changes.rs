//! Collections that somebody else changes while they are read.

use std::sync::Mutex;

use milvault::Error;
use milvault::model::CollectionName;
use milvault::progress::{Context, Monitor, Silent, Task};
use milvault::readable;
use serde_json::json;

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{FULL_ACCESS, Vault, collections, connect};

/// Does something once, when the first rows are about to be read.
struct Meanwhile(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Meanwhile {
    fn context(change: impl FnOnce() + Send + 'static) -> Context {
        Context {
            monitor: std::sync::Arc::new(Meanwhile(Mutex::new(Some(Box::new(change))))),
            ..Context::silent()
        }
    }
}

impl Monitor for Meanwhile {
    fn begin(&self, verb: &str, _: &str, _: Option<u64>) -> Box<dyn Task> {
        if verb == "export"
            && let Some(change) = self.0.lock().unwrap().take()
        {
            change();
        }
        Box::new(Silent)
    }
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

/// A loaded collection of five rows, whatever was there before.
fn make(server: &Server, database: &str, dynamic: bool) {
    let rows: Vec<_> = (0..5)
        .map(|id| json!({"id": id, "vector": [0.5, 1.5]}))
        .collect();
    python::call(
        server,
        database,
        &[
            ("drop_collection", json!({"collection_name": "made_anew"})),
            (
                "create_collection",
                json!({"collection_name": "made_anew", "dimension": 2, "enable_dynamic_field": dynamic}),
            ),
            (
                "insert",
                json!({"collection_name": "made_anew", "data": rows}),
            ),
        ],
    );
}

#[tokio::test]
async fn a_collection_that_is_made_anew_while_it_is_exported_fails_the_export() {
    let server = servers::milvus_235();
    // Makes the database.
    python::fill_database(server, "anew", &["empty"]);
    make(server, "anew", false);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let selection = collections("anew", &["made_anew"]);
    let ctx = Meanwhile::context(move || make(server, "anew", true));
    let error = vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &ctx)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(error.to_string().contains("dynamic field"), "{error}");
    assert_eq!(vault.content(), Vec::<String>::new());

    vault.export(&cluster, "a", &selection).await;
}

#[tokio::test]
async fn a_partition_that_is_made_while_others_are_exported_fails_the_export() {
    let server = servers::milvus_235();
    python::fill_database(server, "grown", &["partitioned"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let selection = collections("grown", &["partitioned"]);
    let partition = json!({"collection_name": "partitioned", "partition_name": "late"});
    let change = move || {
        python::call(server, "grown", &[("create_partition", partition)]);
    };
    let ctx = Meanwhile::context(change);
    let error = vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &ctx)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(error.to_string().contains("new partition late"), "{error}");
    assert_eq!(vault.content(), Vec::<String>::new());
}

#[tokio::test]
async fn what_somebody_else_has_loaded_meanwhile_stays_loaded() {
    let server = servers::milvus_235();
    python::fill_database(server, "loaded_meanwhile", &["not_loaded"]);
    let cluster = connect(server).await;
    let name = CollectionName::new("loaded_meanwhile", "not_loaded");
    let described = cluster.describe(&name).await.unwrap();
    assert!(!described.load.loaded);
    let ctx = Context::silent();

    let readable = readable::open(&cluster, &described, FULL_ACCESS, &ctx)
        .await
        .unwrap();
    readable.put_back(&cluster, &described, &ctx).await;
    assert!(!cluster.is_loaded(&name).await.unwrap(), "nobody else had");

    let load = json!({"collection_name": "not_loaded"});
    python::call(server, "loaded_meanwhile", &[("load_collection", load)]);
    let readable = readable::open(&cluster, &described, FULL_ACCESS, &ctx)
        .await
        .unwrap();
    readable.put_back(&cluster, &described, &ctx).await;
    assert!(cluster.is_loaded(&name).await.unwrap());
}
