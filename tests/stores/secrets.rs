//! Credentials are nowhere to be seen: not in errors, logs, results or archives.

use std::process::Output;
use std::sync::Arc;

use milvault::store::{AzureStore, CustomerKey, GcsStore, Store};

use crate::conformance::put;
use crate::support::buckets;
use crate::support::program::{Milvault, stderr, stdout};
use crate::support::servers;
use crate::{azure, gcs};

const CUSTOMER_KEY: &str = "c0ffee00c0ffee11c0ffee22c0ffee33c0ffee44c0ffee55c0ffee66c0ffee77";
/// The same, as requests carry it.
const CUSTOMER_KEY_BASE64: &str = "wP/uAMD/7hHA/+4iwP/uM8D/7kTA/+5VwP/uZsD/7nc=";

fn milvault(home: &Milvault, secret: &str, arguments: &[&str]) -> Output {
    let key = home.path().join("customer.key");
    std::fs::write(&key, CUSTOMER_KEY).unwrap();
    home.command(arguments)
        .args(["--s3-path-style", "--s3-endpoint", &buckets::endpoint()])
        .args(["--sse-customer-key-file", key.to_str().unwrap()])
        .env("AWS_ACCESS_KEY_ID", buckets::ADMIN.0)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .output()
        .unwrap()
}

fn assert_discreet(output: &Output, secret: &str) {
    for text in [stdout(output), stderr(output)] {
        for hidden in [
            secret,
            CUSTOMER_KEY,
            CUSTOMER_KEY_BASE64,
            "Signature=",
            "Credential=",
        ] {
            assert!(!text.contains(hidden), "{hidden} in:\n{text}");
        }
    }
}

/// Commands that find a damaged archive and that are refused, with all that they can be made to say.
#[tokio::test]
async fn credentials_are_not_in_results_errors_or_logs() {
    let bucket = buckets::bucket(false).await;
    let mut options = buckets::options();
    options.customer_key = CustomerKey::parse(CUSTOMER_KEY.as_bytes());
    let store = buckets::open(&format!("s3://{bucket}/x"), &options).await;
    put(&store, "a/manifest.json", "{}").await.unwrap();

    let home = Milvault::new();
    let (place, archive) = (format!("s3://{bucket}/x"), format!("s3://{bucket}/x/a"));
    for secret in [buckets::ADMIN.1, "wrong-secret-0815"] {
        let right = secret == buckets::ADMIN.1;
        for more in [
            &[][..],
            &["-v"],
            &["-vv"],
            &["-vvv"],
            &["--json"],
            &["-vvv", "--json"],
        ] {
            for command in [
                &["ls", &*place],
                &["verify", &*archive],
                &["show", &*archive],
            ] {
                let arguments = [command, more].concat();
                let output = milvault(&home, secret, &arguments);
                assert_eq!(
                    output.status.code(),
                    Some(if right { 3 } else { 1 }),
                    "{arguments:?}: {}",
                    stderr(&output)
                );
                assert_discreet(&output, secret);
            }
        }
    }
}

#[tokio::test]
async fn debug_texts_hold_no_secrets() {
    let mut options = buckets::options();
    options.customer_key = CustomerKey::parse(CUSTOMER_KEY.as_bytes());
    let store = buckets::open("s3://bucket/x", &options).await;
    for text in [format!("{options:?}"), format!("{store:?}")] {
        assert!(!text.contains(buckets::ADMIN.1), "{text}");
        assert!(
            !text.contains("c0ff") && !text.contains("192, 255"),
            "{text}"
        );
    }
}

/// Azure's signatures are queries of addresses, which errors and logs like to repeat.
#[tokio::test]
async fn azures_secrets_are_not_in_results_errors_or_logs() {
    let address = &servers::azurite().address;
    let access = azure::with_key(address);
    let uri = format!("az://{}/secrets", azure::CONTAINER);
    let store: Arc<dyn Store> = Arc::new(AzureStore::open(&uri, &access.options).unwrap());
    put(&store, "a/manifest.json", "{}").await.unwrap();

    let home = Milvault::new();
    let archive = format!("{uri}/a");
    let signed = azure::signature("rwdlac");
    let signature = signed.rsplit_once("sig=").unwrap().1.to_owned();
    let opens = [
        (format!("AccountKey={}", azure::KEY), azure::KEY, true),
        (format!("SharedAccessSignature={signed}"), &*signature, true),
        (
            format!("SharedAccessSignature={signed}x"),
            &*signature,
            false,
        ),
        (
            "AccountKey=d3Jvbmctc2VjcmV0".to_owned(),
            "d3Jvbmctc2VjcmV0",
            false,
        ),
    ];
    for (opens, secret, right) in &opens {
        let connection = format!(
            "AccountName={};{opens};BlobEndpoint=http://{address}/{}",
            azure::ACCOUNT,
            azure::ACCOUNT
        );
        for more in [&[][..], &["-vvv"], &["-vvv", "--json"]] {
            for command in [&["ls", &*uri], &["verify", &*archive]] {
                let arguments = [command, more].concat();
                let mut command = home.command(&arguments);
                command.env("AZURE_STORAGE_CONNECTION_STRING", &connection);
                let output = command.output().unwrap();
                assert_eq!(
                    output.status.code(),
                    Some(if *right { 3 } else { 1 }),
                    "{arguments:?}: {}",
                    stderr(&output)
                );
                for text in [stdout(&output), stderr(&output)] {
                    let text = text.replace("sig=REDACTED", "");
                    for hidden in [*secret, "sig=", "SharedKey "] {
                        assert!(!text.contains(hidden), "{hidden} in:\n{text}");
                    }
                }
            }
        }
    }
}

/// The whole way: arguments, variables, an archive that is no archive.
#[tokio::test]
async fn google_is_reached_by_options_and_by_the_variable_of_emulators() {
    let address = &servers::fake_gcs().address;
    let uri = format!("gs://{}/program", gcs::BUCKET);
    let store: Arc<dyn Store> = Arc::new(GcsStore::open(&uri, &gcs::options(address)).unwrap());
    put(&store, "a/manifest.json", "{}").await.unwrap();
    let home = Milvault::new();
    let endpoint = format!("http://{address}");
    let by_options = ["ls", &uri, "--gcs-anonymous", "--gcs-endpoint", &endpoint];
    let output = home.run(&by_options);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("manifest.json is damaged"),
        "{}",
        stderr(&output)
    );
    let mut command = home.command(&["verify", &format!("{uri}/a")]);
    let output = command
        .env("STORAGE_EMULATOR_HOST", address)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}
