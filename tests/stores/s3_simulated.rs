//! What AWS and other services are documented to answer, and SeaweedFS does not.

use std::sync::Arc;

use milvault::Error;
use milvault::store::{Role, Store, StoreOptions, Told};

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
    let service = Simulated::start(|asked| match &*asked.method {
        "GET" => Said::new(200, "<VersioningConfiguration/>"),
        _ => Said::new(200, ""),
    })
    .await;
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
    assert_eq!(copied.await.unwrap(), Some(Told::Size));
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

/// What keeps an object, as AWS has it.
fn retention(mode: &str, until: &str) -> Said {
    Said::new(
        200,
        format!(
            "<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        ),
    )
}

/// AWS refuses to shorten a lock with 403.
#[tokio::test]
async fn a_lock_is_sent_only_where_it_is_more_than_what_is_there() {
    for (held, sent) in [
        (retention("COMPLIANCE", "2190-01-01T00:00:00Z"), None),
        (
            retention("GOVERNANCE", "2190-01-01T00:00:00Z"),
            Some("2190-"),
        ),
        (
            retention("COMPLIANCE", "2090-01-01T00:00:00Z"),
            Some("2100-"),
        ),
        (refusal(404, "NoSuchObjectLockConfiguration"), Some("2100-")),
        // Who may lock need not be one who may ask.
        (refusal(403, "AccessDenied"), Some("2100-")),
    ] {
        let service = Simulated::start(move |asked| match &*asked.method {
            "GET" if asked.path.contains("object-lock") => Said::new(
                200,
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
            ),
            "GET" if asked.path.contains("retention") => held.clone(),
            _ => Said::new(200, ""),
        })
        .await;
        let mut options: StoreOptions = buckets::options_at(&service.address);
        options.keep.lock = Some(milvault::store::Lock {
            mode: milvault::store::LockMode::Compliance,
            until: "2100-01-01T00:00:00Z".parse().unwrap(),
        });
        let store = buckets::open("s3://bucket/x", &options).await;
        store.lock("object").await.unwrap();
        let asked = service.asked();
        let put = asked.iter().find(|one| one.method == "PUT");
        let body = put.map(|put| String::from_utf8_lossy(&put.body).into_owned());
        assert_eq!(body.is_some(), sent.is_some(), "{body:?}");
        if let (Some(body), Some(until)) = (body, sent) {
            assert!(
                body.contains("COMPLIANCE") && body.contains(until),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_tell_of_versions_is_not_taken_for_one_without() {
    for (status, code, words) in [
        (
            403,
            "AccessDenied",
            "needs the right s3:GetBucketVersioning",
        ),
        (400, "Odd", "Words of the service. (Odd)"),
    ] {
        let mut refused = false;
        let service = Simulated::start(move |asked| {
            let versioning = asked.path.contains("versioning");
            if versioning && !std::mem::replace(&mut refused, true) {
                return refusal(status, code);
            }
            Said::new(200, "<VersioningConfiguration/>")
        })
        .await;
        let store = open(&service).await;
        let error = store.remove("a").await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(service.asked().iter().all(|one| one.method == "GET"));
        // It is not remembered.
        store.remove("a").await.unwrap();
        assert_eq!(service.asked().last().unwrap().method, "DELETE");
    }
}

#[tokio::test]
async fn a_service_that_knows_no_versions_has_none() {
    for status in [405, 501] {
        let service = Simulated::start(move |asked| match &*asked.method {
            "GET" => refusal(status, "NotImplemented"),
            _ => Said::new(204, ""),
        })
        .await;
        open(&service).await.remove("a").await.unwrap();
        let asked = service.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].method, "DELETE");
    }
}

/// A page of versions, with where the next begins.
fn versions(keys: &[&str], next: Option<(&str, &str)>) -> Said {
    let versions: String = keys
        .iter()
        .enumerate()
        .map(|(number, key)| {
            format!("<Version><Key>x/{key}</Key><VersionId>{key}{number}</VersionId></Version>")
        })
        .collect();
    let next = next.map_or_else(String::new, |(key, version)| {
        format!(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>x/{key}</NextKeyMarker>\
             <NextVersionIdMarker>{version}</NextVersionIdMarker>"
        )
    });
    Said::new(
        200,
        format!("<ListVersionsResult>{versions}{next}</ListVersionsResult>"),
    )
}

fn in_a_bucket_with_versions(asked: &crate::simulated::Asked) -> Said {
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    match &*asked.method {
        "GET" if asked.path.contains("versioning") => Said::new(200, enabled),
        "GET" if asked.path.contains("key-marker=x%2Fprod&") => {
            versions(&["prod", "prod-2026/a"], Some(("prod-2026/a", "1")))
        }
        "GET" if asked.path.contains("key-marker=x%2Fprod-2026%2Fa&") => {
            versions(&["prod/b"], None)
        }
        "GET" if asked.path.contains("versions") => {
            versions(&["prod", "prod"], Some(("prod", "prod1")))
        }
        "GET" => Said::new(200, "<ListMultipartUploadsResult/>"),
        "POST" => Said::new(200, "<DeleteResult/>"),
        _ => Said::new(204, ""),
    }
}

#[tokio::test]
async fn the_versions_of_one_object_are_listed_no_further_than_they_go() {
    let service = Simulated::start(in_a_bucket_with_versions).await;
    open(&service).await.remove("prod").await.unwrap();
    let asked = service.asked();
    let listed = asked.iter().filter(|one| one.path.contains("versions"));
    assert_eq!(listed.count(), 2);
    let removed: Vec<&str> = asked
        .iter()
        .filter(|one| one.method == "DELETE")
        .map(|one| one.path.split("versionId=").nth(1).unwrap())
        .collect();
    assert_eq!(removed, ["prod0", "prod1", "prod0"]);
}

#[tokio::test]
async fn versions_are_removed_page_by_page() {
    let service = Simulated::start(in_a_bucket_with_versions).await;
    open(&service).await.remove_all("").await.unwrap();
    let asked = service.asked();
    let steps: Vec<&str> = asked
        .iter()
        .filter(|one| one.path.contains("versions") || one.method == "POST")
        .map(|one| one.method.as_str())
        .collect();
    // Where a page begins is listed before it is removed.
    assert_eq!(steps, ["GET", "GET", "POST", "GET", "POST", "POST"]);
}

#[tokio::test]
async fn what_the_service_tells_of_a_copy_is_told_on() {
    let sum = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    let sha = ring::digest::digest(&ring::digest::SHA256, b"abc");
    let whole = Told::Sha256(sha.as_ref().try_into().unwrap());
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    let same = Told::Checksums {
        kind: "MD5",
        source: md5.into(),
        copy: md5.into(),
    };
    for (answer, told) in [
        (format!("<ChecksumSHA256>{sum}</ChecksumSHA256>"), whole),
        (
            format!("<ChecksumSHA256>{sum}-1</ChecksumSHA256>"),
            Told::Size,
        ),
        (
            format!("<ChecksumSHA256>{sum}</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType>"),
            Told::Size,
        ),
        (format!("<ETag>{md5}</ETag>"), same.clone()),
        (format!("<ETag>\"{md5}\"</ETag>"), same),
        // Encrypted bytes have an ETag that is no MD5, and is another each time.
        (
            "<ETag>\"d41d8cd98f00b204e9800998ecf8427e\"</ETag>".into(),
            Told::Size,
        ),
        (
            "<ETag>\"900150983cd24fb0d6963f7d28e17f72-2\"</ETag>".into(),
            Told::Size,
        ),
        (String::new(), Told::Size),
    ] {
        let service = Simulated::start(move |asked| match &*asked.method {
            "HEAD" => Said::new(200, "")
                .with("content-length", "3")
                .with("etag", format!("\"{md5}\"")),
            _ => Said::new(
                200,
                format!("<CopyObjectResult>{answer}</CopyObjectResult>"),
            ),
        })
        .await;
        let store = open(&service).await;
        let copied = store.copy_within(&*store, "from", "to", Role::Part).await;
        assert_eq!(copied.unwrap(), Some(told));
        let asked = service.asked().pop().unwrap();
        assert_eq!(asked.headers["x-amz-checksum-algorithm"], "SHA256");
    }
}
