//! All that a server holds, and the way each call takes to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use milvault::milvus::wire::common::{KeyValuePair, ServerInfo, Status};
use milvault::milvus::wire::milvus::*;
use milvault::model::Key;
use prost::Message;

use super::collections::Stored;
use super::import::Imports;
use super::knows::{self, Version};
use super::refusal::{Answer, Outcome, RESOURCE_EXHAUSTED, Refusal, UNAVAILABLE, UNIMPLEMENTED};

/// What somebody else does to the server while a client reads; called at each Query, with the number of Queries
/// before it.
pub type Meanwhile = Box<dyn FnMut(&mut World, u64) + Send>;

/// The service that computes embeddings (`TextEmbedding`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Nobody answers.
    Gone,
    Answers,
}

/// A server.
pub struct World {
    pub version: Version,
    /// The server's clock: a moment for each change and each question.
    pub clock: u64,
    pub databases: BTreeMap<String, BTreeMap<String, Stored>>,
    pub database_properties: BTreeMap<String, Vec<KeyValuePair>>,
    /// Names of collections by database and alias.
    pub aliases: BTreeMap<(String, String), String>,
    /// Users, roles and grants.
    pub access: RbacMeta,
    /// What the server was sent and does not know: see [`super::Sim`].
    pub poison: Vec<String>,
    /// Whether such a thing has killed it.
    pub dead: bool,
    /// How often each call was made.
    pub calls: BTreeMap<String, u64>,
    pub meanwhile: Option<Meanwhile>,
    /// Keys of rows that are counted and never returned.
    pub hidden: Vec<Key>,
    /// Keys of rows that are returned only where nothing but keys is asked for (a fault that no server was seen to have).
    pub bare: Vec<Key>,
    /// What an answer may weigh, in bytes (servers: 64 MiB on 2.2 and 2.3, 100 MiB from 2.4 on).
    pub largest_answer: usize,
    /// Every so many calls, one is refused for its rate.
    pub rate_limit_every: Option<u64>,
    /// Calls whose next answers are lost on the way.
    pub lost_answers: Vec<&'static str>,
    pub provider: Provider,
    pub imports: Imports,
    asked: u64,
    /// The database that the metadata name.
    header: String,
    next_id: i64,
}

impl World {
    pub fn new(version: Version) -> World {
        World {
            version,
            clock: 460_000_000_000_000_000,
            databases: BTreeMap::from([("default".to_owned(), BTreeMap::new())]),
            database_properties: BTreeMap::new(),
            aliases: BTreeMap::new(),
            access: super::rbac::initial(),
            poison: Vec::new(),
            dead: false,
            calls: BTreeMap::new(),
            meanwhile: None,
            // docs/servers-seen.md.
            hidden: if version < (2, 4, 0) {
                vec![Key::Int(i64::MAX)]
            } else {
                Vec::new()
            },
            bare: Vec::new(),
            largest_answer: 64 << 20,
            rate_limit_every: None,
            lost_answers: Vec::new(),
            provider: Provider::Answers,
            imports: Imports::default(),
            asked: 0,
            header: String::new(),
            next_id: 100,
        }
    }

    /// The next moment.
    pub fn tick(&mut self) -> u64 {
        self.clock += 1 << 18;
        self.clock
    }

    pub fn next_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// The database of a call: its own field, else the metadata's (Milvus: the proxy's database interceptor).
    pub fn database_name(&self, named: &str) -> String {
        match (named, self.header.as_str()) {
            ("", "") => "default".to_owned(),
            ("", header) => header.to_owned(),
            (named, _) => named.to_owned(),
        }
    }

    /// Answers a call: an encoded message to an encoded message.
    pub fn answer(&mut self, method: &str, database: &str, message: Bytes) -> Outcome<Bytes> {
        if self.dead {
            return Err(Refusal::Grpc(UNAVAILABLE, "the server has died".into()));
        }
        if !knows::has_call(self.version, method) {
            let words = format!("unknown method {method}");
            return Err(Refusal::Grpc(UNIMPLEMENTED, words));
        }
        self.header = database.to_owned();
        *self.calls.entry(method.to_owned()).or_default() += 1;
        self.asked += 1;
        // `proxy.grpc.serverMaxRecvSize`, 64 MiB in 2.2 to 2.4 (milvus.yaml).
        if message.len() > 64 << 20 {
            let words = format!(
                "grpc: received message larger than max ({} vs. 67108864)",
                message.len()
            );
            return Err(Refusal::Grpc(RESOURCE_EXHAUSTED, words));
        }
        let limited = self
            .rate_limit_every
            .is_some_and(|every| self.asked.is_multiple_of(every));
        let answer = self.dispatch(method, message, limited && method != "Connect");
        if self.dead {
            return Err(Refusal::Grpc(UNAVAILABLE, "the server has died".into()));
        }
        if let Some(position) = self.lost_answers.iter().position(|lost| *lost == method) {
            self.lost_answers.remove(position);
            return Err(Refusal::Silence);
        }
        let answer = answer?;
        if method == "Query" && self.version < (2, 4, 0) && answer.len() > self.largest_answer {
            // docs/servers-seen.md; the words are grpc-go's, seen on 2.2.16 and 2.3.5.
            let words = format!(
                "grpc: trying to send message larger than max ({} vs. {})",
                answer.len(),
                self.largest_answer
            );
            return Err(Refusal::Grpc(RESOURCE_EXHAUSTED, words));
        }
        Ok(answer)
    }

    fn handle<Q: Message + Default, A: Answer>(
        &mut self,
        message: Bytes,
        limited: bool,
        work: fn(&mut World, Q) -> Outcome<A>,
    ) -> Outcome<Bytes> {
        let request = Q::decode(message).unwrap();
        let outcome = if limited {
            Err(Refusal::rate_limit())
        } else {
            work(self, request)
        };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(refusal) => A::refused(refusal.status(self.version).ok_or(refusal)?),
        };
        Ok(answer.encode_to_vec().into())
    }

    fn dispatch(&mut self, method: &str, message: Bytes, limited: bool) -> Outcome<Bytes> {
        macro_rules! calls {
            ($($name:literal $work:ident)*) => {
                match method {
                    $($name => self.handle(message, limited, World::$work),)*
                    _ => Err(Refusal::Grpc(UNIMPLEMENTED, format!("the simulator has no {method}"))),
                }
            };
        }
        calls! {
            "Connect" connect
            "GetVersion" get_version
            "AllocTimestamp" alloc_timestamp
            "ListDatabases" list_databases
            "CreateDatabase" create_database
            "DropDatabase" drop_database
            "DescribeDatabase" describe_database
            "AlterDatabase" alter_database
            "ListResourceGroups" list_resource_groups
            "AlterCollection" alter_collection
            "RenameCollection" rename_collection
            "AlterAlias" alter_alias
            "ShowCollections" show_collections
            "DescribeCollection" describe_collection
            "CreateCollection" create_collection
            "DropCollection" drop_collection
            "GetCollectionStatistics" get_collection_statistics
            "ShowPartitions" show_partitions
            "CreatePartition" create_partition
            "LoadCollection" load_collection
            "ReleaseCollection" release_collection
            "GetLoadState" get_load_state
            "GetLoadingProgress" get_loading_progress
            "GetReplicas" get_replicas
            "Query" query
            "Insert" insert
            "Upsert" upsert
            "Delete" delete_rows
            "Flush" flush
            "GetFlushState" get_flush_state
            "Import" import
            "GetImportState" get_import_state
            "ListImportTasks" list_import_tasks
            "CreateIndex" create_index
            "DropIndex" drop_index
            "DescribeIndex" describe_index
            "CreateAlias" create_alias
            "DropAlias" drop_alias
            "DescribeAlias" describe_alias
            "ListAliases" list_aliases
            "SelectUser" select_user
            "SelectRole" select_role
            "SelectGrant" select_grant
            "BackupRBAC" backup_rbac
            "RestoreRBAC" restore_rbac
            "CreateCredential" create_credential
            "OperateUserRole" operate_user_role
            "OperatePrivilege" operate_privilege
            "OperatePrivilegeGroup" operate_privilege_group
        }
    }

    fn connect(&mut self, _: ConnectRequest) -> Outcome<ConnectResponse> {
        Ok(ConnectResponse {
            status: Some(Status::default()),
            server_info: Some(ServerInfo {
                build_tags: self.version_text(),
                ..ServerInfo::default()
            }),
            identifier: 7,
        })
    }

    fn version_text(&self) -> String {
        let (major, minor, patch) = self.version;
        format!("v{major}.{minor}.{patch}")
    }

    fn get_version(&mut self, _: GetVersionRequest) -> Outcome<GetVersionResponse> {
        Ok(GetVersionResponse {
            version: self.version_text(),
            ..GetVersionResponse::default()
        })
    }

    fn alloc_timestamp(&mut self, _: AllocTimestampRequest) -> Outcome<AllocTimestampResponse> {
        Ok(AllocTimestampResponse {
            timestamp: self.tick(),
            ..AllocTimestampResponse::default()
        })
    }

    fn list_databases(&mut self, _: ListDatabasesRequest) -> Outcome<ListDatabasesResponse> {
        Ok(ListDatabasesResponse {
            db_names: self.databases.keys().cloned().collect(),
            ..ListDatabasesResponse::default()
        })
    }
}

pub fn pair(key: &str, value: &str) -> KeyValuePair {
    KeyValuePair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

pub fn value_of<'a>(pairs: &'a [KeyValuePair], key: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|pair| pair.key == key)?;
    Some(&found.value)
}
