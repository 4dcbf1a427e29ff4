//! Passwords and certificates.

use std::path::{Path, PathBuf};

use milvault::archive::Selection;
use milvault::milvus::{Address, Cluster, ConnectOptions, Credentials, Tls};
use milvault::{Error, Result};

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
    ConnectOptions {
        credentials: Some(Credentials::Password {
            user: "root".into(),
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
