//! What pyarrow and DuckDB find in an archive.

use std::path::Path;

use crate::support::python;
use crate::support::servers;
use crate::support::vault::{Vault, collections, connect, database};

#[test]
fn types_that_no_server_here_has_are_what_a_user_of_parquet_expects() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1-types");
    let folder = folder.join("milvus-3.0-types");
    let folder = folder.to_str().unwrap();
    // pyarrow and DuckDB see the same, and pyarrow sees what the archive was made of.
    python::run("parquet_reads.py", &[folder]);
    python::run("newer_types.py", &[folder]);
}

#[tokio::test]
async fn every_value_is_what_a_user_of_parquet_expects() {
    for (server, kind, scenario) in [
        (servers::milvus_235(), "milvus-2.3.5", "every_type"),
        (servers::lite_322(), "lite-3.2.2", "every_type"),
        (servers::lite_322(), "lite-3.2.2", "nullable"),
    ] {
        python::fill_database(server, "parquet", &[scenario]);
        let mut selection = database("parquet");
        selection.collections = vec![scenario.into()];
        let vault = Vault::new();
        vault.export(&connect(server).await, "a", &selection).await;
        let folder = vault.path().join("a");
        python::run(
            "parquet_reads.py",
            &[folder.to_str().unwrap(), scenario, kind],
        );
    }
    // float16, bfloat16 and binary vectors.
    let server = servers::lite_251();
    for scenario in ["every_type", "binary_vector"] {
        python::fill(server, scenario, &["--suffix", "_parquet"]);
        let selection = collections("default", &[&format!("{scenario}_parquet")]);
        let vault = Vault::new();
        vault.export(&connect(server).await, "a", &selection).await;
        let folder = vault.path().join("a");
        let kind = "lite-2.5.1";
        python::run(
            "parquet_reads.py",
            &[folder.to_str().unwrap(), scenario, kind],
        );
    }
}
