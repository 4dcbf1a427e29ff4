//! A TCP proxy on 127.0.0.1 that breaks connections as networks do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a proxy breaks the connections that go through it.
#[derive(Clone, Copy, Debug)]
pub struct Breaks {
    /// A connection breaks once so many bytes of requests have gone through it; what the server answers to
    /// the last of them is lost.
    pub after_sent: u64,
    /// Or so many bytes of answers.
    pub after_received: u64,
    /// So many connections break; later ones last.
    pub times: u32,
}

/// A proxy, for as long as the value lives.
pub struct Proxy {
    /// `127.0.0.1:PORT`.
    pub address: String,
    broken: Arc<AtomicU32>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Forwards to `server`, which is `127.0.0.1:PORT`.
    pub async fn start(server: &str, breaks: Breaks) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let broken = Arc::new(AtomicU32::new(0));
        let (server, counter) = (server.to_owned(), broken.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(&server).await else {
                    continue;
                };
                tokio::spawn(forward(client, upstream, breaks, counter.clone()));
            }
        });
        Proxy {
            address,
            broken,
            accepting,
        }
    }

    /// How many connections were broken.
    pub fn broken(&self) -> u32 {
        self.broken.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(client: TcpStream, server: TcpStream, breaks: Breaks, broken: Arc<AtomicU32>) {
    let lasting = broken.load(Ordering::SeqCst) >= breaks.times;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = || {
        !lasting
            && (sent.load(Ordering::SeqCst) >= breaks.after_sent
                || received.load(Ordering::SeqCst) >= breaks.after_received)
    };
    let requests = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from_client.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    if to_server.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                    sent.fetch_add(read as u64, Ordering::SeqCst);
                    if over() {
                        // The server works on what it has got; nobody hears of it.
                        tokio::time::sleep(Duration::from_millis(400)).await;
                        return;
                    }
                }
            }
        }
    };
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from_server.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) if !over() => {
                    if to_client.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                    received.fetch_add(read as u64, Ordering::SeqCst);
                    if received.load(Ordering::SeqCst) >= breaks.after_received && over() {
                        return;
                    }
                }
                Ok(_) => {}
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
    if over() {
        broken.fetch_add(1, Ordering::SeqCst);
    }
}
