//! Databases and the collections in them.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};

use super::Cluster;
use super::cluster::Repeat;
use super::query::pair;
use super::wire::common::{ConsistencyLevel, KeyValuePair};
use super::wire::milvus::{
    AlterDatabaseRequest, CreateDatabaseRequest, DescribeDatabaseRequest, DropDatabaseRequest,
    GetCollectionStatisticsRequest, ListDatabasesRequest, QueryRequest, ShowCollectionsRequest,
};
use super::wire::schema::field_data::Field as FieldKind;
use super::wire::schema::scalar_field::Data;
use crate::error::{Error, Result};
use crate::model::{CollectionName, DEFAULT_DATABASE};

/// How many databases are asked for their collections at a time.
const LISTED_AT_ONCE: usize = 8;

impl Cluster {
    /// The databases of the server, sorted by name: `default` alone where it has none (before 2.2.9, milvus-lite
    /// 2.x). Milvus 2.3.5 itself lists them in another order each time.
    pub async fn databases(&self) -> Result<Vec<String>> {
        let answer = self
            .call(
                "ListDatabases",
                "the server",
                Repeat::Safe,
                ListDatabasesRequest {},
                |mut client, request| async move { client.list_databases(request).await },
            )
            .await;
        match answer {
            Ok(mut answer) => {
                answer.db_names.sort();
                Ok(answer.db_names)
            }
            Err(Error::Unsupported { .. }) => Ok(vec![DEFAULT_DATABASE.to_owned()]),
            Err(error) => Err(error),
        }
    }

    /// The same, for work in the databases `named` alone: where the user may not list databases, those of the named
    /// ones that are there. Where nothing is named, all are meant.
    pub async fn databases_for(&self, named: &[String]) -> Result<Vec<String>> {
        match self.databases().await {
            Err(Error::Denied { .. }) if !named.is_empty() => self.databases_among(named).await,
            Err(Error::Denied {
                server,
                call,
                subject,
                reason,
                privilege,
            }) => Err(Error::Denied {
                server,
                call,
                subject,
                reason: format!(
                    "{reason}; without that right, name databases (--database, or …/DATABASE in the address)"
                ),
                privilege,
            }),
            listed => listed,
        }
    }

    async fn databases_among(&self, named: &[String]) -> Result<Vec<String>> {
        let mut there = Vec::with_capacity(named.len());
        for name in named {
            match self.collections(name).await {
                Ok(_) => there.push(name.clone()),
                Err(Error::NoDatabase { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(there)
    }

    /// Makes a database, with properties from 2.4.6 on.
    pub async fn create_database(
        &self,
        name: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let message = CreateDatabaseRequest {
            db_name: name.to_owned(),
            properties: to_pairs(properties),
        };
        self.call(
            "CreateDatabase",
            name,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.create_database(request).await },
        )
        .await?;
        Ok(())
    }

    /// Removes a database, which must be empty.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let message = DropDatabaseRequest {
            db_name: name.to_owned(),
        };
        self.call(
            "DropDatabase",
            name,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.drop_database(request).await },
        )
        .await?;
        Ok(())
    }

    /// The properties of a database; none where the server does not know any (before 2.4.3).
    pub async fn database_properties(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let message = DescribeDatabaseRequest {
            db_name: name.to_owned(),
        };
        let answer = self
            .call_in(
                name,
                "DescribeDatabase",
                name,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.describe_database(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(from_pairs(answer.properties)),
            Err(Error::Unsupported { .. }) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// Sets properties of a database, and leaves its others as they are (2.4.3 on).
    pub async fn alter_database(
        &self,
        name: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let message = AlterDatabaseRequest {
            db_name: name.to_owned(),
            properties: to_pairs(properties),
        };
        self.call_in(
            name,
            "AlterDatabase",
            name,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.alter_database(request).await },
        )
        .await?;
        Ok(())
    }

    /// The collections of a database, sorted by name.
    pub async fn collections(&self, database: &str) -> Result<Vec<CollectionName>> {
        let message = ShowCollectionsRequest {
            db_name: database.to_owned(),
        };
        let answer = self
            .call_in(
                database,
                "ShowCollections",
                database,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.show_collections(request).await },
            )
            .await?;
        let mut names: Vec<_> = answer
            .collection_names
            .into_iter()
            .map(|name| CollectionName::new(database, name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The names of all collections in databases that were just listed. One that somebody has dropped since has none.
    pub async fn collections_in(&self, databases: &[String]) -> Result<Vec<CollectionName>> {
        let list = async |database: &String| match self.collections(database).await {
            Err(Error::NoDatabase { .. }) if databases.len() > 1 => Ok(Vec::new()),
            listed => listed,
        };
        let list = &list;
        let held: Vec<_> = stream::iter(databases)
            .map(|database| async move { list(database).await })
            .buffered(LISTED_AT_ONCE)
            .try_collect()
            .await?;
        Ok(held.concat())
    }

    /// The number of rows as the server counts them: `count(*)`, which sees deletes, from 2.3 and on
    /// milvus-lite, and needs a loaded collection; `None` where the server cannot tell.
    ///
    /// Rows that share a primary key are counted each (seen on 2.3.5), though a query returns one of them.
    pub async fn count(&self, name: &CollectionName) -> Result<Option<u64>> {
        self.count_at(name, None, "", 0).await
    }

    /// The same under an expression, in one partition where one is named, and with everything up to a moment, as
    /// a server gave it; it is just the state of that moment where the server pins reads. 0 is the present, which
    /// has to be waited for (200 ms and more on 2.3.5).
    pub async fn count_at(
        &self,
        name: &CollectionName,
        partition: Option<&str>,
        expr: &str,
        timestamp: u64,
    ) -> Result<Option<u64>> {
        let lite = self.version().is_lite_from(0, 0, 0);
        // milvus-lite 3.2.2 counts the whole collection whatever partition is named.
        let counts = lite || self.version().is_milvus_from(2, 3, 0) || !self.version().is_known();
        if !counts || (lite && partition.is_some()) {
            return Ok(None);
        }
        // From 2.4 on, what pins a count to its moment is what pins a page.
        let pinned = self.version().may_pin_reads();
        let answer = self
            .read(QueryRequest {
                db_name: name.database.clone(),
                collection_name: name.collection.clone(),
                output_fields: vec!["count(*)".into()],
                expr: expr.to_owned(),
                partition_names: partition.map(str::to_owned).into_iter().collect(),
                guarantee_timestamp: timestamp,
                query_params: pinned
                    .then(|| pair("iterator", "True"))
                    .into_iter()
                    .collect(),
                consistency_level: ConsistencyLevel::Strong.into(),
            })
            .await?;
        let count = answer
            .fields_data
            .iter()
            .find_map(|data| match &data.field {
                Some(FieldKind::Scalars(scalars)) => match &scalars.data {
                    Some(Data::LongData(longs)) => longs.data.first().copied(),
                    _ => None,
                },
                _ => None,
            });
        Ok(count.and_then(|count| u64::try_from(count).ok()))
    }

    /// The rows that were ever flushed, deleted ones too (`GetCollectionStatistics`): good for a display.
    pub async fn stored_rows(&self, name: &CollectionName) -> Result<Option<u64>> {
        let message = GetCollectionStatisticsRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        let answer = self
            .call_on(name, "GetCollectionStatistics", Repeat::Safe, message, |mut client, request| async move {
                client.get_collection_statistics(request).await
            })
            .await;
        match answer {
            Ok(answer) => Ok(from_pairs(answer.stats)
                .get("row_count")
                .and_then(|rows| rows.parse().ok())),
            Err(Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Key-value pairs as a map.
pub(super) fn from_pairs(pairs: Vec<KeyValuePair>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect()
}

/// A map as key-value pairs, in order of key.
pub(super) fn to_pairs(map: &BTreeMap<String, String>) -> Vec<KeyValuePair> {
    map.iter()
        .map(|(key, value)| KeyValuePair {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}
