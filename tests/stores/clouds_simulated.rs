//! What Azurite and fake-gcs-server do not do, against services that answer as Microsoft's and Google's pages say:
//! locks, checksums, and uploads that go on where they broke off.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use milvault::Error;
use milvault::store::{
    AzureStore, CustomerKey, GcsStore, KeepOptions, Lock, LockMode, Protection, Store,
    StoreOptions, Told,
};

use crate::conformance::{noise, put};
use crate::simulated::{Asked, Said, Simulated};
use crate::{azure, gcs};

const MIB: usize = 1 << 20;

fn keep(mode: LockMode) -> KeepOptions {
    KeepOptions {
        lock: Some(Lock {
            mode,
            until: "2099-01-02T03:04:05Z".parse().unwrap(),
        }),
        legal_hold: true,
        ..KeepOptions::default()
    }
}

fn google(service: &Simulated, keep: KeepOptions) -> Arc<dyn Store> {
    let options = StoreOptions {
        keep,
        ..gcs::options(&service.address)
    };
    Arc::new(GcsStore::open("gs://bucket/x", &options).unwrap())
}

fn crc(bytes: &[u8]) -> String {
    let sum = checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    STANDARD.encode(sum.to_be_bytes())
}

/// A session for uploads, which holds what it was sent, and fails as it is told.
#[derive(Default)]
struct Session {
    held: Vec<u8>,
    tries: u32,
    hash: Option<String>,
}

impl Session {
    fn answer(&mut self, asked: &Asked) -> Said {
        if asked.method == "GET" {
            return Said::new(404, "");
        }
        if asked.method == "POST" {
            assert!(asked.path.contains("ifGenerationMatch=0"), "{}", asked.path);
            let host = &asked.headers["host"];
            return Said::new(200, "").with(
                "location",
                format!("http://{host}/session?upload_id=secret"),
            );
        }
        let range = asked.headers["content-range"].as_str();
        if range == "bytes */*" {
            return self.progress();
        }
        let (range, total) = range
            .strip_prefix("bytes ")
            .unwrap()
            .split_once('/')
            .unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
        assert_eq!(start, self.held.len(), "bytes were left out or sent twice");
        assert_eq!(asked.body.len(), end + 1 - start);
        self.tries += 1;
        // The first request is cut short, and the last one's answer is lost.
        let taken = if self.tries == 1 {
            3 * MIB
        } else {
            asked.body.len()
        };
        self.held.extend_from_slice(&asked.body[..taken]);
        if total != "*" {
            self.hash = asked.headers.get("x-goog-hash").cloned();
            assert_eq!(total.parse::<usize>().unwrap(), self.held.len());
            return Said::new(503, "");
        }
        if self.tries == 1 {
            Said::new(500, "")
        } else {
            self.progress()
        }
    }

    fn progress(&self) -> Said {
        match (&self.hash, self.held.len()) {
            (Some(_), size) => {
                let made = format!(
                    r#"{{"size": "{size}", "generation": "7", "crc32c": "{}"}}"#,
                    crc(&self.held)
                );
                Said::new(200, made)
            }
            (None, 0) => Said::new(308, ""),
            (None, held) => Said::new(308, "").with("range", format!("bytes=0-{}", held - 1)),
        }
    }
}

#[tokio::test]
async fn an_upload_to_google_goes_on_where_it_broke_off() {
    let session = Arc::new(Mutex::new(Session::default()));
    let answering = session.clone();
    let service = Simulated::start(move |asked| answering.lock().unwrap().answer(asked)).await;
    let store = google(&service, KeepOptions::default());
    let bytes = noise(20 * MIB + 5, 3);
    put(&store, "object", bytes.clone()).await.unwrap();
    let session = session.lock().unwrap();
    assert!(session.held == bytes);
    assert_eq!(session.hash, Some(format!("crc32c={}", crc(&bytes))));
    let asked = service.asked();
    assert_eq!(
        asked
            .iter()
            .filter(|asked| asked
                .headers
                .get("content-range")
                .is_some_and(|range| range == "bytes */*"))
            .count(),
        2
    );
}

/// Another writer is faster, whether it is told before the bytes are sent or after.
#[tokio::test]
async fn a_large_object_that_google_has_already_is_not_replaced() {
    let taken = r#"{"size": "1", "generation": "7", "metadata": {"milvault-writer": "another"}}"#;
    for early in [true, false] {
        let mut sent = early;
        let service = Simulated::start(move |asked| match asked.method.as_str() {
            "GET" if sent => Said::new(200, taken),
            "GET" => Said::new(404, ""),
            "POST" => {
                let host = &asked.headers["host"];
                Said::new(200, "").with(
                    "location",
                    format!("http://{host}/session?upload_id=secret"),
                )
            }
            "PUT" if asked.headers["content-range"].ends_with('*') => {
                let held = asked.headers["content-range"]
                    .split(['-', '/'])
                    .nth(1)
                    .unwrap();
                Said::new(308, "").with("range", format!("bytes=0-{held}"))
            }
            "PUT" => {
                sent = true;
                Said::new(412, "")
            }
            _ => Said::new(499, ""),
        })
        .await;
        let store = google(&service, KeepOptions::default());
        let written = put(&store, "object", noise(20 * MIB, 1)).await;
        assert!(matches!(written, Err(Error::Exists { .. })), "{written:?}");
        let puts = service
            .asked()
            .iter()
            .filter(|asked| asked.method == "PUT")
            .count();
        assert_eq!(puts, if early { 0 } else { 3 });
    }
}

/// A large copy takes several requests, of which the last makes the object.
#[tokio::test]
async fn a_copy_within_google_goes_on_until_it_is_done() {
    for taken in [false, true] {
        let service = Simulated::start(move |asked| match asked.method.as_str() {
            "GET" if asked.path.contains("from") => {
                Said::new(200, r#"{"size": "5", "crc32c": "AAAAAA=="}"#)
            }
            "GET" => Said::new(404, ""),
            _ if !asked.path.contains("rewriteToken") => {
                Said::new(200, r#"{"done": false, "rewriteToken": "t/1"}"#)
            }
            _ if taken => Said::new(412, ""),
            _ => Said::new(
                200,
                r#"{"done": true, "resource": {"size": "5", "crc32c": "AAAAAQ=="}}"#,
            ),
        })
        .await;
        let store = google(&service, KeepOptions::default());
        let copied = store
            .copy_within(&*store, "from", "to", milvault::store::Role::Part)
            .await;
        assert_eq!(copied.is_ok(), !taken, "{copied:?}");
        if let Ok(told) = copied {
            let (source, copy) = ("AAAAAA==".to_owned(), "AAAAAQ==".to_owned());
            let kind = "CRC32C";
            assert_eq!(told, Some(Told::Checksums { kind, source, copy }));
        }
        let last = service
            .asked()
            .into_iter()
            .rfind(|asked| asked.method == "POST")
            .unwrap();
        assert!(
            last.path.starts_with(
                "/storage/v1/b/bucket/o/x%2Ffrom/rewriteTo/b/bucket/o/x%2Fto?ifGenerationMatch=0"
            ),
            "{}",
            last.path
        );
        assert!(last.path.ends_with("rewriteToken=t%2F1"), "{}", last.path);
    }
}

#[tokio::test]
async fn an_object_that_google_made_of_other_bytes_is_removed_again() {
    let made = format!(
        r#"{{"size": "5", "generation": "7", "crc32c": "{}"}}"#,
        crc(b"hallo")
    );
    let service = Simulated::start(move |asked| match asked.method.as_str() {
        "DELETE" => Said::new(204, ""),
        _ => Said::new(200, made.clone()),
    })
    .await;
    let store = google(&service, KeepOptions::default());
    let error = put(&store, "object", "hello").await.unwrap_err();
    assert!(
        matches!(error, Error::Store { .. }) && error.to_string().contains("memory"),
        "{error}"
    );
    let asked = service.asked();
    let sent = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(
        sent.contains(&format!("\"crc32c\":\"{}\"", crc(b"hello"))),
        "{sent}"
    );
    assert_eq!(
        asked[1].path,
        "/storage/v1/b/bucket/o/x%2Fobject?ifGenerationMatch=7"
    );
}

#[tokio::test]
async fn google_is_asked_to_lock_and_to_hold() {
    for (mode, word) in [
        (LockMode::Compliance, "Locked"),
        (LockMode::Governance, "Unlocked"),
    ] {
        let mut locked = false;
        let service = Simulated::start(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/storage/v1/b/bucket?fields=objectRetention") => {
                Said::new(200, r#"{"objectRetention": {"mode": "Enabled"}}"#)
            }
            ("GET", _) if !locked => Said::new(200, r#"{"size": "1"}"#),
            ("GET", _) => Said::new(
                200,
                format!(
                    r#"{{"size": "1", "retention": {{"mode": "{word}", "retainUntilTime": "2099-01-02T03:04:05Z"}}, "temporaryHold": true}}"#
                ),
            ),
            ("POST", _) => Said::new(200, format!(r#"{{"size": "1", "crc32c": "{}"}}"#, crc(b"1"))),
            ("PATCH", _) => {
                locked = true;
                Said::new(200, "{}")
            }
            _ => Said::new(403, r#"{"error": {"message": "Object is subject to an active Temporary hold"}}"#),
        })
        .await;
        let store = google(&service, keep(mode));
        put(&store, "object", "1").await.unwrap();
        store.lock("object").await.unwrap();
        let locked = service
            .asked()
            .into_iter()
            .find(|asked| asked.method == "PATCH")
            .unwrap();
        assert_eq!(locked.path, "/storage/v1/b/bucket/o/x%2Fobject");
        let body: serde_json::Value = serde_json::from_slice(&locked.body).unwrap();
        let wanted = serde_json::json!({
            "retention": {"mode": word, "retainUntilTime": "2099-01-02T03:04:05Z"},
            "temporaryHold": true
        });
        assert_eq!(body, wanted);
        let wanted = Protection {
            lock: keep(mode).lock,
            legal_hold: true,
        };
        assert_eq!(store.protection("object").await.unwrap(), wanted);
        // What is locked already is not sent again, but for the hold.
        store.lock("object").await.unwrap();
        let last = service.asked().pop().unwrap();
        assert_eq!(last.body, br#"{"temporaryHold":true}"#);
        let refusal = store.remove("object").await.unwrap_err().to_string();
        assert!(refusal.contains("locked, or held"), "{refusal}");
    }
}

#[tokio::test]
async fn google_gets_a_customers_key_with_each_request_and_its_own_for_new_objects() {
    let service = Simulated::start(|asked| match asked.method.as_str() {
        "POST" => Said::new(
            200,
            format!(r#"{{"size": "1", "crc32c": "{}"}}"#, crc(b"1")),
        ),
        _ => Said::new(200, "1"),
    })
    .await;
    let mut options = gcs::options(&service.address);
    options.customer_key = CustomerKey::parse(&[7; 32]);
    let store: Arc<dyn Store> = Arc::new(GcsStore::open("gs://bucket", &options).unwrap());
    put(&store, "object", "1").await.unwrap();
    store.read("object").await.unwrap();
    for asked in service.asked() {
        assert_eq!(asked.headers["x-goog-encryption-algorithm"], "AES256");
        assert_eq!(
            asked.headers["x-goog-encryption-key"],
            STANDARD.encode([7; 32])
        );
        let sum = ring::digest::digest(&ring::digest::SHA256, &[7; 32]);
        assert_eq!(
            asked.headers["x-goog-encryption-key-sha256"],
            STANDARD.encode(sum)
        );
    }
    options.customer_key = None;
    let kms = milvault::store::ServerEncryption::Kms(Some("projects/p/key".to_owned()));
    options.keep.encryption = Some(kms);
    let store: Arc<dyn Store> = Arc::new(GcsStore::open("gs://bucket", &options).unwrap());
    put(&store, "object", "1").await.unwrap();
    let last = service.asked().pop().unwrap();
    assert!(
        last.path.contains("kmsKeyName=projects%2Fp%2Fkey"),
        "{}",
        last.path
    );
}

#[tokio::test]
async fn azure_is_asked_to_lock_and_to_hold_and_gets_the_md5_of_all_it_is_sent() {
    for (mode, word) in [
        (LockMode::Compliance, "locked"),
        (LockMode::Governance, "unlocked"),
    ] {
        let mut locked = false;
        let service = Simulated::start(move |asked| {
            let query = asked.path.split_once('?').map_or("", |(_, query)| query);
            locked |= query == "comp=legalhold";
            match (asked.method.as_str(), query) {
                ("HEAD", _) if !locked => Said::new(200, "").with("content-length", "1"),
                ("GET", "restype=container") => {
                    Said::new(200, "").with("x-ms-immutable-storage-with-versioning-enabled", "true")
                }
                ("PUT", "comp=immutabilityPolicies" | "comp=legalhold") => Said::new(200, ""),
                ("PUT", _) => Said::new(201, ""),
                ("HEAD", _) => Said::new(200, "")
                    .with("content-length", "1")
                    .with("x-ms-immutability-policy-until-date", "Fri, 02 Jan 2099 03:04:05 GMT")
                    .with("x-ms-immutability-policy-mode", word)
                    .with("x-ms-legal-hold", "true"),
                _ => Said::new(
                    409,
                    "<?xml version=\"1.0\"?><Error><Code>BlobImmutableDueToPolicy</Code><Message>No.\nTime:1</Message></Error>",
                )
                .with("x-ms-error-code", "BlobImmutableDueToPolicy"),
            }
        })
        .await;
        let mut access = azure::with_key(&service.address);
        access.options.keep = keep(mode);
        let store: Arc<dyn Store> =
            Arc::new(AzureStore::open("az://container/x", &access.options).unwrap());
        put(&store, "small", "1").await.unwrap();
        put(&store, "large", noise(20 * MIB, 1)).await.unwrap();
        store.lock("small").await.unwrap();
        let asked = service.asked();
        let sent: Vec<&Asked> = asked
            .iter()
            .filter(|asked| !asked.body.is_empty())
            .collect();
        assert_eq!(sent.len(), 5, "one object, three blocks and their list");
        for asked in sent {
            use md5::{Digest, Md5};
            let sum = STANDARD.encode(Md5::digest(&asked.body));
            assert_eq!(asked.headers["content-md5"], sum, "{}", asked.path);
        }
        let locked = asked
            .iter()
            .find(|asked| asked.path.ends_with("comp=immutabilityPolicies"));
        let locked = &locked.unwrap().headers;
        assert_eq!(
            locked["x-ms-immutability-policy-until-date"],
            "Fri, 02 Jan 2099 03:04:05 GMT"
        );
        assert!(locked["x-ms-immutability-policy-mode"].eq_ignore_ascii_case(word));
        let held = asked
            .iter()
            .find(|asked| asked.path.ends_with("comp=legalhold"))
            .unwrap();
        assert_eq!(held.headers["x-ms-legal-hold"], "true");
        let wanted = Protection {
            lock: keep(mode).lock,
            legal_hold: true,
        };
        assert_eq!(store.protection("small").await.unwrap(), wanted);
        store.lock("small").await.unwrap();
        let policies = |asked: &&Asked| asked.path.ends_with("comp=immutabilityPolicies");
        assert_eq!(service.asked().iter().filter(policies).count(), 1);
        let refusal = store.remove("small").await.unwrap_err().to_string();
        assert!(refusal.contains("locked, or held"), "{refusal}");
    }
}

/// Writes credentials to a file, and opens a store with them.
fn with_credentials(
    service: &Simulated,
    credentials: &serde_json::Value,
) -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    let mut options = gcs::options(&service.address);
    options.gcs.anonymous = false;
    options.gcs.credentials_file = Some(file);
    (
        folder,
        Arc::new(GcsStore::open("gs://bucket", &options).unwrap()),
    )
}

#[tokio::test]
async fn google_is_told_who_a_service_account_is() {
    let service = Simulated::start(|_| Said::new(200, "1")).await;
    let key = std::process::Command::new("openssl")
        .args([
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .unwrap();
    assert!(key.status.success());
    let credentials = serde_json::json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": String::from_utf8(key.stdout).unwrap(),
        "client_email": "backups@p.iam.gserviceaccount.com",
        "token_uri": format!("http://{}/token", service.address),
    });
    let (_folder, store) = with_credentials(&service, &credentials);
    store.read("object").await.unwrap();
    let asked = service.asked();
    let token = asked.last().unwrap().headers["authorization"]
        .strip_prefix("Bearer ")
        .unwrap()
        .to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "a signed token");
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(parts[1])
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "backups@p.iam.gserviceaccount.com");
    assert!(
        claims["scope"].as_str().unwrap().contains("devstorage"),
        "{claims}"
    );
}

#[tokio::test]
async fn google_is_told_who_a_user_is_and_errors_keep_that_secret() {
    let service = Simulated::start(|asked| match asked.path.as_str() {
        "/token" if asked.body.windows(5).any(|word| word == b"known") => Said::new(
            200,
            r#"{"access_token": "access-secret", "expires_in": 3600, "token_type": "Bearer"}"#,
        )
        .with("content-type", "application/json"),
        "/token" => Said::new(400, r#"{"error": "invalid_grant"}"#),
        _ => Said::new(403, r#"{"error": {"message": "no"}}"#),
    })
    .await;
    for (refresh, wanted) in [
        ("known-secret", "storage.objects.get"),
        ("other-secret", "--gcs-credentials-file"),
    ] {
        let credentials = serde_json::json!({
            "type": "authorized_user",
            "client_id": "client",
            "client_secret": "client-secret",
            "refresh_token": refresh,
            "token_uri": format!("http://{}/token", service.address),
        });
        let (_folder, store) = with_credentials(&service, &credentials);
        let words = store.read("object").await.unwrap_err().to_string();
        assert!(words.contains(wanted) && !words.contains('\n'), "{words}");
        assert!(
            !words.contains("secret") && !format!("{store:?}").contains("secret"),
            "{words}"
        );
    }
    let asked = service.asked();
    let read = asked
        .iter()
        .find(|asked| asked.path.contains("alt=media"))
        .unwrap();
    assert_eq!(read.headers["authorization"], "Bearer access-secret");
}
