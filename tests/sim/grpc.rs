//! gRPC over HTTP/2, as far as unary calls need it: one message each way behind its length, and trailers. HTTP/2
//! comes from the crate that the client uses, so that tests need no server stack of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::refusal::{Refusal, UNAVAILABLE};
use super::world::World;

/// Flag and length of a message.
const PREFIX: usize = 5;

/// Large requests should not wait for window updates.
const WINDOW: u32 = 64 << 20;

/// How many queries are being answered, and how many were at most.
#[derive(Default)]
pub struct Queries {
    now: AtomicUsize,
    pub most: AtomicUsize,
}

impl Queries {
    fn begin(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

pub async fn serve(listener: TcpListener, world: Arc<Mutex<World>>, queries: Arc<Queries>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, world.clone(), queries.clone()));
    }
}

/// Serves a connection until the client ends it, or an answer is to be lost.
async fn connection(stream: TcpStream, world: Arc<Mutex<World>>, queries: Arc<Queries>) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    let hang_up = Arc::new(Notify::new());
    loop {
        tokio::select! {
            request = connection.accept() => match request {
                Some(Ok((request, respond))) => {
                    let (world, hang_up) = (world.clone(), hang_up.clone());
                    tokio::spawn(call(request, respond, world, queries.clone(), hang_up));
                }
                _ => return,
            },
            () = hang_up.notified() => return,
        }
    }
}

async fn call(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    world: Arc<Mutex<World>>,
    queries: Arc<Queries>,
    hang_up: Arc<Notify>,
) -> Result<(), h2::Error> {
    let method = request
        .uri()
        .path()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let database = request
        .headers()
        .get("dbname")
        .and_then(|name| name.to_str().ok());
    let database = database.unwrap_or_default().to_owned();
    let mut body = request.into_body();
    let mut message = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        message.extend_from_slice(&chunk);
    }
    let is_query = method == "Query";
    if is_query {
        queries.begin();
    }
    // Once for the answer and once for what comes of it: a panic of the simulator must not look like a server's.
    let answer = tokio::task::spawn_blocking(move || {
        let mut world = world.lock().unwrap_or_else(|broken| broken.into_inner());
        world.answer(&method, &database, message.freeze().slice(PREFIX..))
    });
    let answered = answer.await;
    if is_query {
        queries.end();
    }
    let answer = match answered {
        Ok(answer) => answer,
        Err(lost) => Err(Refusal::Grpc(
            UNAVAILABLE,
            format!("the simulator failed: {lost}"),
        )),
    };
    let (message, code, words) = match answer {
        Ok(message) => (Some(message), 0, String::new()),
        Err(Refusal::Grpc(code, words)) => (None, code, words),
        Err(_) => {
            hang_up.notify_one();
            return Ok(());
        }
    };
    let mut head = Response::new(());
    let kind = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", kind);
    let mut stream = respond.send_response(head, false)?;
    if let Some(message) = message {
        let mut framed = BytesMut::with_capacity(PREFIX + message.len());
        framed.put_u8(0);
        framed.put_u32(message.len() as u32);
        framed.extend_from_slice(&message);
        stream.send_data(framed.freeze(), false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    let words = utf8_percent_encode(&words, NON_ALPHANUMERIC).to_string();
    trailers.insert("grpc-message", HeaderValue::from_str(&words).unwrap());
    stream.send_trailers(trailers)
}
