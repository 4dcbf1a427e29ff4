//! The audit of archives in S3, by the program: their locks, and the record of their verifications.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::buckets;
use crate::support::program::{Milvault, stderr, stdout};
use crate::support::python;
use crate::support::servers;

fn run(mut command: Command, code: i32) -> Output {
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {text}");
    output
}

fn document(output: &Output) -> Value {
    serde_json::from_str(stdout(output)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_archive_is_verified_on_record_without_being_changed() {
    let milvus = servers::milvus_235();
    python::fill_database(milvus, "audited", &["every_type"]);
    let cluster = format!("http://{}/audited", milvus.address);
    let milvault = Milvault::new();
    let bucket = buckets::bucket(true).await;
    let store = format!("s3://{bucket}/prod");
    let archive = format!("{store}/a");
    let command = |arguments: &[&str]| {
        let mut command = milvault.command(arguments);
        buckets::at_hand(&mut command);
        command.env("MILVAULT_PASSPHRASE", "correct horse");
        command
    };
    let export = ["export", "--from", &cluster, "--to", &store, "--name", "a"];
    let locked = ["--encrypt", "--object-lock", "compliance", "--retain", "1d"];
    run(command(&[&export[..], &locked].concat()), 0);

    let audit = ["show", "--audit", &archive, "--json"];
    let before = document(&run(command(&audit), 0));
    assert_eq!(
        (&before["unprotected"], &before["verifications"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(
        before["tool"],
        format!("milvault {}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(before["source"]["server_version"], "v2.3.5-lite");
    let until: jiff::Timestamp = before["locked_until"].as_str().unwrap().parse().unwrap();
    let hours = until.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((22..=24).contains(&hours), "{hours}");
    for object in before["objects"].as_array().unwrap() {
        assert_eq!(object["lock"], "compliance", "{object}");
        assert!(object["locked_until"].is_string(), "{object}");
    }

    let verified = document(&run(
        command(&["verify", &archive, "--record", "--json"]),
        0,
    ));
    let record = verified["record"].as_str().unwrap();
    assert!(
        record.starts_with(&format!("{archive}/verifications/")),
        "{record}"
    );
    let page = milvault.path().join("audit.html");
    let audited = [&audit[..], &["--html", page.to_str().unwrap()]].concat();
    let mut after = document(&run(command(&audited), 0));
    let records = after["verifications"].as_array().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(
        (&records[0]["good"], &records[0]["good_rows"]),
        (&json!(true), &json!(120))
    );
    let page = fs::read_to_string(page).unwrap();
    for told in [
        after["manifest_sha256"].as_str().unwrap(),
        records[0]["time"].as_str().unwrap(),
        "compliance until",
        "audited.every_type",
    ] {
        assert!(page.contains(told), "{told}");
    }
    // Beside the record, and when it was asked, nothing is other than before.
    after["verifications"] = json!([]);
    after["asked"] = before["asked"].clone();
    assert_eq!(after, before);
    let again = run(command(&["verify", &archive]), 0);
    assert!(!stdout(&again).contains("warning"), "{}", stdout(&again));
    let listed = document(&run(command(&["ls", &store, "--json"]), 0));
    assert_eq!(listed["archives"].as_array().unwrap().len(), 1, "{listed}");

    // Copies are of the archive alone.
    run(command(&["copy", &archive, "folder"]), 0);
    let copied = document(&run(command(&["show", "--audit", "folder/a", "--json"]), 0));
    assert_eq!(copied["verifications"], json!([]));
    assert_eq!(copied["manifest_sha256"], before["manifest_sha256"]);

    // Who may only read verifies all the same, and is told that there is no record.
    let reader = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("AWS_ACCESS_KEY_ID", buckets::READER.0);
        command.env("AWS_SECRET_ACCESS_KEY", buckets::READER.1);
        command
    };
    let refused = run(reader(&["verify", &archive, "--record", "--json"]), 1);
    let told = document(&refused);
    assert_eq!(
        (&told["good"], &told["record"]),
        (&json!(true), &Value::Null)
    );
    assert!(told["record_failed"].is_string(), "{told}");
    assert!(
        stderr(&refused).contains("was not recorded"),
        "{}",
        stderr(&refused)
    );
    let audited = document(&run(reader(&audit), 0));
    assert_eq!(audited["verifications"].as_array().unwrap().len(), 1);

    // And the lock holds.
    let kept = run(command(&["forget", &store, "a", "--yes"]), 1);
    assert!(stdout(&kept).contains("locked"), "{}", stdout(&kept));
    run(command(&["verify", &archive]), 0);
}
