//! S3 over a network that breaks, and services that do less than they should.

use milvault::Error;
use milvault::store::{Role, StoreOptions};

use crate::conformance::{noise, put, put_as};
use crate::support::buckets;
use crate::support::proxy::{Breaks, Proxy};
use crate::support::servers;

async fn through(proxy: &Proxy) -> StoreOptions {
    let mut options = buckets::options();
    options.s3.endpoint = Some(format!("http://{}", proxy.address));
    options
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_for_ours() {
    let uri = format!("s3://{}/x", buckets::bucket(false).await);
    // The request is through with its body, and its answer is not.
    let breaks = Breaks {
        after_sent: 20_000,
        after_received: u64::MAX,
        times: 1,
    };
    let proxy = Proxy::start(&servers::seaweedfs().address, breaks).await;
    let store = buckets::open(&uri, &through(&proxy).await).await;
    put(&store, "object", noise(20_000, 1)).await.unwrap();
    assert_eq!(proxy.broken(), 1);
    assert!(store.read("object").await.unwrap() == noise(20_000, 1));
    let again = put(&store, "object", noise(20_000, 1)).await;
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
}

#[tokio::test]
async fn an_upload_and_a_read_survive_broken_connections() {
    let uri = format!("s3://{}/x", buckets::bucket(false).await);
    let size = 40 << 20;
    let breaks = Breaks {
        after_sent: 3 << 20,
        after_received: 11 << 20,
        times: 3,
    };
    let proxy = Proxy::start(&servers::seaweedfs().address, breaks).await;
    let store = buckets::open(&uri, &through(&proxy).await).await;
    put(&store, "object", noise(size, 2)).await.unwrap();
    // Connections that are open together break together.
    assert!(proxy.broken() >= 3, "{}", proxy.broken());

    let proxy = Proxy::start(&servers::seaweedfs().address, Breaks { times: 2, ..breaks }).await;
    let store = buckets::open(&uri, &through(&proxy).await).await;
    assert!(store.read("object").await.unwrap() == noise(size, 2));
    assert!(proxy.broken() >= 2, "{}", proxy.broken());
}

#[tokio::test]
async fn without_conditional_writes_a_name_is_looked_for_first() {
    let uri = format!("s3://{}/x", buckets::bucket(false).await);
    let mut options = buckets::options();
    options.s3.no_conditional_writes = true;
    let store = buckets::open(&uri, &options).await;
    for role in [Role::Mark, Role::Part] {
        let path = format!("{role:?}");
        put_as(&store, &path, "first", role).await.unwrap();
        let second = put_as(&store, &path, noise(20 << 20, 1), role).await;
        assert!(matches!(second, Err(Error::Exists { .. })), "{second:?}");
        assert_eq!(store.read(&path).await.unwrap(), "first");
    }
}
