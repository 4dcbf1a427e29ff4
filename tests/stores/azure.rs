//! Azure Blob Storage, on a real Azurite: what every store keeps to, its faults, and what it has to refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use milvault::Error;
use milvault::store::{
    AzureOptions, AzureStore, CustomerKey, KeepOptions, Lock, LockMode, Role, Store, StoreOptions,
    Told,
};
use tempfile::TempDir;

use crate::conformance::{noise, put, put_as, suite};
use crate::support::proxy::{Breaks, Proxy};
use crate::support::servers;

/// As in tests/servers/azurite.py; these are the same everywhere.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
pub const CONTAINER: &str = "backups";

/// Options of a test, and the file with the connection string that they name.
pub struct Access {
    pub options: StoreOptions,
    _folder: TempDir,
}

fn access(address: &str, opens: &str) -> Access {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection");
    let words = format!("AccountName={ACCOUNT};{opens};BlobEndpoint=http://{address}/{ACCOUNT}");
    std::fs::write(&file, words).unwrap();
    let options = StoreOptions {
        azure: AzureOptions {
            connection_file: Some(file),
            ..AzureOptions::default()
        },
        ..StoreOptions::default()
    };
    Access {
        options,
        _folder: folder,
    }
}

pub fn with_key(address: &str) -> Access {
    access(address, &format!("AccountKey={KEY}"))
}

/// A place of its own in the container that all tests share, with what is awkward in addresses.
fn place() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    format!("az://{CONTAINER}/a b+c%41/store {number}")
}

fn open(uri: &str, options: &StoreOptions) -> Arc<dyn Store> {
    Arc::new(AzureStore::open(uri, options).unwrap())
}

async fn store() -> ((), Arc<dyn Store>) {
    let access = with_key(&servers::azurite().address);
    ((), open(&place(), &access.options))
}

suite!(store);
suite!(store: of_many_writers_of_one_large_object_one_succeeds);

#[tokio::test]
async fn a_name_that_azure_would_change_is_refused() {
    let ((), store) = store().await;
    for path in ["back\\slash", "a\\b/c"] {
        let refusal = put(&store, path, "1").await.unwrap_err();
        assert!(
            matches!(refusal, Error::Usage(_)) && refusal.to_string().contains("backslash"),
            "{refusal}"
        );
    }
}

async fn refusal(uri: &str, access: &Access) -> String {
    let store = open(uri, &access.options);
    let listed = store.list("").await.unwrap_err();
    let written = put(&store, "object", "1").await.unwrap_err();
    let mut all = String::new();
    for error in [listed, written] {
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        let words = error.to_string();
        assert!(!words.contains('\n') && words.len() < 600, "{words}");
        all = format!("{all}{words}\n");
    }
    all
}

#[tokio::test]
async fn refusals_name_the_way_out_and_no_secrets() {
    let address = &servers::azurite().address;
    let words = refusal("az://nowhere/x", &with_key(address)).await;
    assert_eq!(
        words.matches("create the container nowhere").count(),
        2,
        "{words}"
    );

    let wrong = access(address, "AccountKey=d3Jvbmctc2VjcmV0LTE=");
    let words = refusal(&place(), &wrong).await;
    assert_eq!(words.matches("AZURE_STORAGE_KEY").count(), 2, "{words}");
    assert!(!words.contains("d3Jvbmct"), "{words}");

    let wrong = access(
        address,
        "SharedAccessSignature=sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=d3Jvbmctc2ln",
    );
    let words = refusal(&place(), &wrong).await;
    assert_eq!(
        words.matches("AZURE_STORAGE_SAS_TOKEN").count(),
        2,
        "{words}"
    );
    assert!(
        !words.contains("sig=") && !words.contains("d3Jvbmct"),
        "{words}"
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named_without_the_signature() {
    let gone = access(
        "127.0.0.1:9",
        "SharedAccessSignature=sv=2021-12-02&sig=c2VjcmV0",
    );
    let store = open(&place(), &gone.options);
    let words = store.read("object").await.unwrap_err().to_string();
    assert!(words.contains("--azure-endpoint"), "{words}");
    assert!(
        !words.contains("c2VjcmV0") && !words.contains('\n'),
        "{words}"
    );
    assert!(!format!("{store:?}").contains("c2VjcmV0"));
}

#[tokio::test]
async fn a_signature_opens_what_it_is_for() {
    let address = &servers::azurite().address;
    let shared = access(
        address,
        &format!("SharedAccessSignature={}", signature("rwdlac")),
    );
    let uri = place();
    let store = open(&uri, &shared.options);
    put(&store, "object", noise(20 << 20, 1)).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["object"]);
    assert!(store.read("object").await.unwrap() == noise(20 << 20, 1));
    let copied = store
        .copy_within(&*store, "object", "copy", Role::Part)
        .await;
    assert_eq!(copied.unwrap(), Some(Told::Size));
    assert!(store.read("copy").await.unwrap() == noise(20 << 20, 1));
    let reading = access(
        address,
        &format!("SharedAccessSignature={}", signature("rl")),
    );
    let store = open(&uri, &reading.options);
    assert_eq!(store.size("object").await.unwrap(), 20 << 20);
    let words = put(&store, "other", "1").await.unwrap_err().to_string();
    assert!(words.contains("Storage Blob Data Contributor"), "{words}");
    assert!(!words.contains("sig="), "{words}");
}

/// A shared access signature of the account, for these rights. Source: "Create an account SAS", Azure Storage.
pub fn signature(rights: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use ring::hmac;

    let (version, end) = ("2020-08-04", "2099-01-01T00:00:00Z");
    let words = format!("{ACCOUNT}\n{rights}\nb\nsco\n\n{end}\n\nhttps,http\n{version}\n");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
    let signature = STANDARD.encode(hmac::sign(&key, words.as_bytes()));
    let signature = signature
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    format!("sv={version}&ss=b&srt=sco&sp={rights}&se={end}&spr=https,http&sig={signature}")
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_for_ours() {
    // The request is through with its body, and its answer is not.
    let breaks = Breaks {
        after_sent: 20_000,
        after_received: u64::MAX,
        times: 1,
    };
    let proxy = Proxy::start(&servers::azurite().address, breaks).await;
    let store = open(&place(), &with_key(&proxy.address).options);
    put(&store, "object", noise(20_000, 1)).await.unwrap();
    assert_eq!(proxy.broken(), 1);
    assert!(store.read("object").await.unwrap() == noise(20_000, 1));
    let again = put(&store, "object", noise(20_000, 1)).await;
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
}

#[tokio::test]
async fn an_upload_and_a_read_survive_broken_connections() {
    let uri = place();
    let size = 40 << 20;
    let breaks = Breaks {
        // A block is larger.
        after_sent: 5 << 20,
        after_received: 11 << 20,
        times: 3,
    };
    let proxy = Proxy::start(&servers::azurite().address, breaks).await;
    let store = open(&uri, &with_key(&proxy.address).options);
    put(&store, "object", noise(size, 2)).await.unwrap();
    // Blocks go by several connections at once.
    assert!(proxy.broken() >= 3);

    let proxy = Proxy::start(&servers::azurite().address, Breaks { times: 2, ..breaks }).await;
    let store = open(&uri, &with_key(&proxy.address).options);
    assert!(store.read("object").await.unwrap() == noise(size, 2));
    assert_eq!(proxy.broken(), 2);
}

#[tokio::test]
async fn what_azure_cannot_do_is_refused_before_anything_is_written() {
    let address = &servers::azurite().address;
    let mut access = with_key(address);
    access.options.keep = KeepOptions {
        lock: Some(Lock {
            mode: LockMode::Compliance,
            until: "2099-01-01T00:00:00Z".parse().unwrap(),
        }),
        ..KeepOptions::default()
    };
    let store = open(&place(), &access.options);
    let refusal = put(&store, "object", "1").await.unwrap_err();
    assert!(matches!(refusal, Error::Usage(_)), "{refusal}");
    assert!(
        refusal.to_string().contains("version-level immutability"),
        "{refusal}"
    );

    let mut access = with_key(address);
    access.options.customer_key = CustomerKey::parse(&[7; 32]);
    let refusal = AzureStore::open(&place(), &access.options).unwrap_err();
    assert!(refusal.to_string().contains("https only"), "{refusal}");
}

#[tokio::test]
async fn tiers_and_tags_are_those_that_were_asked_for() {
    let mut access = with_key(&servers::azurite().address);
    access.options.keep = KeepOptions {
        class: Some("cool".to_owned()),
        tags: [("of".to_owned(), "a/b c".to_owned())].into(),
        ..KeepOptions::default()
    };
    let uri = place();
    let store = open(&uri, &access.options);
    put(&store, "small", "1").await.unwrap();
    put(&store, "large", noise(20 << 20, 1)).await.unwrap();
    put_as(&store, "mark", "1", Role::Mark).await.unwrap();
    let copied = store
        .copy_within(&*store, "small", "copy", Role::Part)
        .await;
    assert_eq!(copied.unwrap(), Some(Told::Size));
    let url = format!("{uri}/").replace("az://", "");
    for (name, tier, tags) in [
        ("small", "Cool", 1),
        ("large", "Cool", 1),
        ("copy", "Cool", 1),
        ("mark", "Hot", 0),
    ] {
        let head = head(&format!("{url}{name}")).await;
        let header = |name: &str| {
            head.get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header("x-ms-access-tier").as_deref(), Some(tier), "{name}");
        let counted = header("x-ms-tag-count").map_or(0, |count| count.parse().unwrap());
        assert_eq!(counted, tags, "{name}");
    }
}

/// What the service tells of an object, asked by a client of the test's own.
async fn head(path: &str) -> reqwest::header::HeaderMap {
    let path: String = path
        .split('/')
        .map(|part| {
            percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        })
        .collect::<Vec<_>>()
        .join("/");
    let address = &servers::azurite().address;
    let url = format!("http://{address}/{ACCOUNT}/{path}?{}", signature("rwdlact"));
    let answer = reqwest::Client::new().head(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.headers().clone()
}
