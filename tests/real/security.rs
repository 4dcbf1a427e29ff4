//! Passwords and certificates.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use milvault::archive::Selection;
use milvault::milvus::{Address, Cluster, ConnectOptions, Credentials, Tls};
use milvault::progress::Context;
use milvault::readable::ReadAccess;
use milvault::{Error, Result};
use serde_json::{Value, json};

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{Vault, collections, restore_into, restoring, suffixed};

async fn connect(server: &Server, scheme: &str, options: ConnectOptions) -> Result<Cluster> {
    let address = Address::parse(&format!("{scheme}://{}", server.address)).unwrap();
    // A refusal is to come at once, and not after minutes of retries.
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, Cluster::connect(&address, &options))
        .await
        .expect("a connection takes too long")
}

fn with_password(password: &str) -> ConnectOptions {
    login("root", password)
}

fn login(user: &str, password: &str) -> ConnectOptions {
    ConnectOptions {
        credentials: Some(Credentials::Password {
            user: user.into(),
            password: password.into(),
        }),
        ..ConnectOptions::default()
    }
}

fn with_tls(ca: Option<PathBuf>, identity: Option<(PathBuf, PathBuf)>) -> ConnectOptions {
    ConnectOptions {
        tls: Tls {
            ca,
            identity,
            server_name: None,
        },
        ..ConnectOptions::default()
    }
}

fn one_line(error: &Error) -> String {
    let words = error.to_string();
    assert!(!words.contains('\n'), "{words}");
    words
}

/// Exports a filled collection and restores it beside itself.
async fn round_trip(server: &Server, cluster: &Cluster, selection: &Selection, more: &[&str]) {
    let vault = Vault::new();
    let archive = vault.export(cluster, "a", selection).await;
    restore_into(&archive, cluster, &restoring(&suffixed("_copy"))).await;
    python::assert_holds(
        server,
        "not_loaded",
        &[more, &["--suffix", "_copy", "--load"]].concat(),
    );
}

#[tokio::test]
async fn the_right_password_works_and_a_wrong_one_is_told_without_repeating_it() {
    let server = servers::milvus_235_with_passwords();
    let more = ["--user", "root", "--password", "Milvus"];
    python::fill(server, "not_loaded", &more);
    let cluster = connect(server, "http", with_password("Milvus"))
        .await
        .unwrap();
    let selection = collections("default", &["not_loaded"]);
    round_trip(server, &cluster, &selection, &more).await;

    for options in [with_password("wrong-Secret-1"), ConnectOptions::default()] {
        let error = connect(server, "http", options).await.unwrap_err();
        assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
        let words = one_line(&error);
        assert!(!words.contains("wrong-Secret-1"), "{words}");
        assert!(!format!("{error:?}").contains("wrong-Secret-1"));
    }
}

/// What docs/rights.md has for the export of a loaded collection.
const EXPORT_RIGHTS: [&str; 3] = ["ShowPartitions", "Load", "Query"];

/// A user who has a role of the same name with these privileges on one collection.
fn make_user(server: &Server, name: &str, collection: &str, privileges: &[&str]) {
    let grants: Vec<_> = privileges
        .iter()
        .map(|privilege| grant(name, collection, privilege))
        .collect();
    let users = json!({ name: { "password": "few-Rights", "roles": [name] } });
    make(
        server,
        json!({ "roles": [name], "users": users, "grants": grants }),
    );
}

fn grant(role: &str, collection: &str, privilege: &str) -> Value {
    json!({
        "role": role, "object": "Collection", "name": collection, "privilege": privilege, "database": "default",
    })
}

fn make(server: &Server, spec: Value) {
    python::run("rbac.py", &[&server.address, "make", &spec.to_string()]);
}

/// Exports again and again until it ends as it should: the server hears of grants after some seconds, and of some
/// only with the next one.
async fn export_until(
    (server, user): (&Server, &str),
    vault: &Vault,
    selection: &Selection,
    done: impl Fn(&Result<()>) -> bool,
) -> Result<()> {
    let access = ReadAccess {
        load: false,
        temp_index: false,
    };
    let cluster = connect(server, "http", login(user, "few-Rights"))
        .await
        .unwrap();
    let ctx = Context::silent();
    let end = Instant::now() + Duration::from_secs(90);
    for round in 0.. {
        let exported = vault.try_export(&cluster, "few", selection, access, &ctx);
        let ended = exported.await.map(|_| ());
        if done(&ended) || Instant::now() > end {
            return ended;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let next = grant(user, &format!("another_{round}"), "Search");
        make(server, json!({ "grants": [next] }));
    }
    unreachable!("time ends");
}

#[tokio::test]
async fn a_user_with_the_documented_rights_exports_a_collection_and_with_one_less_is_told_which() {
    let server = servers::milvus_235_with_passwords();
    let more = ["--user", "root", "--password", "Milvus", "--suffix", "_few"];
    python::fill(server, "hard_text_keys", &more);
    let name = "hard_text_keys_few";
    let selection = collections("default", &[name]);
    let vault = Vault::new();

    make_user(server, "exporter", name, &EXPORT_RIGHTS);
    let exporter = (server, "exporter");
    export_until(exporter, &vault, &selection, Result::is_ok)
        .await
        .unwrap();
    let archive = vault.open("few").await;
    let collection = &archive.manifest().collections[0];
    assert!(collection.rows > 0);
    // Not even the right to list them is needed.
    assert_eq!(collection.schema.aliases, [format!("{name}_alias")]);

    // All databases are another matter.
    let whole = Selection::default();
    let refused = export_until(exporter, &vault, &whole, Result::is_err).await;
    let words = one_line(&refused.unwrap_err());
    assert!(words.contains("grant ListDatabases"), "{words}");
    assert!(words.contains("--database"), "{words}");

    for missing in EXPORT_RIGHTS {
        let user = format!("without_{missing}");
        let rest = EXPORT_RIGHTS.iter().filter(|right| **right != missing);
        make_user(server, &user, name, &rest.copied().collect::<Vec<_>>());
        let vault = Vault::new();
        let is_it = |ended: &Result<()>| matches!(ended, Err(Error::Denied { privilege, .. }) if privilege.as_deref() == Some(missing));
        let refused = export_until((server, &user), &vault, &selection, is_it).await;
        assert!(is_it(&refused), "{refused:?}");
        let words = one_line(&refused.unwrap_err());
        assert!(words.contains(&format!("grant {missing} ")), "{words}");
        assert!(words.contains("docs/rights.md"), "{words}");
        assert_eq!(vault.content(), [""; 0]);
    }
}

fn pem(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

#[tokio::test]
async fn tls_needs_the_authority_that_signed_the_servers_certificate() {
    let server = servers::milvus_235_with_tls();
    let folder = server.certificates.clone().unwrap();
    let more = ["--certificates", folder.to_str().unwrap()];
    python::fill(server, "not_loaded", &more);
    let ca = Some(pem(&folder, "ca.pem"));
    let cluster = connect(server, "https", with_tls(ca.clone(), None))
        .await
        .unwrap();
    let selection = collections("default", &["not_loaded"]);
    round_trip(server, &cluster, &selection, &more).await;

    let error = connect(server, "https", with_tls(None, None))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let words = one_line(&error);
    assert!(words.contains("certificate"), "{words}");

    let mut other_name = with_tls(ca, None);
    other_name.tls.server_name = Some("milvus.example".into());
    let error = connect(server, "https", other_name).await.unwrap_err();
    let words = one_line(&error);
    assert!(words.contains("certificate"), "{words}");

    let plain = connect(server, "http", ConnectOptions::default()).await;
    let words = one_line(&plain.unwrap_err());
    assert!(words.contains("it may want TLS"), "{words}");
}

#[tokio::test]
async fn mutual_tls_needs_a_certificate_of_the_client() {
    let server = servers::milvus_235_with_mutual_tls();
    let folder = server.certificates.clone().unwrap();
    let more = ["--certificates", folder.to_str().unwrap()];
    python::fill(server, "not_loaded", &more);
    let ca = Some(pem(&folder, "ca.pem"));
    let identity = (pem(&folder, "client.pem"), pem(&folder, "client.key"));
    let options = with_tls(ca.clone(), Some(identity));
    let cluster = connect(server, "https", options).await.unwrap();
    let selection = collections("default", &["not_loaded"]);
    round_trip(server, &cluster, &selection, &more).await;

    let error = connect(server, "https", with_tls(ca, None))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let words = one_line(&error).to_lowercase();
    assert!(words.contains("certificate"), "{words}");
}
