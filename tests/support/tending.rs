//! Collections that no test uses any more are released: loaded, each costs Milvus a half percent of a core, and tests make
//! hundreds of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use milvault::Result;

use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::model::CollectionName;

/// Databases that tests use one after the other.
const SHARED: [&str; 1] = ["bad_input"];

/// Who uses which servers.
#[derive(Default)]
struct Using {
    /// The threads of tests, by numbers of ours.
    threads: BTreeSet<u64>,
    begun: u64,
    servers: BTreeSet<String>,
}

fn using() -> MutexGuard<'static, Using> {
    static USING: Mutex<Using> = Mutex::new(Using {
        threads: BTreeSet::new(),
        begun: 0,
        servers: BTreeSet::new(),
    });
    USING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread of a test, from when it first asks for a server to its end.
struct User(u64);

impl User {
    fn begin() -> User {
        let mut using = using();
        using.begun += 1;
        let number = using.begun;
        using.threads.insert(number);
        User(number)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        using().threads.remove(&self.0);
        let _ = gardener().send(());
    }
}

thread_local! {
    static USER: User = User::begin();
}

/// This thread uses the server at this address, and is the only one to use what is made there while it runs.
pub fn used(address: &str) {
    USER.with(|_| ());
    let mut using = using();
    if !using.servers.contains(address) {
        using.servers.insert(address.to_owned());
    }
}

/// Hears when a test has ended.
fn gardener() -> &'static Sender<()> {
    static GARDENER: OnceLock<Sender<()>> = OnceLock::new();
    GARDENER.get_or_init(|| {
        let (tell, told) = channel();
        std::thread::spawn(move || tend(&told));
        tell
    })
}

fn tend(told: &Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Of each collection, those threads that ran when it was first seen: others do not use it. `None` where it was
    // released.
    let mut users = HashMap::new();
    while told.recv().is_ok() {
        while told.try_recv().is_ok() {}
        let servers = using().servers.clone();
        for server in servers {
            // Whatever goes wrong, the tests do without.
            let _ = runtime.block_on(release_unused(&server, &mut users));
        }
    }
}

async fn release_unused(
    server: &str,
    users: &mut HashMap<(String, CollectionName), Option<BTreeSet<u64>>>,
) -> Result<()> {
    let address = Address::parse(&format!("http://{server}"))?;
    let cluster = Cluster::connect(&address, &ConnectOptions::default()).await?;
    let databases = match cluster.databases().await {
        Ok(databases) => databases,
        Err(_) => vec![String::new()],
    };
    let listed = cluster.collections_in(&databases).await?;
    // One that was dropped may be made anew, for others.
    users.retain(|(at, name), _| at != server || listed.contains(name));
    for name in listed {
        if SHARED.contains(&&*name.database) {
            continue;
        }
        let running = using().threads.clone();
        let users = users
            .entry((server.to_owned(), name.clone()))
            .or_insert_with(|| Some(running.clone()));
        if users
            .as_ref()
            .is_some_and(|users| users.is_disjoint(&running))
        {
            let _ = cluster.release(&name).await;
            *users = None;
        }
    }
    Ok(())
}
