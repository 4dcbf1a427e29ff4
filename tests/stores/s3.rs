//! S3: what every store keeps to, with and without versions, and over TLS.

use std::path::PathBuf;

use milvault::Error;
use milvault::store::{Role, S3Store, Store, StoreOptions};

use crate::conformance::{noise, put, put_large};
use crate::support::buckets::{self, client};
use crate::support::servers;

mod plain {
    use crate::support::buckets::store;
    crate::conformance::suite!(store);
}

mod with_versions {
    use crate::support::buckets::store_with_versions;
    crate::conformance::suite!(store_with_versions);
}

fn over_tls(ca_file: Option<PathBuf>) -> StoreOptions {
    let mut options = buckets::options();
    let address = servers::seaweedfs().secure.as_ref().unwrap();
    options.s3.endpoint = Some(format!("https://{address}"));
    options.s3.ca_file = ca_file;
    options
}

#[tokio::test]
async fn tls_needs_the_authority_that_signed_the_services_certificate() {
    let uri = format!("s3://{}/tls", buckets::bucket(false).await);
    let ca = servers::seaweedfs()
        .certificates
        .as_ref()
        .unwrap()
        .join("ca.pem");
    let store = buckets::open(&uri, &over_tls(Some(ca))).await;
    put_large(&store, "object", 3).await.unwrap();
    assert!(
        store.read("object").await.unwrap()
            == noise(store.size("object").await.unwrap() as usize, 3)
    );

    let store = buckets::open(&uri, &over_tls(None)).await;
    let error = store.read("object").await.unwrap_err().to_string();
    assert!(
        error.contains("ertificate") && error.contains("--s3-ca-file"),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
}

#[tokio::test]
async fn an_aborted_upload_leaves_no_parts_either() {
    let bucket = buckets::bucket(false).await;
    let store = buckets::open(&format!("s3://{bucket}/x"), &buckets::options()).await;
    let mut writer = store.create("a/object", Role::Part).await.unwrap();
    writer.write(noise(30 << 20, 1)).await.unwrap();
    assert_eq!(uploads(&bucket).await, 1);
    drop(writer);
    for _ in 0..100 {
        if uploads(&bucket).await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the upload is still there");
}

#[tokio::test]
async fn removing_a_folder_gives_up_the_uploads_in_it() {
    let bucket = buckets::bucket(false).await;
    let store = buckets::open(&format!("s3://{bucket}/x"), &buckets::options()).await;
    put(&store, "a/object", "1").await.unwrap();
    for key in ["x/a/left-behind", "x/ab/of-another"] {
        let begun = client().create_multipart_upload().bucket(&bucket).key(key);
        begun.send().await.unwrap();
    }
    store.remove_all("a").await.unwrap();
    assert_eq!(uploads(&bucket).await, 1);
}

async fn uploads(bucket: &str) -> usize {
    let listed = client()
        .list_multipart_uploads()
        .bucket(bucket)
        .send()
        .await;
    listed.unwrap().uploads().len()
}

#[tokio::test]
async fn removing_from_a_bucket_with_versions_leaves_none() {
    let bucket = buckets::bucket(true).await;
    let store = buckets::open(&format!("s3://{bucket}"), &buckets::options()).await;
    for path in ["a/1", "a/2", "b"] {
        put(&store, path, "1").await.unwrap();
    }
    // Somebody has hidden one before.
    let hidden = client().delete_object().bucket(&bucket).key("a/2");
    hidden.send().await.unwrap();
    store.remove_all("a").await.unwrap();
    store.remove("b").await.unwrap();
    let left = client()
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    assert!(
        left.versions().is_empty() && left.delete_markers().is_empty(),
        "{left:?}"
    );
}

async fn refusal(uri: &str, options: &StoreOptions) -> String {
    let store = S3Store::open(uri, options).await.unwrap();
    let listed = store.list("").await.unwrap_err();
    let written = match store.create("object", Role::Part).await {
        Ok(writer) => writer.finish().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(listed, Error::Store { .. }), "{listed:?}");
    for words in [listed.to_string(), written.to_string()] {
        assert!(!words.contains('\n') && words.len() < 600, "{words}");
    }
    format!("{listed}\n{written}")
}

#[tokio::test]
async fn refusals_name_the_way_out() {
    let bucket = buckets::bucket(false).await;
    let uri = format!("s3://{bucket}/x");

    let mut options = buckets::options();
    options.s3.credentials = Some(buckets::credentials(buckets::ADMIN.0, "wrong-secret-1"));
    let words = refusal(&uri, &options).await;
    assert!(words.contains("AWS_SECRET_ACCESS_KEY"), "{words}");
    assert!(!words.contains("wrong-secret-1"), "{words}");

    let (key, secret) = buckets::READER;
    options.s3.credentials = Some(buckets::credentials(key, secret));
    let store = buckets::open(&uri, &options).await;
    assert!(store.list("").await.unwrap().is_empty());
    let words = put(&store, "object", "1").await.unwrap_err().to_string();
    assert!(words.contains("s3:PutObject"), "{words}");

    let store = buckets::open("s3://no-such-bucket-here/x", &buckets::options()).await;
    for error in [
        store.list("").await.unwrap_err(),
        store.read("a").await.unwrap_err(),
    ] {
        let words = error.to_string();
        assert!(
            words.contains("create the bucket no-such-bucket-here first"),
            "{words}"
        );
    }

    let mut options = buckets::options();
    let port = crate::support::program::closed_port();
    options.s3.endpoint = Some(format!("http://127.0.0.1:{port}"));
    let words = refusal(&uri, &options).await;
    assert!(words.contains("--s3-endpoint"), "{words}");
}
