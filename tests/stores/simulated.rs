//! An HTTP service that answers as it is told: for what no service that can be installed does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Said {
    pub fn new(status: u16, body: impl Into<String>) -> Said {
        Said {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Said {
        self.headers.push((name, value.into()));
        self
    }
}

type Answers = Mutex<Box<dyn FnMut(&Asked) -> Said + Send>>;

/// A service, for as long as the value lives.
pub struct Simulated {
    /// `127.0.0.1:PORT`.
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Simulated {
    pub async fn start(answer: impl FnMut(&Asked) -> Said + Send + 'static) -> Simulated {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(Mutex::new(Box::new(answer)));
        let log = asked.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, answers.clone(), log.clone()));
            }
        });
        Simulated {
            address,
            asked,
            accepting,
        }
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(client: TcpStream, answers: Arc<Answers>, log: Arc<Mutex<Vec<Asked>>>) {
    let mut client = BufReader::new(client);
    while let Some(asked) = receive(&mut client).await {
        let said = (answers.lock().unwrap())(&asked);
        let head = asked.method == "HEAD";
        log.lock().unwrap().push(asked);
        let mut words = format!("HTTP/1.1 {} x\r\n", said.status);
        for (name, value) in &said.headers {
            words.push_str(&format!("{name}: {value}\r\n"));
        }
        if !head {
            words.push_str(&format!("content-length: {}\r\n", said.body.len()));
        }
        words.push_str("\r\n");
        if !head {
            words.push_str(&said.body);
        }
        if client.get_mut().write_all(words.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn receive(client: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    if client.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        asked
            .headers
            .insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = asked.headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    asked.body = vec![0; length];
    client.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}
