//! An encrypted archive, by the program, in every cloud.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::buckets;
use crate::support::program::{Milvault, failure, stderr, stdout};
use crate::support::servers;
use crate::{azure, gcs};

/// Copies the golden archive to `to` and reads it there. `reach` lets the program use the service.
fn lives_at(to: &str, reach: impl Fn(&mut Command)) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v2");
    let (source, identity) = (golden.join("encrypted"), golden.join("identity.txt"));
    let key = ["--identity", identity.to_str().unwrap()];
    let home = Milvault::new();
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        reach(&mut command);
        command.output().unwrap()
    };
    let says = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stdout(&output).to_owned()
    };
    let archive = format!("{to}/sealed");
    // No key is needed for a copy, nor for a list.
    says(&["copy", source.to_str().unwrap(), to, "--name", "sealed"]);
    let listed: Value = serde_json::from_str(&says(&["ls", to, "--json"])).unwrap();
    assert_eq!(listed["archives"][0]["encrypted"], true, "{listed}");
    let closed = run(&["verify", &archive]);
    assert!(
        failure(&closed, 1).contains("--identity"),
        "{}",
        stderr(&closed)
    );
    for command in [
        &["verify", &archive, "--record"][..],
        &["show", &archive],
        &["show", "--audit", &archive],
        &["compare", &archive, source.to_str().unwrap()],
        &["copy", &archive, "back"],
    ] {
        says(&[command, &key].concat());
    }
    says(&[&["verify", "back/sealed"][..], &key].concat());
    says(&["forget", to, "sealed", "--yes"]);
    let gone = run(&["verify", &archive]);
    let line = failure(&gone, 1);
    assert!(line.contains("sealed is missing"), "{line}");
}

#[test]
fn an_encrypted_archive_lives_in_azure() {
    let connection = format!(
        "AccountName={};AccountKey={};BlobEndpoint=http://{}/{}",
        azure::ACCOUNT,
        azure::KEY,
        servers::azurite().address,
        azure::ACCOUNT
    );
    lives_at(&format!("az://{}/encrypted", azure::CONTAINER), |command| {
        command.env("AZURE_STORAGE_CONNECTION_STRING", &connection);
    });
}

#[test]
fn an_encrypted_archive_lives_in_google() {
    let address = &servers::fake_gcs().address;
    lives_at(&format!("gs://{}/encrypted", gcs::BUCKET), |command| {
        command.env("STORAGE_EMULATOR_HOST", address);
    });
}

#[tokio::test]
async fn an_encrypted_archive_lives_in_s3() {
    let bucket = buckets::bucket(false).await;
    lives_at(&format!("s3://{bucket}/encrypted"), buckets::at_hand);
}
