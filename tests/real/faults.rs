//! Networks that break: every row arrives once, or the failure has a name and leaves nothing.

use std::time::Duration;

use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::progress::Context;
use milvault::restore::restore;
use milvault::{Error, Result};

use crate::support::proxy::{Breaks, Proxy};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{FULL_ACCESS, Vault, collections, connect, restoring, suffixed};

const NEVER: u64 = u64::MAX;

async fn through(proxy: &Proxy, retry_for: Duration) -> Result<Cluster> {
    let address = Address::parse(&format!("http://{}", proxy.address))?;
    Cluster::connect(
        &address,
        &ConnectOptions {
            retry_for,
            ..ConnectOptions::default()
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_insert_was_never_answered_are_there_once() {
    // The one has upserts, the other deletes what may have arrived and inserts it again.
    for server in [servers::milvus_235(), servers::milvus_2216()] {
        unanswered_rows_are_there_once(server).await;
    }
}

async fn unanswered_rows_are_there_once(server: &Server) {
    python::fill(server, "big", &["--collection", "unanswered"]);
    let vault = Vault::new();
    let selection = collections("default", &["unanswered"]);
    let archive = vault.export(&connect(server).await, "a", &selection).await;

    // Requests of about 1.3 MiB each, four at once: each break loses some answers and some requests.
    let breaks = Breaks {
        after_sent: 2 << 20,
        after_received: NEVER,
        times: 3,
    };
    let proxy = Proxy::start(&server.address, breaks).await;
    let cluster = through(&proxy, Duration::from_secs(30)).await.unwrap();
    let options = restoring(&suffixed("_again"));
    let report = restore(&archive, &cluster, &options, &Context::silent())
        .await
        .unwrap();
    assert!(proxy.broken() > 0, "no connection was broken");
    assert_eq!(report.collections[0].rows, 40_000);
    // Also counts: a row that arrived twice would show.
    python::assert_holds(server, "big", &["--collection", "unanswered_again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_outlives_broken_connections() {
    let server = servers::milvus_235();
    python::fill(server, "wide", &["--collection", "broken_answers"]);
    let breaks = Breaks {
        after_sent: NEVER,
        after_received: 20 << 20,
        times: 3,
    };
    let proxy = Proxy::start(&server.address, breaks).await;
    let cluster = through(&proxy, Duration::from_secs(30)).await.unwrap();
    let vault = Vault::new();
    let archive = vault
        .export(&cluster, "a", &collections("default", &["broken_answers"]))
        .await;
    assert!(proxy.broken() > 0, "no connection was broken");
    let options = restoring(&suffixed("_copy"));
    restore(
        &archive,
        &connect(server).await,
        &options,
        &Context::silent(),
    )
    .await
    .unwrap();
    python::assert_holds(server, "wide", &["--collection", "broken_answers_copy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_ends_the_export_by_name_and_leaves_nothing() {
    let server = servers::milvus_235();
    python::fill(server, "wide", &["--collection", "gone"]);
    let breaks = Breaks {
        after_sent: NEVER,
        // Less than one answer has.
        after_received: 4 << 20,
        times: u32::MAX,
    };
    let proxy = Proxy::start(&server.address, breaks).await;
    let cluster = through(&proxy, Duration::from_secs(2)).await.unwrap();
    let vault = Vault::new();
    let selection = collections("default", &["gone"]);
    let failed = vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &Context::silent())
        .await;
    assert!(
        matches!(failed, Err(Error::Unreachable { .. })),
        "{failed:?}"
    );
    assert_eq!(vault.content(), Vec::<String>::new());
}
