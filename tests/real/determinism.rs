//! The same rows give the same files, whatever is around them.

use std::collections::BTreeMap;

use milvault::model::Key;
use serde_json::{Value, json};

use crate::support::python;
use crate::support::servers;
use crate::support::vault::{Vault, collections, connect, files};

/// Files of `after` that are not in `before` with the same bytes.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |(path, sha256): &(&String, &String)| before.get(*path) != Some(*sha256);
    after
        .iter()
        .filter(differs)
        .map(|(path, _)| path.clone())
        .collect()
}

#[tokio::test]
async fn only_files_around_a_change_change() {
    for server in [servers::milvus_235(), servers::lite_322()] {
        let name = "only_files_around";
        python::fill(server, "many_files", &["--collection", name]);
        let cluster = connect(server).await;
        let selection = collections("default", &[name]);
        let vault = Vault::new();
        let first = vault.export(&cluster, "first", &selection).await;
        let before = files(&first);
        assert!(before.len() >= 4, "{} files", before.len());
        let again = vault.export(&cluster, "again", &selection).await;
        assert_eq!(files(&again), before);

        // A row in the middle of the third file.
        let entry = &first.manifest().collections[0];
        let file = &entry.partitions[0].files[2];
        let (Key::Int(low), Key::Int(high)) = (&file.first_key, &file.last_key) else {
            panic!("keys are numbers");
        };
        let middle = (low + high) / 20 * 10;
        let row = |key: i64| json!([{"id": key, "text": "new", "vector": vec![7; 32_768]}]);
        let change = |method: &str, more: Value| {
            let mut arguments = json!({"collection_name": name});
            arguments
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            python::call(server, "", &[(method, arguments)]);
        };
        change("upsert", json!({"data": row(middle)}));
        let updated = vault.export(&cluster, "updated", &selection).await;
        let now = files(&updated);
        assert_eq!(changed(&before, &now), std::slice::from_ref(&file.path));
        assert_eq!(now.len(), before.len());

        change("delete", json!({"ids": [middle]}));
        let fewer = vault.export(&cluster, "fewer", &selection).await;
        let gone = changed(&now, &files(&fewer));
        assert!(gone.len() <= 2 && !gone.is_empty(), "{gone:?}");

        change("insert", json!({"data": row(middle + 5)}));
        let more = vault.export(&cluster, "more", &selection).await;
        let came = changed(&files(&fewer), &files(&more));
        assert!(came.len() <= 2 && !came.is_empty(), "{came:?}");
    }
}
