//! A connection to a server, and the one way in which calls are made.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use base64::Engine;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response};

use super::status::{Answer, Asked, root_cause, why_unreachable};
use super::wire::common::ClientInfo;
use super::wire::milvus::milvus_service_client::MilvusServiceClient;
use super::wire::milvus::{ConnectRequest, GetVersionRequest};
use super::{Address, Credentials, Product, ServerVersion, Tls};
use crate::error::{Error, Result};
use crate::model::CollectionName;

pub(super) type Client = MilvusServiceClient<Channel>;

/// Milvus's own client keeps connections alive at this pace (pymilvus `grpc_handler.py`), by pings of HTTP/2.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/2 windows: large answers should not wait for window updates.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// The largest answer taken. Servers stop at 64 MiB (2.2, 2.3) to 256 MiB (2.4 on).
const LARGEST_ANSWER: usize = 300 << 20;

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// What messages call the server; its address where this is `None`.
    pub name: Option<String>,
    /// Used where the address carries no credentials.
    pub credentials: Option<Credentials>,
    /// Certificates; only for `https`.
    pub tls: Tls,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How long a call that the server asks to repeat is repeated.
    pub retry_for: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            name: None,
            credentials: None,
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(300),
            retry_for: Duration::from_secs(60),
        }
    }
}

/// A connected server. Clones share the connection.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    address: Address,
    server: String,
    authorization: Option<MetadataValue<Ascii>>,
    identifier: Option<MetadataValue<Ascii>>,
    call_timeout: Duration,
    retry_for: Duration,
    version: ServerVersion,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({})", self.server)
    }
}

/// Whether a call may be made again after an answer that was lost on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The call changes nothing, or the same thing twice.
    Safe,
    /// A lost answer leaves open what happened; only the server's own "try again" is followed.
    OnlyWhenRefused,
}

impl Cluster {
    /// Connects, proves who we are, and asks for the version.
    pub async fn connect(address: &Address, options: &ConnectOptions) -> Result<Cluster> {
        let server = options.name.clone().unwrap_or_else(|| address.to_string());
        let endpoint = endpoint(address, options)?;
        let pinged = endpoint
            .clone()
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let client = dial(&pinged, &server).await?;
        let credentials = address
            .credentials
            .as_ref()
            .or(options.credentials.as_ref());
        let mut cluster = Cluster {
            client,
            address: address.clone(),
            authorization: credentials.map(authorization).transpose()?,
            identifier: None,
            call_timeout: options.call_timeout,
            retry_for: options.retry_for,
            version: ServerVersion::unknown(""),
            server,
        };
        cluster
            .greet(credentials)
            .await
            .map_err(|error| with_tls_hint(error, address, options))?;
        if cluster.version.is_lite_from(0, 0, 0) {
            // It hangs up on whoever pings it more than twice in a call: "Too many pings".
            cluster.client = dial(&endpoint, &cluster.server).await?;
        }
        Ok(cluster)
    }

    /// Says hello (2.2.9 on) and finds the version: `GetVersion`, else what the greeting told. Both are
    /// missing on milvus-lite 2.x, which is known by just that.
    async fn greet(&mut self, credentials: Option<&Credentials>) -> Result<()> {
        let user = match credentials {
            Some(Credentials::Password { user, .. }) => user.clone(),
            _ => String::new(),
        };
        let hello = ConnectRequest {
            client_info: Some(ClientInfo {
                sdk_type: "milvault".into(),
                sdk_version: env!("CARGO_PKG_VERSION").into(),
                user,
                ..Default::default()
            }),
        };
        // Not repeated when it is lost: a server that wants TLS, or a certificate of ours, takes the connection and
        // drops it at the first call, again and again.
        let greeting = self
            .call(
                "Connect",
                "the server",
                // A server that hangs up on the first word is the wrong one, or wants TLS: the user wants to know now.
                Repeat::OnlyWhenRefused,
                hello,
                |mut client, request| async move { client.connect(request).await },
            )
            .await;
        let mut told = None;
        match greeting {
            Ok(answer) => {
                self.identifier = answer
                    .identifier
                    .to_string()
                    .parse()
                    .ok()
                    .filter(|_| answer.identifier != 0);
                told = answer.server_info.map(|info| info.build_tags);
            }
            Err(Error::Unsupported { .. }) => {}
            Err(error) => return Err(error),
        }
        let version = self
            .call(
                "GetVersion",
                "the server",
                Repeat::Safe,
                GetVersionRequest {},
                |mut client, request| async move { client.get_version(request).await },
            )
            .await;
        let text = match version {
            Ok(answer) => answer.version,
            Err(Error::Unsupported { .. }) => match told.filter(|tags| !tags.is_empty()) {
                Some(tags) => tags,
                // Only milvus-lite 2.x knows neither call.
                None => "milvus_lite-2".to_owned(),
            },
            Err(error) => return Err(error),
        };
        self.version = ServerVersion::parse(&text).unwrap_or_else(|| ServerVersion::unknown(&text));
        Ok(())
    }

    /// The server's version.
    pub fn version(&self) -> &ServerVersion {
        &self.version
    }

    /// The address that was connected to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether calls are made in the name of a user.
    pub fn is_logged_in(&self) -> bool {
        self.authorization.is_some()
    }

    /// What messages call the server: `http://host:port` without credentials, or the path of a milvus-lite.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// How long what may help is tried again.
    pub(super) fn retry_for(&self) -> Duration {
        self.retry_for
    }

    /// Makes a call that concerns no database.
    pub(super) async fn call<Q, A, F, Fut>(
        &self,
        call: &'static str,
        subject: &str,
        repeat: Repeat,
        message: Q,
        send: F,
    ) -> Result<A>
    where
        Q: Clone,
        A: Answer,
        F: Fn(Client, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<A>, tonic::Status>>,
    {
        self.call_in("", call, subject, repeat, message, send).await
    }

    /// Makes a call that concerns a collection.
    pub(super) async fn call_on<Q, A, F, Fut>(
        &self,
        name: &CollectionName,
        call: &'static str,
        repeat: Repeat,
        message: Q,
        send: F,
    ) -> Result<A>
    where
        Q: Clone,
        A: Answer,
        F: Fn(Client, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<A>, tonic::Status>>,
    {
        let subject = name.to_string();
        self.call_in(&name.database, call, &subject, repeat, message, send)
            .await
    }

    /// Makes a call within a database: sends it with the metadata that Milvus wants, and repeats it with
    /// jittered back-off where that is safe and may help.
    pub(super) async fn call_in<Q, A, F, Fut>(
        &self,
        database: &str,
        call: &'static str,
        subject: &str,
        repeat: Repeat,
        message: Q,
        send: F,
    ) -> Result<A>
    where
        Q: Clone,
        A: Answer,
        F: Fn(Client, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<A>, tonic::Status>>,
    {
        let asked = Asked {
            server: &self.server,
            lite: self.version.product == Product::Lite,
            call,
            subject,
        };
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_factor(2.0)
            .with_max_delay(Duration::from_secs(3))
            .with_jitter()
            .without_max_times()
            .build();
        let begun = tokio::time::Instant::now();
        loop {
            let request = self.request(database, message.clone());
            let error =
                match tokio::time::timeout(self.call_timeout, send(self.client.clone(), request))
                    .await
                {
                    Ok(Ok(response)) => {
                        let answer = response.into_inner();
                        match answer.status().and_then(|status| asked.refusal(status)) {
                            None => return Ok(answer),
                            Some(refusal) => refusal,
                        }
                    }
                    Ok(Err(status)) => asked.failure(&status),
                    Err(_) => Error::Call {
                        server: self.server.clone(),
                        call,
                        subject: subject.to_owned(),
                        reason: format!(
                            "no answer within {} s; raise --timeout",
                            self.call_timeout.as_secs()
                        ),
                        code: 0,
                        retriable: false,
                    },
                };
            let lost = matches!(error, Error::Unreachable { .. });
            let hopeless = error.is_permanent() || (lost && repeat == Repeat::OnlyWhenRefused);
            match pauses.next() {
                Some(pause) if !hopeless && begun.elapsed() + pause < self.retry_for => {
                    tracing::debug!(%error, ?pause, "trying again");
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }

    fn request<Q>(&self, database: &str, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Some(authorization) = &self.authorization {
            metadata.insert("authorization", authorization.clone());
        }
        if let Some(identifier) = &self.identifier {
            metadata.insert("identifier", identifier.clone());
        }
        // Some calls have no field for the database and read this instead.
        if let Ok(name) = database.parse()
            && !database.is_empty()
        {
            metadata.insert("dbname", name);
        }
        request
    }
}

fn authorization(credentials: &Credentials) -> Result<MetadataValue<Ascii>> {
    let plain = match credentials {
        Credentials::Password { user, password } => format!("{user}:{password}"),
        Credentials::Token(token) => token.clone(),
    };
    let mut value: MetadataValue<Ascii> = base64::engine::general_purpose::STANDARD
        .encode(plain)
        .parse()
        .map_err(|_| Error::Usage("the credentials cannot be sent".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn dial(endpoint: &Endpoint, server: &str) -> Result<Client> {
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| Error::Unreachable {
            server: server.to_owned(),
            reason: why_unreachable(&error),
        })?;
    Ok(MilvusServiceClient::new(channel)
        .max_decoding_message_size(LARGEST_ANSWER)
        .max_encoding_message_size(usize::MAX))
}

fn endpoint(address: &Address, options: &ConnectOptions) -> Result<Endpoint> {
    let mut endpoint = Endpoint::from_shared(address.to_string())
        .map_err(|error| Error::Usage(format!("{address} is not an address: {error}")))?
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEP_ALIVE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if address.tls {
        let mut tls = ClientTlsConfig::new();
        tls = match &options.tls.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read_pem(path)?)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &options.tls.identity {
            tls = tls.identity(Identity::from_pem(read_pem(certificate)?, read_pem(key)?));
        }
        if let Some(name) = &options.tls.server_name {
            tls = tls.domain_name(name);
        }
        endpoint = endpoint.tls_config(tls).map_err(|error| {
            Error::Usage(format!(
                "the certificates cannot be used: {}",
                root_cause(&error)
            ))
        })?;
    }
    Ok(endpoint)
}

/// A server drops a client that does not talk TLS, or shows no certificate, with few words or none.
fn with_tls_hint(error: Error, address: &Address, options: &ConnectOptions) -> Error {
    let hint = match (address.tls, &options.tls.identity) {
        (false, _) => "it may want TLS (https://)",
        (true, None) => "it may want a client certificate (--tls-cert with --tls-key)",
        (true, Some(_)) => return error,
    };
    match error {
        Error::Unreachable { server, reason } => Error::Unreachable {
            server,
            reason: format!("{reason}: it took the connection and dropped it, so {hint}"),
        },
        other => other,
    }
}

fn read_pem(path: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::Store {
        doing: "read",
        uri: path.display().to_string(),
        source,
    })
}
