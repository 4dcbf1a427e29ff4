//! What AWS and other services are documented to answer, and SeaweedFS does not.

use std::sync::Arc;

use milvault::Error;
use milvault::store::{Role, Store, StoreOptions};

use crate::conformance::{put, put_as};
use crate::simulated::{Said, Simulated};
use crate::support::buckets;

async fn open(service: &Simulated) -> Arc<dyn Store> {
    let mut options: StoreOptions = buckets::options_at(&service.address);
    options.s3.region = Some("eu-north-1".into());
    buckets::open("s3://bucket/x", &options).await
}

fn refusal(status: u16, code: &str) -> Said {
    Said::new(
        status,
        format!("<Error><Code>{code}</Code><Message>Words of the service.</Message></Error>"),
    )
}

#[tokio::test]
async fn requests_that_were_too_many_are_sent_again() {
    let mut refused = 0;
    let service = Simulated::start(move |_| {
        refused += 1;
        match refused {
            1 => Said::new(429, ""),
            2 => refusal(503, "SlowDown"),
            3 => refusal(500, "InternalError"),
            _ => Said::new(200, ""),
        }
    })
    .await;
    put(&open(&service).await, "object", "1").await.unwrap();
    let asked = service.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|one| one.headers["if-none-match"] == "*"));
    assert!(asked.iter().all(|one| one.body == b"1"));
}

#[tokio::test]
async fn a_service_that_overwrites_is_found_out_by_the_first_mark() {
    let service = Simulated::start(|_| Said::new(200, "")).await;
    let error = put_as(&open(&service).await, "mark", "1", Role::Mark).await;
    let words = error.unwrap_err().to_string();
    assert!(words.contains("--s3-no-conditional-writes"), "{words}");
    assert_eq!(service.asked().last().unwrap().method, "DELETE");
}

#[tokio::test]
async fn a_service_without_conditions_is_told_with_the_way_out() {
    let service = Simulated::start(|_| refusal(501, "NotImplemented")).await;
    let error = put(&open(&service).await, "object", "1").await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("--s3-no-conditional-writes"), "{words}");
}

#[tokio::test]
async fn a_conflict_with_another_writer_is_settled_by_trying_again() {
    for taken in [false, true] {
        let mut puts = 0;
        let service = Simulated::start(move |asked| match &*asked.method {
            "PUT" => {
                puts += 1;
                match puts {
                    1 => refusal(409, "ConditionalRequestConflict"),
                    _ => Said::new(200, ""),
                }
            }
            "HEAD" if taken => Said::new(200, "")
                .with("content-length", "1")
                .with("x-amz-meta-milvault-writer", "another"),
            _ => Said::new(404, ""),
        })
        .await;
        let done = put(&open(&service).await, "object", "1").await;
        if taken {
            assert!(matches!(done, Err(Error::Exists { .. })), "{done:?}");
        } else {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn a_bucket_in_another_region_is_told_with_its_region() {
    let service = Simulated::start(|_| {
        refusal(301, "PermanentRedirect").with("x-amz-bucket-region", "eu-west-3")
    })
    .await;
    let store = open(&service).await;
    for error in [
        store.list("").await.unwrap_err(),
        store.size("object").await.unwrap_err(),
        put(&store, "object", "1").await.unwrap_err(),
    ] {
        let words = error.to_string();
        assert!(words.contains("--s3-region eu-west-3"), "{words}");
    }
}

#[tokio::test]
async fn what_one_request_cannot_copy_is_copied_in_parts() {
    const SIZE: u64 = (5 << 30) + 1;
    let service = Simulated::start(|asked| match (&*asked.method, &*asked.path) {
        ("HEAD", _) => Said::new(200, "")
            .with("content-length", SIZE.to_string())
            .with("etag", "\"source\""),
        ("POST", path) if path.contains("uploads") => Said::new(
            200,
            "<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>",
        ),
        ("PUT", _) => Said::new(
            200,
            "<CopyPartResult><ETag>\"part\"</ETag><ChecksumSHA256>sum=</ChecksumSHA256></CopyPartResult>",
        ),
        _ => Said::new(200, "<CompleteMultipartUploadResult/>"),
    })
    .await;
    let store = open(&service).await;
    let copied = store.copy_within(&*store, "a b", "to", Role::Part);
    assert!(copied.await.unwrap());
    let asked = service.asked();
    let mut ranges: Vec<&str> = asked
        .iter()
        .filter_map(|one| one.headers.get("x-amz-copy-source-range"))
        .map(String::as_str)
        .collect();
    ranges.sort_by_key(|range| range.len());
    assert_eq!(ranges.len(), 11);
    assert_eq!(ranges[0], "bytes=0-536870911");
    assert!(ranges.contains(&"bytes=5368709120-5368709120"));
    let parts = asked.iter().filter(|one| one.method == "PUT");
    for part in parts {
        assert_eq!(part.headers["x-amz-copy-source"], "bucket/x/a%20b");
        assert_eq!(part.headers["x-amz-copy-source-if-match"], "\"source\"");
    }
    let last = asked.last().unwrap();
    assert_eq!(last.headers["if-none-match"], "*");
    let body = String::from_utf8_lossy(&last.body);
    assert_eq!(body.matches("<ChecksumSHA256>sum=<").count(), 11, "{body}");
}
