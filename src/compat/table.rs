//! The one table of what each server version understands.
//!
//! Rows say from which release on, for Milvus and for milvus-lite, whose versions are its own. Sources: the first
//! tag of milvus-proto that has a message, release notes, Milvus's code, milvus-lite's code, and what real servers
//! did (`docs/servers-seen.md`). Of a server whose version is unknown nothing is taken for granted.

use crate::milvus::{Product, ServerVersion};
use crate::model::{DataType, Function};

/// Something that a server understands, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// A type of fields or of elements.
    Type(DataType),
    /// A part of a collection's definition.
    Feature(Feature),
    /// A kind of function, by its number in milvus-proto's `FunctionType`.
    Function(i32),
    /// A type of indexes.
    Index(&'a str),
    /// A metric of an index.
    Metric(&'a str),
    /// A property of collections.
    Property(&'a str),
    /// Something that can be asked of a server.
    Call(Call),
    /// A type of fields that bulk import reads from an archive's columns.
    Import(DataType),
}

/// A part of a collection's definition that not every server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Databases.
    Databases,
    /// Properties of databases.
    DatabaseProperties,
    /// Partitions of the user's own.
    Partitions,
    /// Other names of a collection.
    Aliases,
    /// Texts that describe collections, fields and functions.
    Descriptions,
    /// A number of shards of the user's choice.
    Shards,
    /// A consistency level of the user's choice.
    ConsistencyLevel,
    /// The dynamic field.
    Dynamic,
    /// A field that spreads rows over partitions.
    PartitionKey,
    /// How many partitions it spreads them over.
    PartitionKeyNumber,
    /// A field that clusters segments.
    ClusteringKey,
    /// NULL in scalar fields.
    Nullable,
    /// NULL in vector fields and in struct arrays.
    NullableVector,
    /// Values for rows that bring none.
    DefaultValue,
    /// More than one vector field in a collection.
    SeveralVectors,
    /// Collections without a vector field.
    NoVector,
    /// `enable_analyzer`, `analyzer_params` and `enable_match` of texts.
    Analyzer,
    /// `mmap.enabled` of fields and of indexes.
    Mmap,
    /// Properties that have no row here, kept as they are.
    AnyProperty,
    /// Indexes with names of the user's choice.
    IndexNames,
    /// Indexes over a path within JSON.
    JsonPathIndex,
    /// The parameter `inverted_index_algo` of sparse indexes.
    SparseAlgorithm,
    /// Defaults for the parameters that an index cannot be built without.
    IndexDefaults,
    /// Loading of collections whose vectors have no index.
    LoadUnindexed,
    /// Rows whose key is the greatest integer, which a query returns.
    GreatestKey,
    /// Texts (also those in arrays) without a greatest length.
    UnlimitedText,
}

/// Something that can be asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Upsert.
    Upsert,
    /// Two changes of aliases at once.
    ConcurrentAliases,
    /// RenameCollection within a database.
    RenameCollection,
    /// AlterCollection, which sets properties.
    AlterCollection,
    /// AlterCollection, which removes properties.
    DeleteProperties,
    /// Properties in CreateDatabase.
    CreateDatabaseWithProperties,
    /// Resource groups in LoadCollection.
    LoadIntoResourceGroups,
    /// Import of Parquet files.
    ImportParquet,
    /// The same of files whose integer keys are packed as archives have them.
    ImportPackedKeys,
    /// The same of several files at once.
    ConcurrentImports,
}

/// Major, minor, patch.
type Release = (u32, u32, u32);

/// The releases from one on, up to another and without it.
#[derive(Clone, Copy)]
struct Span {
    first: Release,
    end: Release,
}

const NO_END: Release = (u32::MAX, 0, 0);

const fn from(major: u32, minor: u32, patch: u32) -> Span {
    Span {
        first: (major, minor, patch),
        end: NO_END,
    }
}

const fn before(major: u32, minor: u32, patch: u32) -> Span {
    Span {
        // 0.0.0 is an unknown version, which is before nothing.
        first: (0, 0, 1),
        end: (major, minor, patch),
    }
}

const EVER: Span = from(2, 0, 0);
const NEVER: Span = Span {
    first: NO_END,
    end: NO_END,
};
const LITE_2: Span = before(3, 0, 0);
const LITE_3: Span = from(3, 0, 0);

/// What is understood, by which Milvus, and by which milvus-lite.
struct Row(Thing<'static>, Span, Span);

use Thing::{
    Call as C, Feature as F, Function as Fn, Import as Im, Index as I, Metric as M, Property as P,
    Type as T,
};

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Types, by the first release that can use them.
    Row(T(DataType::Bool), EVER, EVER),
    Row(T(DataType::Int8), EVER, EVER),
    Row(T(DataType::Int16), EVER, EVER),
    Row(T(DataType::Int32), EVER, EVER),
    Row(T(DataType::Int64), EVER, EVER),
    Row(T(DataType::Float), EVER, EVER),
    Row(T(DataType::Double), EVER, EVER),
    Row(T(DataType::VarChar), EVER, EVER),
    Row(T(DataType::Json), from(2, 2, 9), EVER),
    Row(T(DataType::Array), from(2, 3, 2), EVER),
    Row(T(DataType::Geometry), from(2, 6, 1), LITE_3),
    Row(T(DataType::Timestamptz), from(2, 6, 1), LITE_3),
    Row(T(DataType::Text), from(3, 0, 0), NEVER),
    Row(T(DataType::Mol), from(3, 0, 0), NEVER),
    Row(T(DataType::FloatVector), EVER, EVER),
    Row(T(DataType::Int8Vector), from(2, 6, 0), NEVER),
    // Milvus's documentation of struct arrays says 2.6.4; the wire is older.
    Row(T(DataType::ArrayOfVector), from(2, 6, 4), NEVER),
    Row(T(DataType::ArrayOfStruct), from(2, 6, 4), NEVER),
    Row(T(DataType::BinaryVector), EVER, LITE_2),
    // In the protocol of some 2.3 releases, and gone again in later ones.
    Row(T(DataType::Float16Vector), from(2, 4, 0), LITE_2),
    Row(T(DataType::BFloat16Vector), from(2, 4, 0), LITE_2),
    Row(T(DataType::SparseFloatVector), from(2, 4, 0), EVER),

    // Parts of a definition.
    Row(F(Feature::Databases), from(2, 2, 9), LITE_3),
    Row(F(Feature::DatabaseProperties), from(2, 4, 3), LITE_3),
    Row(F(Feature::Partitions), EVER, LITE_3),
    Row(F(Feature::Aliases), EVER, LITE_3),
    // milvus-lite takes these and forgets them (seen on 2.5.1; 3.2.2: its translators/schema.py).
    Row(F(Feature::Shards), EVER, NEVER),
    Row(F(Feature::ConsistencyLevel), EVER, NEVER),
    Row(F(Feature::Descriptions), EVER, LITE_2),
    Row(F(Feature::PartitionKeyNumber), from(2, 2, 9), NEVER),
    Row(F(Feature::IndexNames), EVER, LITE_2),
    Row(F(Feature::Dynamic), from(2, 2, 9), EVER),
    Row(F(Feature::PartitionKey), from(2, 2, 9), LITE_3),
    Row(F(Feature::ClusteringKey), from(2, 4, 0), NEVER),
    Row(F(Feature::Nullable), from(2, 5, 0), LITE_3),
    Row(F(Feature::NullableVector), from(3, 0, 0), LITE_3),
    Row(F(Feature::DefaultValue), from(2, 5, 0), LITE_3),
    Row(F(Feature::SeveralVectors), from(2, 4, 0), EVER),
    Row(F(Feature::NoVector), before(2, 4, 0), NEVER),
    Row(F(Feature::Analyzer), from(2, 5, 0), LITE_3),
    Row(F(Feature::Mmap), from(2, 4, 10), NEVER),
    // It keeps whatever it is given.
    Row(F(Feature::AnyProperty), NEVER, LITE_3),
    Row(F(Feature::JsonPathIndex), from(2, 5, 0), NEVER),
    Row(F(Feature::SparseAlgorithm), from(2, 5, 4), NEVER),
    Row(F(Feature::IndexDefaults), from(2, 5, 0), EVER),
    Row(F(Feature::LoadUnindexed), NEVER, EVER),
    Row(F(Feature::GreatestKey), from(2, 4, 0), EVER),
    Row(F(Feature::UnlimitedText), NEVER, LITE_3),

    // Functions.
    Row(Fn(Function::BM25), from(2, 5, 0), LITE_3),
    // milvus-lite 3 calls the embedding provider for every row that comes.
    Row(Fn(Function::TEXT_EMBEDDING), from(2, 6, 0), NEVER),
    Row(Fn(Function::RERANK), from(2, 6, 0), NEVER),
    Row(Fn(Function::MIN_HASH), from(3, 0, 0), NEVER),

    // Indexes over vectors.
    Row(I("FLAT"), EVER, EVER),
    Row(I("IVF_FLAT"), EVER, EVER),
    Row(I("AUTOINDEX"), EVER, EVER),
    Row(I("HNSW"), EVER, LITE_3),
    Row(I("IVF_SQ8"), EVER, LITE_3),
    Row(I("IVF_PQ"), EVER, NEVER),
    Row(I("DISKANN"), EVER, NEVER),
    Row(I("ANNOY"), before(2, 3, 0), NEVER),
    Row(I("RHNSW_FLAT"), before(2, 3, 0), NEVER),
    Row(I("RHNSW_SQ"), before(2, 3, 0), NEVER),
    Row(I("RHNSW_PQ"), before(2, 3, 0), NEVER),
    Row(I("SCANN"), from(2, 3, 0), NEVER),
    Row(I("GPU_IVF_FLAT"), from(2, 3, 0), NEVER),
    Row(I("GPU_IVF_PQ"), from(2, 3, 0), NEVER),
    Row(I("GPU_BRUTE_FORCE"), from(2, 4, 0), NEVER),
    Row(I("GPU_CAGRA"), from(2, 4, 0), NEVER),
    Row(I("HNSW_SQ"), from(2, 5, 0), NEVER),
    Row(I("HNSW_PQ"), from(2, 5, 0), NEVER),
    Row(I("HNSW_PRQ"), from(2, 5, 0), NEVER),
    Row(I("IVF_RABITQ"), from(2, 6, 0), NEVER),
    Row(I("AISAQ"), from(2, 6, 0), NEVER),
    Row(I("BIN_FLAT"), EVER, LITE_2),
    Row(I("BIN_IVF_FLAT"), EVER, NEVER),
    Row(I("MINHASH_LSH"), from(2, 6, 0), NEVER),
    Row(I("SPARSE_INVERTED_INDEX"), from(2, 4, 0), EVER),
    Row(I("SPARSE_WAND"), from(2, 4, 0), LITE_2),
    // Indexes over scalars.
    Row(I("Trie"), EVER, NEVER),
    Row(I("STL_SORT"), EVER, NEVER),
    Row(I("INVERTED"), from(2, 4, 0), LITE_3),
    Row(I("BITMAP"), from(2, 5, 0), NEVER),
    Row(I("HYBRID"), from(2, 5, 0), NEVER),
    Row(I("NGRAM"), from(2, 6, 0), NEVER),
    Row(I("RTREE"), from(2, 6, 0), NEVER),

    // Metrics.
    Row(M("L2"), EVER, EVER),
    Row(M("IP"), EVER, EVER),
    Row(M("COSINE"), from(2, 3, 0), EVER),
    Row(M("HAMMING"), EVER, LITE_2),
    Row(M("JACCARD"), EVER, LITE_2),
    Row(M("TANIMOTO"), before(2, 3, 0), NEVER),
    Row(M("SUBSTRUCTURE"), EVER, NEVER),
    Row(M("SUPERSTRUCTURE"), EVER, NEVER),
    Row(M("BM25"), from(2, 5, 0), LITE_3),
    Row(M("MHJACCARD"), from(2, 6, 0), NEVER),
    Row(M("MAX_SIM"), from(2, 6, 0), NEVER),
    Row(M("MAX_SIM_COSINE"), from(2, 6, 0), NEVER),
    Row(M("MAX_SIM_IP"), from(2, 6, 0), NEVER),
    Row(M("MAX_SIM_L2"), from(2, 6, 0), NEVER),
    Row(M("MAX_SIM_HAMMING"), from(2, 6, 0), NEVER),
    Row(M("MAX_SIM_JACCARD"), from(2, 6, 0), NEVER),

    // Properties of collections (Milvus: pkg/common/common.go).
    Row(P("collection.ttl.seconds"), EVER, LITE_3),
    Row(P("ttl_field"), from(3, 0, 0), NEVER),
    Row(P("collection.autocompaction.enabled"), EVER, NEVER),
    Row(P("collection.insertRate.max.mb"), EVER, NEVER),
    Row(P("collection.insertRate.min.mb"), EVER, NEVER),
    Row(P("collection.deleteRate.max.mb"), EVER, NEVER),
    Row(P("collection.deleteRate.min.mb"), EVER, NEVER),
    Row(P("collection.bulkLoadRate.max.mb"), EVER, NEVER),
    Row(P("collection.bulkLoadRate.min.mb"), EVER, NEVER),
    Row(P("collection.queryRate.max.qps"), EVER, NEVER),
    Row(P("collection.queryRate.min.qps"), EVER, NEVER),
    Row(P("collection.searchRate.max.vps"), EVER, NEVER),
    Row(P("collection.searchRate.min.vps"), EVER, NEVER),
    Row(P("collection.diskProtection.diskQuota.mb"), EVER, NEVER),
    Row(P("partition.diskProtection.diskQuota.mb"), from(2, 4, 0), NEVER),
    Row(P("mmap.enabled"), from(2, 3, 0), NEVER),
    Row(P("lazyload.enabled"), from(2, 4, 2), NEVER),
    Row(P("partitionkey.isolation"), from(2, 4, 7), NEVER),
    Row(P("collection.replica.number"), from(2, 4, 9), NEVER),
    Row(P("collection.resource_groups"), from(2, 4, 9), NEVER),
    Row(P("indexoffsetcache.enabled"), from(2, 4, 10), NEVER),
    Row(P("load_priority"), from(2, 6, 0), NEVER),
    Row(P("timezone"), from(2, 6, 1), LITE_3),
    Row(P("allow_update_auto_id"), from(2, 6, 0), NEVER),
    Row(P(ALLOW_AUTO_ID), from(2, 6, 3), NEVER),
    Row(P(ALLOW_FUNCTION_OUTPUTS), from(2, 6, 3), NEVER),
    Row(P(NO_FUNCTION_CHECK), from(2, 6, 8), NEVER),
    Row(P("namespace.enabled"), from(2, 6, 9), NEVER),
    Row(P("query_mode"), from(2, 6, 14), NEVER),
    Row(P("warmup"), from(2, 6, 9), NEVER),
    Row(P("warmup.scalarField"), from(2, 6, 9), NEVER),
    Row(P("warmup.scalarIndex"), from(2, 6, 9), NEVER),
    Row(P("warmup.vectorField"), from(2, 6, 9), NEVER),
    Row(P("warmup.vectorIndex"), from(2, 6, 9), NEVER),
    Row(P("rls.enabled"), from(3, 0, 0), NEVER),
    Row(P("rls.force"), from(3, 0, 0), NEVER),

    // Calls.
    Row(C(Call::Upsert), from(2, 3, 0), EVER),
    // milvus-lite 3.2.2 loses one of two changes of aliases that come at once (seen).
    Row(C(Call::ConcurrentAliases), EVER, NEVER),
    Row(C(Call::RenameCollection), from(2, 2, 3), LITE_3),
    Row(C(Call::AlterCollection), EVER, LITE_3),
    Row(C(Call::DeleteProperties), from(2, 4, 18), LITE_3),
    Row(C(Call::CreateDatabaseWithProperties), from(2, 4, 6), LITE_3),
    Row(C(Call::LoadIntoResourceGroups), from(2, 2, 3), NEVER),
    // 2.3.4 release notes; 2.2.16: "unsupported file type" (seen).
    Row(C(Call::ImportParquet), from(2, 3, 4), NEVER),
    // DELTA_BINARY_PACKED with arrow-go 12, which 2.5 and older have: keys are shifted, or the server dies (seen on
    // 2.3.5). 2.6 has 17 (milvus pull request 39916).
    Row(C(Call::ImportPackedKeys), from(2, 6, 0), NEVER),
    // A data node of 2.3.5 has one job at a time (seen); 2.4 on has dataNode.import.maxConcurrentTaskNum.
    Row(C(Call::ConcurrentImports), from(2, 4, 0), NEVER),

    // Bulk import (Milvus: internal/util/importutil, importutilv2/parquet).
    Row(Im(DataType::Bool), from(2, 3, 4), NEVER),
    Row(Im(DataType::Int8), from(2, 3, 4), NEVER),
    Row(Im(DataType::Int16), from(2, 3, 4), NEVER),
    Row(Im(DataType::Int32), from(2, 3, 4), NEVER),
    Row(Im(DataType::Int64), from(2, 3, 4), NEVER),
    Row(Im(DataType::Float), from(2, 3, 4), NEVER),
    Row(Im(DataType::Double), from(2, 3, 4), NEVER),
    Row(Im(DataType::VarChar), from(2, 3, 4), NEVER),
    Row(Im(DataType::Json), from(2, 3, 4), NEVER),
    Row(Im(DataType::Array), from(2, 3, 4), NEVER),
    Row(Im(DataType::FloatVector), from(2, 3, 4), NEVER),
    Row(Im(DataType::BinaryVector), from(2, 3, 4), NEVER),
    Row(Im(DataType::Float16Vector), from(2, 4, 0), NEVER),
    Row(Im(DataType::BFloat16Vector), from(2, 4, 0), NEVER),
    // 2.4 wants JSON, not indices and values.
    Row(Im(DataType::SparseFloatVector), from(2, 5, 0), NEVER),
    Row(Im(DataType::Int8Vector), from(2, 6, 0), NEVER),
    Row(Im(DataType::Geometry), from(2, 6, 1), NEVER),
    Row(Im(DataType::Timestamptz), from(2, 6, 1), NEVER),
    Row(Im(DataType::ArrayOfStruct), from(2, 6, 4), NEVER),
    Row(Im(DataType::Text), from(3, 0, 0), NEVER),
];

/// The property that lets rows bring the keys of a collection that makes its keys (Milvus 2.6.3 release notes).
pub(super) const ALLOW_AUTO_ID: &str = "allow_insert_auto_id";
/// The property that lets rows bring what a function would make, except for BM25 (Milvus: common.go).
pub(super) const ALLOW_FUNCTION_OUTPUTS: &str =
    "collection.function.allowInsertNonBM25FunctionOutputs";
/// The property that lets a collection be made while its embedding provider cannot be called (milvus-backup).
pub(super) const NO_FUNCTION_CHECK: &str = "disable_func_runtime_check";

/// Whether a server of this version understands something.
pub fn knows(version: &ServerVersion, thing: Thing<'_>) -> bool {
    let found = TABLE.iter().find(|Row(known, ..)| *known == thing);
    found.is_some_and(|Row(_, milvus, lite)| {
        let span = match version.product {
            Product::Milvus => milvus,
            Product::Lite => lite,
        };
        span.first <= version.number && version.number < span.end
    })
}

/// Whether some version understands it.
pub fn is_known(thing: Thing<'_>) -> bool {
    TABLE.iter().any(|Row(known, ..)| *known == thing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ServerVersion {
        ServerVersion::parse(text).unwrap()
    }

    /// Every release line that is out, as its servers name themselves.
    const SERVERS: [&str; 9] = [
        "v2.2.16-lite",
        "v2.3.5-lite",
        "v2.4.23",
        "v2.5.18",
        "v2.6.2",
        "v2.6.14",
        "v3.0.0",
        "milvus_lite-2",
        "milvus_lite-3.2.2",
    ];

    /// `x` for each server of [`SERVERS`] that knows it.
    fn known_by(thing: Thing<'_>) -> String {
        let mark = |server| {
            if knows(&version(server), thing) {
                'x'
            } else {
                '.'
            }
        };
        SERVERS.into_iter().map(mark).collect()
    }

    #[test]
    fn each_release_knows_what_its_notes_say() {
        for (thing, by) in [
            (T(DataType::FloatVector), "xxxxxxxxx"),
            (T(DataType::Json), "xxxxxxxxx"),
            (T(DataType::Array), ".xxxxxxxx"),
            (T(DataType::BinaryVector), "xxxxxxxx."),
            (T(DataType::Float16Vector), "..xxxxxx."),
            (T(DataType::SparseFloatVector), "..xxxxxxx"),
            (T(DataType::Geometry), "....xxx.x"),
            (T(DataType::Timestamptz), "....xxx.x"),
            (T(DataType::Int8Vector), "....xxx.."),
            (T(DataType::ArrayOfStruct), ".....xx.."),
            (T(DataType::Text), "......x.."),
            (T(DataType::Mol), "......x.."),
            (T(DataType::Unknown(77)), "........."),
            (F(Feature::Databases), "xxxxxxx.x"),
            (F(Feature::DatabaseProperties), "..xxxxx.x"),
            (F(Feature::Nullable), "...xxxx.x"),
            (F(Feature::NullableVector), "......x.x"),
            (F(Feature::DefaultValue), "...xxxx.x"),
            (F(Feature::ClusteringKey), "..xxxxx.."),
            (F(Feature::PartitionKey), "xxxxxxx.x"),
            (F(Feature::GreatestKey), "..xxxxxxx"),
            (Fn(Function::BM25), "...xxxx.x"),
            (Fn(Function::TEXT_EMBEDDING), "....xxx.."),
            (Fn(Function::RERANK), "....xxx.."),
            (Fn(Function::MIN_HASH), "......x.."),
            (Fn(99), "........."),
            (I("ANNOY"), "x........"),
            (I("SCANN"), ".xxxxxx.."),
            (I("INVERTED"), "..xxxxx.x"),
            (I("BITMAP"), "...xxxx.."),
            (I("IVF_RABITQ"), "....xxx.."),
            (I("Trie"), "xxxxxxx.."),
            (M("COSINE"), ".xxxxxxxx"),
            (M("TANIMOTO"), "x........"),
            (P(ALLOW_AUTO_ID), ".....xx.."),
            (P(NO_FUNCTION_CHECK), ".....xx.."),
            (C(Call::Upsert), ".xxxxxxxx"),
            (C(Call::RenameCollection), "xxxxxxx.x"),
            (C(Call::DeleteProperties), "..xxxxx.x"),
            (C(Call::ImportParquet), ".xxxxxx.."),
            (C(Call::ImportPackedKeys), "....xxx.."),
            (C(Call::ConcurrentImports), "..xxxxx.."),
            (Im(DataType::Array), ".xxxxxx.."),
            (Im(DataType::SparseFloatVector), "...xxxx.."),
            (Im(DataType::ArrayOfStruct), ".....xx.."),
            (Im(DataType::Mol), "........."),
        ] {
            assert_eq!(known_by(thing), by, "{thing:?}");
        }
    }

    #[test]
    fn a_server_of_unknown_version_knows_nothing() {
        let unknown = ServerVersion::unknown("master-20231201-abc");
        assert!(TABLE.iter().all(|Row(thing, ..)| !knows(&unknown, *thing)));
    }

    #[test]
    fn nothing_has_two_rows() {
        for (at, Row(thing, ..)) in TABLE.iter().enumerate() {
            assert!(
                !TABLE[..at].iter().any(|Row(other, ..)| other == thing),
                "{thing:?}"
            );
        }
    }
}
