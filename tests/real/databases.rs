//! Several databases at once.

use milvault::Error;
use milvault::archive::Selection;

use crate::support::python;
use crate::support::servers::Server;
use crate::support::vault::{
    Vault, connect, into_database, refused, renamed, restore_into, restoring, suffixed,
};

#[tokio::test]
async fn all_databases_are_exported_and_restored_under_other_names() {
    for version in ["milvus-2.3.5", "lite-3.2.2"] {
        // A server of its own: everything on it is exported.
        let server = Server::start(&[version]);
        python::fill_database(&server, "one", &["deleted", "partition_key"]);
        python::fill_database(&server, "two", &["empty", "not_loaded"]);
        python::fill(&server, "hard_text_keys", &[]);
        let cluster = connect(&server).await;
        let vault = Vault::new();
        let archive = vault.export(&cluster, "all", &Selection::default()).await;
        let names: Vec<String> = archive
            .manifest()
            .collections
            .iter()
            .map(|entry| entry.schema.name.to_string())
            .collect();
        let expected = [
            "hard_text_keys",
            "one.deleted",
            "one.partition_key",
            "two.empty",
            "two.not_loaded",
        ];
        assert_eq!(names, expected);

        restore_into(&archive, &cluster, &restoring(&into_database("together"))).await;
        let all = "deleted,partition_key,empty,not_loaded,hard_text_keys";
        python::assert_holds(&server, all, &["--db", "together", "--load"]);

        let mut options = restoring(&renamed("one.*:three.*"));
        options.selection.collections = vec!["one.*".into()];
        restore_into(&archive, &cluster, &options).await;
        python::assert_holds(&server, "deleted,partition_key", &["--db", "three"]);

        restore_into(&archive, &cluster, &restoring(&suffixed("_copy"))).await;
        python::assert_holds(
            &server,
            "not_loaded",
            &["--db", "two", "--suffix", "_copy", "--load"],
        );
        python::assert_holds(&server, "hard_text_keys", &["--suffix", "_copy"]);
        // The originals are untouched.
        python::assert_holds(&server, "deleted,partition_key", &["--db", "one"]);

        let mut onto_one = restoring(&renamed("*.not_loaded:*.empty"));
        onto_one.naming.into_database = Some("four".into());
        let clash = refused(&archive, &cluster, &onto_one).await;
        assert!(matches!(clash, Error::Usage(_)), "{clash}");
    }
}
