//! A simulated Milvus, for what no server that tests can install does: 2.4 to 3.0, and faults on demand.
//!
//! It speaks the project's own messages over real gRPC on 127.0.0.1, keeps rows in memory, and keeps the rules that
//! the comments name with their source: `docs/servers-seen.md` where a real server was seen to do so, else a file of
//! Milvus's code or a tag of milvus-proto. A client that sends what the version does not know has failed its test:
//! see [`Sim`].

mod alter;
pub mod cells;
mod collections;
pub mod data;
mod define;
mod expr;
mod grpc;
pub mod import;
mod indexes;
mod insert;
mod knows;
mod query;
pub mod rbac;
pub mod refusal;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;

use grpc::Queries;
pub use world::{Provider, World};

/// A running server. Dropping it stops it, and panics if it was sent anything that its version does not know: a
/// real one would have died of it, now or at its next start, or have dropped a part of it without a word.
pub struct Sim {
    /// `127.0.0.1:PORT`.
    pub address: String,
    world: Arc<Mutex<World>>,
    pub queries: Arc<Queries>,
    serving: tokio::task::JoinHandle<()>,
}

impl Sim {
    /// A server of this version.
    pub async fn start(version: (u32, u32, u32)) -> Sim {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let world = Arc::new(Mutex::new(World::new(version)));
        let queries = Arc::new(Queries::default());
        let serving = tokio::spawn(grpc::serve(listener, world.clone(), queries.clone()));
        Sim {
            address,
            world,
            queries,
            serving,
        }
    }

    /// What the server knows and does, to look at and to change between two calls.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.serving.abort();
        let poison = self.world().poison.clone();
        if !poison.is_empty() && !std::thread::panicking() {
            panic!(
                "the server was sent what it does not know: {}",
                poison.join("; ")
            );
        }
    }
}
