//! What which version knows. Deliberately not `milvault::compat`, which the tests hold against this.

use milvault::milvus::wire::milvus::CreateCollectionRequest;
use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema};

/// Major, minor, patch.
pub type Version = (u32, u32, u32);

/// The first server that can hold values of a type (release notes; the type's number is often older in
/// milvus-proto's `schema.proto`).
fn type_since(data_type: i32) -> Option<Version> {
    Some(match data_type {
        1..=5 | 10 | 11 | 21 | 100 | 101 => (2, 0, 0),
        23 => (2, 2, 9),
        22 => (2, 3, 2),
        102..=104 => (2, 4, 0),
        24 | 26 => (2, 6, 1),
        105 => (2, 6, 0),
        // Array of structs: documentation of 2.6.4.
        106 | 200 => (2, 6, 4),
        25 | 27 => (3, 0, 0),
        _ => return None,
    })
}

/// `FunctionType` of `schema.proto`: BM25 and TextEmbedding from 2.5, Rerank from 2.6, the others from 3.0.
fn function_since(kind: i32) -> Option<Version> {
    Some(match kind {
        1 | 2 => (2, 5, 0),
        3 => (2, 6, 0),
        4 | 5 => (3, 0, 0),
        _ => return None,
    })
}

/// Index types (release notes).
pub fn index_since(kind: &str) -> Option<Version> {
    Some(match kind {
        "FLAT" | "IVF_FLAT" | "IVF_SQ8" | "IVF_PQ" | "HNSW" | "DISKANN" | "AUTOINDEX"
        | "BIN_FLAT" | "BIN_IVF_FLAT" | "Trie" | "STL_SORT" => (2, 2, 0),
        "SCANN" | "GPU_IVF_FLAT" | "GPU_IVF_PQ" => (2, 3, 0),
        "SPARSE_INVERTED_INDEX" | "SPARSE_WAND" | "INVERTED" | "GPU_CAGRA" | "GPU_BRUTE_FORCE" => {
            (2, 4, 0)
        }
        "BITMAP" | "HNSW_SQ" | "HNSW_PQ" | "HNSW_PRQ" => (2, 5, 0),
        "NGRAM" | "RTREE" | "MINHASH_LSH" | "IVF_RABITQ" | "AISAQ" => (2, 6, 0),
        _ => return None,
    })
}

/// What a schema asks for that a server of this version does not know. Some of it kills the server: Milvus 2.3.5
/// takes type 24 and dies on the first insert and at every start after that; milvus-lite 2.5.1 dies on a default
/// value. The rest is dropped without a word: old servers do not know the proto field.
pub fn unknown(version: Version, schema: &CollectionSchema) -> Vec<String> {
    let mut found = Vec::new();
    let mut need = |what: String, since: Option<Version>| {
        if since.is_none_or(|since| version < since) {
            found.push(what);
        }
    };
    let nested = schema.struct_array_fields.iter();
    let all_fields = schema
        .fields
        .iter()
        .chain(nested.flat_map(|one| &one.fields));
    for field in all_fields {
        let name = &field.name;
        need(
            format!("type {} of {name}", field.data_type),
            type_since(field.data_type),
        );
        if field.element_type != 0 {
            need(
                format!("elements of {name}"),
                type_since(field.element_type),
            );
        }
        if field.element_nullable {
            need(format!("null elements of {name}"), None);
        }
        if !field.default_value.is_empty() {
            need(format!("the default of {name}"), Some((2, 5, 0)));
        }
        if field.nullable {
            // Scalars from 2.5.0, vectors from 3.0 (pull request 45993).
            let vector = (100..200).contains(&field.data_type);
            let since = if vector { (3, 0, 0) } else { (2, 5, 0) };
            need(format!("null values of {name}"), Some(since));
        }
        if field.is_partition_key {
            need(format!("the partition key {name}"), Some((2, 2, 9)));
        }
        if field.is_clustering_key {
            need(format!("the clustering key {name}"), Some((2, 4, 0)));
        }
    }
    for function in &schema.functions {
        need(
            format!("the function {}", function.name),
            function_since(function.r#type),
        );
    }
    if !schema.struct_array_fields.is_empty() {
        need("struct arrays".into(), Some((2, 6, 4)));
    }
    if schema.enable_dynamic_field {
        need("dynamic fields".into(), Some((2, 2, 9)));
    }
    found
}

/// Properties that a server must know to heed them: the first version of each (release notes 2.6.3; milvus-backup
/// `coll_ddl_task.go`).
pub fn unknown_properties(version: Version, request: &CreateCollectionRequest) -> Vec<String> {
    let since = |key: &str| match key {
        "allow_insert_auto_id" => Some((2, 6, 3)),
        "disable_func_runtime_check" => Some((2, 6, 8)),
        _ => None,
    };
    let keys = request.properties.iter().map(|pair| pair.key.as_str());
    keys.filter(|key| since(key).is_some_and(|since| version < since))
        .map(|key| format!("the property {key}"))
        .collect()
}

/// Removes from a field what a decoder of this version would not have seen.
pub fn forget(version: Version, field: &mut FieldSchema) {
    if version < (2, 5, 0) {
        field.nullable = false;
        field.is_function_output = false;
        field.default_value = Default::default();
    }
    if version < (2, 4, 0) {
        field.is_clustering_key = false;
    }
}

/// Whether a server of this version has a call (milvus-proto, the first tag that has it).
pub fn has_call(version: Version, call: &str) -> bool {
    let since = match call {
        "Connect" | "ListDatabases" | "CreateDatabase" | "DropDatabase" => (2, 2, 9),
        "AllocTimestamp" => (2, 2, 13),
        "Upsert" | "DescribeAlias" | "ListAliases" => (2, 3, 0),
        "AlterDatabase" => (2, 4, 1),
        "DescribeDatabase" => (2, 4, 3),
        "BackupRBAC" | "RestoreRBAC" => (2, 4, 10),
        "CreatePrivilegeGroup" | "ListPrivilegeGroups" | "OperatePrivilegeGroup" => (2, 4, 16),
        "AddCollectionField" => (2, 6, 0),
        _ => (2, 2, 0),
    };
    version >= since
}
