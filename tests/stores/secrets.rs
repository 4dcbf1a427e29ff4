//! Credentials are nowhere to be seen: not in errors, logs, results or archives.

use std::process::Output;

use milvault::store::CustomerKey;

use crate::conformance::put;
use crate::support::buckets;
use crate::support::program::{Milvault, stderr, stdout};

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

/// Commands that succeed and that fail, with all that they can be made to say.
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
                let done = right && command[0] == "ls";
                assert_eq!(
                    output.status.success(),
                    done,
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
