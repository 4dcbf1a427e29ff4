//! Requests that are sent as they are, and answers that nobody reads: what a server can do at most.

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes};
use futures::stream::{self, StreamExt, TryStreamExt};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::Failure;

/// As many as an export has in flight by default.
const IN_FLIGHT: usize = 4;

/// HTTP/2 windows as large as milvault's.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// A call of Milvus's service.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Query,
    Insert,
}

impl Call {
    fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Call::Query => "/milvus.proto.milvus.MilvusService/Query",
            Call::Insert => "/milvus.proto.milvus.MilvusService/Insert",
        })
    }
}

/// What sending all requests took.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub time: Duration,
    /// Bytes of the answers.
    pub received: u64,
}

/// A connection.
pub async fn connect(address: &str) -> Result<Channel, Failure> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    Ok(endpoint.connect().await?)
}

/// Sends encoded requests, and throws the answers away.
pub async fn exchange(
    channel: &Channel,
    call: Call,
    requests: &[Bytes],
) -> Result<Exchange, Failure> {
    let start = Instant::now();
    let received = stream::iter(requests.iter().cloned())
        .map(|request| {
            let sending = send(channel.clone(), call, request);
            async { tokio::spawn(sending).await? }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_fold(0, |sum, bytes| async move { Ok(sum + bytes) })
        .await?;
    Ok(Exchange {
        time: start.elapsed(),
        received,
    })
}

async fn send(channel: Channel, call: Call, request: Bytes) -> Result<u64, Failure> {
    let mut client = Grpc::new(channel)
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX);
    client.ready().await?;
    let answer = client
        .unary(Request::new(request), call.path(), Raw)
        .await?;
    Ok(answer.into_inner())
}

/// Bytes go out as they are; of what comes in, the length is kept.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = u64;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = u64;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<u64>, Status> {
        let length = from.remaining();
        from.advance(length);
        Ok(Some(length as u64))
    }
}
