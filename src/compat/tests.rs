use std::collections::BTreeMap;

use super::*;
use crate::milvus::ServerVersion;
use crate::model::{
    Collection, CollectionName, ConsistencyLevel, DataType, DefaultValue, Field, Function, Index,
    Load,
};

fn field(name: &str, data_type: DataType) -> Field {
    Field {
        name: name.into(),
        data_type,
        ..Field::dynamic()
    }
}

/// A key `id`, a vector `vector`, and one field more.
fn collection(more: Field) -> Collection {
    let key = Field {
        primary_key: true,
        ..field("id", DataType::Int64)
    };
    Collection {
        name: CollectionName::new("default", "docs"),
        description: String::new(),
        fields: vec![key, more, field("vector", DataType::FloatVector)],
        dynamic: false,
        functions: Vec::new(),
        properties: BTreeMap::new(),
        partitions: vec!["_default".into()],
        shards: 1,
        consistency_level: ConsistencyLevel::Strong,
        aliases: Vec::new(),
        indexes: Vec::new(),
        load: Load::default(),
    }
}

fn plain() -> Collection {
    collection(field("f", DataType::Int64))
}

fn index(field: &str, params: &[(&str, &str)]) -> Index {
    Index {
        name: format!("{field}_index"),
        field: field.into(),
        params: pairs(params),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

fn version(text: &str) -> ServerVersion {
    ServerVersion::parse(text).unwrap()
}

/// Fits a collection of the newest Milvus, with columns for all of its fields that can be read.
fn fitted(target: &str, meant: &mut Collection, adaptation: &Adaptation) -> (Fit, Vec<Field>) {
    let computed = |name: &String| {
        let mut functions = meant.functions.iter();
        functions.any(|function| function.computes() && function.outputs.contains(name))
    };
    let columns = meant.fields.iter().filter(|field| !computed(&field.name));
    let mut columns: Vec<Field> = columns.cloned().collect();
    let source = version("3.1.0");
    let name = meant.name.clone();
    let origin = (Some(&source), &name);
    let fit = fit(&version(target), origin, meant, &mut columns, adaptation);
    (fit, columns)
}

fn problems(target: &str, mut meant: Collection) -> Vec<String> {
    fitted(target, &mut meant, &Adaptation::default())
        .0
        .problems
}

fn dropping(droppable: Droppable) -> Adaptation {
    Adaptation {
        drop: [droppable].into(),
        ..Adaptation::default()
    }
}

fn falling_back() -> Adaptation {
    Adaptation {
        indexes: Indexes::Fallback,
        ..Adaptation::default()
    }
}

#[test]
fn types_that_would_kill_an_old_server_are_refused() {
    let found = |target: &str, data_type| problems(target, collection(field("f", data_type))).len();
    assert_eq!(found("2.3.5", DataType::Geometry), 1);
    // One problem for the type, one for the second vector.
    assert_eq!(found("2.3.5", DataType::Float16Vector), 2);
    assert_eq!(found("2.4.0", DataType::Float16Vector), 0);
    assert_eq!(found("milvus_lite-3.2.2", DataType::BinaryVector), 1);
    assert_eq!(found("milvus_lite-2", DataType::BinaryVector), 0);
    assert_eq!(found("99.0.0", DataType::Unknown(77)), 1);
}

#[test]
fn what_milvault_does_not_know_is_sent_to_no_server() {
    let mut later = plain();
    later.fields[1].default = Some(DefaultValue::Unknown(vec![0x98, 0x06, 1]));
    later.consistency_level = ConsistencyLevel::Unknown(9);
    let found = problems("99.0.0", later).join("; ");
    assert!(found.contains("default value of field f"), "{found}");
    assert!(found.contains("the consistency level 9"), "{found}");
    assert_eq!(problems("99.0.0", plain()), Vec::<String>::new());
}

#[test]
fn each_thing_that_old_servers_drop_without_a_word_is_named_with_the_flag_that_drops_it() {
    let mut rich = plain();
    rich.fields[1].nullable = true;
    rich.fields[1].default = Some(DefaultValue::Long(1));
    rich.fields[1].clustering_key = true;
    rich.fields.push(Field {
        params: pairs(&[("enable_match", "true"), ("max_length", "9")]),
        ..field("text", DataType::VarChar)
    });
    rich.fields
        .push(field("sparse", DataType::SparseFloatVector));
    rich.functions
        .push(function(Function::BM25, &["text"], &["sparse"]));
    rich.properties = pairs(&[("timezone", "UTC"), ("mmap.enabled", "true")]);
    let flags = [
        "nullable",
        "defaults",
        "clustering-key",
        "analyzers",
        "functions",
        "properties",
    ];
    let found = problems("2.3.5", rich.clone());
    for flag in flags {
        let named = found
            .iter()
            .filter(|one| one.contains(&format!("--drop {flag} ")));
        assert_eq!(named.count(), 1, "{flag}: {found:?}");
    }
    let all = Adaptation {
        drop: [
            Droppable::Nullable,
            Droppable::Defaults,
            Droppable::ClusteringKey,
            Droppable::Analyzers,
            Droppable::Functions,
            Droppable::Properties,
        ]
        .into(),
        ..Adaptation::default()
    };
    let (fit, columns) = fitted("2.3.5", &mut rich, &all);
    assert_eq!(fit.problems, Vec::<String>::new());
    assert_eq!(fit.dropped.len(), 6, "{:?}", fit.dropped);
    let f = &rich.fields[1];
    assert!(!f.nullable && f.default.is_none() && !f.clustering_key);
    let column = columns.iter().find(|column| column.name == "f").unwrap();
    assert!(!column.nullable && column.default.is_none());
    assert!(rich.functions.is_empty() && rich.field("sparse").is_none());
    assert_eq!(
        rich.field("text").unwrap().params,
        pairs(&[("max_length", "9")])
    );
    // Known to 2.3, and nothing but speed.
    assert_eq!(rich.properties, pairs(&[("mmap.enabled", "true")]));
}

fn function(kind: i32, inputs: &[&str], outputs: &[&str]) -> Function {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    Function {
        name: "function".into(),
        description: String::new(),
        kind,
        inputs: names(inputs),
        outputs: names(outputs),
        params: BTreeMap::new(),
    }
}

fn embedding() -> Collection {
    let mut meant = collection(field("text", DataType::VarChar));
    meant.fields[2].function_output = true;
    let made = function(Function::TEXT_EMBEDDING, &["text"], &["vector"]);
    meant.functions.push(made);
    meant
}

#[test]
fn vectors_of_an_embedding_are_kept_and_its_provider_is_not_called() {
    let mut meant = embedding();
    let before = meant.clone();
    let (fit, columns) = fitted("2.6.8", &mut meant, &Adaptation::default());
    assert_eq!(fit.problems, Vec::<String>::new());
    assert_eq!(
        (&meant.functions, &meant.properties),
        (&before.functions, &before.properties)
    );
    let expected = pairs(&[
        (
            "collection.function.allowInsertNonBM25FunctionOutputs",
            "true",
        ),
        ("disable_func_runtime_check", "true"),
    ]);
    assert_eq!(fit.at_creation, expected);
    assert_eq!(columns.len(), 3);

    // Not known yet: vectors would be refused, or made anew.
    assert_eq!(problems("2.6.2", embedding()).len(), 1);
    let (fit, columns) = fitted("2.6.2", &mut meant, &dropping(Droppable::Functions));
    assert_eq!(
        (fit.problems.len(), fit.at_creation.len(), columns.len()),
        (0, 0, 3)
    );
    assert!(meant.functions.is_empty());
    assert!(!meant.field("vector").unwrap().function_output);
}

#[test]
fn what_was_true_of_the_source_is_true_again_in_the_end() {
    let mut meant = embedding();
    meant.properties = pairs(&[
        ("disable_func_runtime_check", "false"),
        ("collection.ttl.seconds", "60"),
        ("replicate.id", "r"),
    ]);
    meant.fields[0].auto_id = true;
    let (fit, _) = fitted("2.6.14", &mut meant, &Adaptation::default());
    assert_eq!(fit.at_creation["disable_func_runtime_check"], "true");
    assert_eq!(fit.at_creation["allow_insert_auto_id"], "true");
    assert!(!fit.at_creation.contains_key("collection.ttl.seconds"));
    assert_eq!(meant.properties["disable_func_runtime_check"], "false");
    assert_eq!(meant.properties["collection.ttl.seconds"], "60");
    // Else the copy could not be written to.
    assert!(!meant.properties.contains_key("replicate.id"));
    assert_eq!(fit.dropped.len(), 1);
}

#[test]
fn keys_that_a_server_has_made_are_kept_in_the_way_that_the_target_knows() {
    for (target, adaptation, way, still_made, columns) in [
        ("2.6.2", AutoId::Keep, KeysKept::KeptWithoutAutoId, false, 3),
        ("2.6.3", AutoId::Keep, KeysKept::Kept, true, 3),
        (
            "milvus_lite-3.2.2",
            AutoId::Keep,
            KeysKept::KeptWithoutAutoId,
            false,
            3,
        ),
        ("2.3.5", AutoId::Regenerate, KeysKept::Regenerated, true, 2),
        ("3.0.0", AutoId::Regenerate, KeysKept::Regenerated, true, 2),
    ] {
        let mut meant = plain();
        meant.fields[0].auto_id = true;
        let adaptation = Adaptation {
            auto_id: adaptation,
            ..Adaptation::default()
        };
        let (fit, carried) = fitted(target, &mut meant, &adaptation);
        assert_eq!(fit.keys, Some(way), "{target}");
        assert_eq!(meant.fields[0].auto_id, still_made, "{target}");
        assert_eq!(carried.len(), columns, "{target}");
    }
    assert_eq!(
        fitted("3.0.0", &mut plain(), &Adaptation::default()).0.keys,
        None
    );
}

#[test]
fn a_server_as_new_as_the_source_gets_what_milvault_has_no_rule_for() {
    let unknown = || {
        let mut meant = plain();
        meant.properties = pairs(&[("later.thing", "1")]);
        meant.fields[1].params = pairs(&[("later.param", "2")]);
        meant
    };
    assert_eq!(problems("3.1.0", unknown()), Vec::<String>::new());
    let found = problems("3.0.0", unknown());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.iter().all(|one| one.contains("--drop properties")),
        "{found:?}"
    );
}

/// The index on `name` that `target` gets, and what is said of it.
fn index_on(target: &str, of: Field, params: &[(&str, &str)]) -> (Option<Index>, Vec<String>) {
    let name = of.name.clone();
    let mut meant = collection(of);
    meant.indexes.push(index(&name, params));
    let (fit, _) = fitted(target, &mut meant, &falling_back());
    assert_eq!(fit.problems, Vec::<String>::new(), "{target} {params:?}");
    (meant.indexes.pop(), [fit.translated, fit.dropped].concat())
}

#[test]
fn an_index_becomes_the_likest_that_the_target_builds() {
    for (target, was, becomes) in [
        ("2.3.5", "ANNOY", "HNSW"),
        ("2.2.16", "SCANN", "IVF_FLAT"),
        ("2.3.5", "GPU_CAGRA", "HNSW"),
        ("2.2.16", "GPU_IVF_PQ", "IVF_PQ"),
        ("2.3.5", "GPU_BRUTE_FORCE", "FLAT"),
        ("2.5.1", "AISAQ", "DISKANN"),
        ("2.4.0", "HNSW_PRQ", "HNSW"),
        ("2.5.1", "IVF_RABITQ", "IVF_SQ8"),
        ("milvus_lite-2", "IVF_RABITQ", "AUTOINDEX"),
        ("milvus_lite-2", "HNSW", "AUTOINDEX"),
        ("milvus_lite-3.2.2", "DISKANN", "AUTOINDEX"),
    ] {
        let mut meant = plain();
        let params = [
            ("index_type", was),
            ("metric_type", "L2"),
            ("M", "30"),
            ("x", "1"),
        ];
        meant.indexes.push(index("vector", &params));
        let refused = problems(target, meant.clone());
        assert_eq!(refused.len(), 1, "{refused:?}");
        let flag = format!("--index-fallback makes it {becomes}");
        assert!(refused[0].contains(&flag), "{refused:?}");
        let (fit, _) = fitted(target, &mut meant, &falling_back());
        assert_eq!(fit.problems, Vec::<String>::new());
        let made = &meant.indexes[0].params;
        assert_eq!(
            (made["index_type"].as_str(), made["metric_type"].as_str()),
            (becomes, "L2")
        );
        assert_eq!(
            made.get("M").map(String::as_str),
            (becomes == "HNSW").then_some("30")
        );
        assert!(!made.contains_key("x"), "{made:?}");
        assert!(fit.translated[0].contains(&format!("{was} of vector becomes {becomes}")));
    }
}

#[test]
fn indexes_over_scalars_become_others_or_are_left_out() {
    for (target, data_type, was, becomes) in [
        ("2.3.5", DataType::VarChar, "INVERTED", Some("Trie")),
        ("2.3.5", DataType::Int32, "BITMAP", Some("STL_SORT")),
        ("2.4.0", DataType::VarChar, "BITMAP", Some("INVERTED")),
        ("2.5.1", DataType::VarChar, "NGRAM", Some("INVERTED")),
        ("2.3.5", DataType::Bool, "INVERTED", None),
        ("2.6.1", DataType::VarChar, "marisa-trie", Some("Trie")),
        (
            "milvus_lite-3.2.2",
            DataType::Int64,
            "STL_SORT",
            Some("INVERTED"),
        ),
        ("milvus_lite-2", DataType::Int64, "STL_SORT", None),
    ] {
        let params = [("index_type", was)];
        let of = Field {
            params: pairs(&[("max_length", "9")]),
            ..field("f", data_type)
        };
        let (made, said) = index_on(target, of, &params);
        let made = made.map(|index| index.params["index_type"].clone());
        assert_eq!(made.as_deref(), becomes, "{target} {was}: {said:?}");
        assert!(!said.is_empty() || was == "marisa-trie");
    }
    let path = [
        ("index_type", "INVERTED"),
        ("json_path", "f[\"a\"]"),
        ("json_cast_type", "double"),
    ];
    let (made, said) = index_on("2.4.0", field("f", DataType::Json), &path);
    assert!(made.is_none() && said.len() == 1, "{said:?}");
    let (made, _) = index_on("2.6.0", field("f", DataType::Json), &path);
    assert_eq!(made.unwrap().params, pairs(&path));
}

#[test]
fn a_sparse_index_keeps_its_algorithm_where_there_is_one() {
    let sparse = || field("f", DataType::SparseFloatVector);
    let wand = [("index_type", "SPARSE_WAND"), ("metric_type", "IP")];
    let (made, _) = index_on("2.6.0", sparse(), &wand);
    assert_eq!(made.unwrap().params, pairs(&wand));
    let (made, _) = index_on("milvus_lite-3.2.2", sparse(), &wand);
    let plain = [
        ("index_type", "SPARSE_INVERTED_INDEX"),
        ("metric_type", "IP"),
    ];
    assert_eq!(made.unwrap().params, pairs(&plain));
    let algorithm = [&plain[..], &[("inverted_index_algo", "DAAT_MAXSCORE")]].concat();
    let (made, said) = index_on("2.4.0", sparse(), &algorithm);
    assert_eq!((made.unwrap().params, said.len()), (pairs(&plain), 1));
}

#[test]
fn metrics_are_not_exchanged_without_a_word() {
    let with = |metric: &str| {
        let mut meant = plain();
        let params = [("index_type", "FLAT"), ("metric_type", metric)];
        meant.indexes.push(index("vector", &params));
        meant
    };
    assert_eq!(problems("2.3.5", with("COSINE")).len(), 0);
    let (fit, _) = fitted("2.2.16", &mut with("COSINE"), &falling_back());
    assert!(
        fit.problems[0].contains("--index vector=FLAT:metric=IP"),
        "{:?}",
        fit.problems
    );
    let mut tanimoto = with("TANIMOTO");
    assert_eq!(problems("2.3.5", tanimoto.clone()).len(), 1);
    let (fit, _) = fitted("2.3.5", &mut tanimoto, &falling_back());
    assert_eq!(tanimoto.indexes[0].params["metric_type"], "JACCARD");
    assert_eq!(fit.translated.len(), 1);
    assert_eq!(problems("99.0.0", with("NEW_METRIC")).len(), 1);
}

fn choosing(texts: &[&str]) -> Adaptation {
    let choices = texts.iter().map(|text| IndexChoice::parse(text).unwrap());
    Adaptation {
        index_choices: choices.collect(),
        ..Adaptation::default()
    }
}

#[test]
fn a_chosen_index_takes_the_place_of_the_one_that_was() {
    let mut meant = plain();
    let was = [("index_type", "IVF_PQ"), ("metric_type", "IP"), ("m", "4")];
    meant.indexes.push(index("vector", &was));
    meant
        .indexes
        .push(index("f", &[("index_type", "STL_SORT")]));
    let choices = choosing(&[
        "vector=hnsw:M=8",
        "other/vector=FLAT",
        "default.docs/f=none",
    ]);
    let (fit, _) = fitted("2.5.1", &mut meant, &choices);
    assert_eq!(fit.problems, Vec::<String>::new());
    let [chosen] = meant.indexes.as_slice() else {
        panic!("{:?}", meant.indexes);
    };
    assert_eq!(chosen.name, "vector_index");
    // The metric is what it was.
    let expected = [("index_type", "HNSW"), ("metric_type", "IP"), ("M", "8")];
    assert_eq!(chosen.params, pairs(&expected));
    assert_eq!((fit.translated.len(), fit.dropped.len()), (1, 1));

    for (choice, word) in [
        ("vector=FLAT", "metric"),
        ("vector=STL_SORT", "does not suit"),
        ("f=HNSW:metric=L2", "does not suit"),
        ("vector=GPU_CAGRA:metric=L2", "GPU_CAGRA"),
    ] {
        let (fit, _) = fitted("2.3.5", &mut plain(), &choosing(&[choice]));
        assert_eq!(fit.problems.len(), 1, "{choice}");
        assert!(
            fit.problems[0].contains(word),
            "{choice}: {:?}",
            fit.problems
        );
    }
}

#[test]
fn a_choice_that_makes_no_sense_is_refused_as_such() {
    for text in [
        "",
        "vector",
        "=HNSW",
        "vector=",
        "vector=NOSUCH",
        "vector=HNSW:M",
        "vector=HNSW:=1",
        "vector=HNSW:M=",
        "vector=HNSW:M=1,M=2",
        "vector=HNSW:metric=NOSUCH",
        "/vector=HNSW",
        ".docs/vector=HNSW",
        "docs./vector=HNSW",
        "vector=none:M=1",
        "vector=HNSW:metric=L2,metric_type=IP",
    ] {
        let refused = IndexChoice::parse(text);
        assert!(matches!(refused, Err(crate::Error::Usage(_))), "{text:?}");
    }
    let choice = IndexChoice::parse("db.docs/vector=HNSW:M=16,efConstruction=200,metric=cosine");
    let choice = choice.unwrap();
    assert!(choice.is_for(&CollectionName::new("db", "docs"), "vector"));
    assert!(!choice.is_for(&CollectionName::new("default", "docs"), "vector"));
    assert!(!choice.is_for(&CollectionName::new("db", "docs"), "other"));
}

#[test]
fn parameters_that_an_old_server_cannot_do_without_are_given_and_said() {
    let mut meant = plain();
    let params = [("index_type", "HNSW"), ("metric_type", "L2"), ("M", "4")];
    meant.indexes.push(index("vector", &params));
    let (fit, _) = fitted("2.3.5", &mut meant.clone(), &Adaptation::default());
    assert_eq!(fit.translated.len(), 1, "{:?}", fit.translated);
    let (fit, _) = fitted("2.5.1", &mut meant, &Adaptation::default());
    assert_eq!(fit.translated, Vec::<String>::new());
    assert_eq!(meant.indexes[0].params, pairs(&params));
}

#[test]
fn what_milvus_lite_forgets_is_told_and_not_missed() {
    let mut meant = plain();
    meant.description = "documents".into();
    meant.shards = 2;
    meant.consistency_level = ConsistencyLevel::Bounded;
    meant.fields[1].partition_key = true;
    meant.partitions = (0..64).map(|number| format!("_default_{number}")).collect();
    let (fit, _) = fitted("milvus_lite-3.2.2", &mut meant, &Adaptation::default());
    assert_eq!(fit.problems, Vec::<String>::new());
    assert_eq!((fit.dropped.len(), fit.translated.len()), (3, 1), "{fit:?}");
    assert_eq!((meant.description.as_str(), meant.shards), ("", 0));
    assert_eq!(meant.key_partitions(), 16);
}

#[test]
fn partitions_go_into_one_where_there_are_none() {
    let mut meant = plain();
    meant.partitions = vec!["_default".into(), "north".into()];
    assert_eq!(problems("milvus_lite-2", meant.clone()).len(), 1);
    let (fit, _) = fitted(
        "milvus_lite-2",
        &mut meant,
        &dropping(Droppable::Partitions),
    );
    assert!(fit.one_partition && fit.problems.is_empty());
    assert_eq!(meant.partitions, ["_default"]);

    let mut keyed = plain();
    keyed.fields[1].partition_key = true;
    keyed.partitions = vec!["_default_0".into(), "_default_1".into()];
    assert_eq!(problems("milvus_lite-2", keyed.clone()).len(), 1);
    let (fit, _) = fitted(
        "milvus_lite-2",
        &mut keyed,
        &dropping(Droppable::PartitionKey),
    );
    assert!(fit.one_partition && fit.problems.is_empty(), "{fit:?}");
    assert_eq!(keyed.partitions, ["_default"]);
}

#[test]
fn names_that_no_server_takes_are_refused_beforehand() {
    for name in ["docs copy", "1st", "", "ä"] {
        let mut named = plain();
        named.name.collection = name.into();
        assert_eq!(problems("2.3.5", named).len(), 1, "{name:?}");
    }
}

#[test]
fn struct_arrays_and_null_vectors_are_for_servers_that_have_them() {
    let found = |target: &str, more: Field| problems(target, collection(more)).len();
    let vectors = Field {
        element_type: Some(DataType::FloatVector),
        ..field("f", DataType::ArrayOfVector)
    };
    let chunks = |part: Field| Field {
        fields: vec![part],
        ..field("f", DataType::ArrayOfStruct)
    };
    assert_eq!(found("2.6.3", chunks(vectors.clone())), 1);
    assert_eq!(found("2.6.4", chunks(vectors.clone())), 0);
    let later = Field {
        element_type: Some(DataType::Unknown(77)),
        ..field("f", DataType::Array)
    };
    assert_eq!(found("99.0.0", chunks(later)), 1);
    let holed = Field {
        element_nullable: true,
        ..vectors.clone()
    };
    assert_eq!(found("99.0.0", chunks(holed)), 1);
    for field in [
        field("f", DataType::FloatVector),
        vectors.clone(),
        chunks(vectors),
    ] {
        let nullable = Field {
            nullable: true,
            ..field
        };
        assert_eq!(found("2.6.9", nullable.clone()), 1);
        assert_eq!(found("3.0.0", nullable), 0);
    }
}

#[test]
fn an_index_on_a_field_of_a_struct_array_is_one_like_any_other() {
    let part = Field {
        name: "part".into(),
        element_type: Some(DataType::FloatVector),
        ..field("part", DataType::ArrayOfVector)
    };
    let mut meant = collection(Field {
        fields: vec![part],
        ..field("f", DataType::ArrayOfStruct)
    });
    let params = [("index_type", "HNSW"), ("metric_type", "MAX_SIM_IP")];
    meant.indexes.push(index("f[part]", &params));
    let (fit, _) = fitted("2.6.4", &mut meant, &choosing(&["f[part]=DISKANN"]));
    assert_eq!(fit.problems, Vec::<String>::new());
    let chosen = [("index_type", "DISKANN"), ("metric_type", "MAX_SIM_IP")];
    assert_eq!(meant.indexes[0].params, pairs(&chosen));
}
