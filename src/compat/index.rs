//! Indexes: which a server builds, what stands in for one that it does not, and what is chosen instead.

use super::choice::IndexChoice;
use super::fit::{Fitting, Indexes};
use super::table::{Feature, Thing};
use crate::milvus::Product;
use crate::model::{Collection, DataType, Field, Index};

pub(super) const INDEX_TYPE: &str = "index_type";
pub(super) const METRIC_TYPE: &str = "metric_type";
/// The parameters of an index over a path within JSON.
const JSON_PATH: [&str; 3] = ["json_path", "json_cast_type", "json_cast_function"];
const MMAP: &str = "mmap.enabled";
const SPARSE_ALGORITHM: &str = "inverted_index_algo";

/// What a type of index may become, the likest first; the first that the target knows is taken.
fn substitutes(index_type: &str) -> &'static [&'static str] {
    match index_type {
        "ANNOY" | "RHNSW_FLAT" | "RHNSW_SQ" | "RHNSW_PQ" => &["HNSW", "AUTOINDEX"],
        "HNSW_SQ" | "HNSW_PQ" | "HNSW_PRQ" | "GPU_CAGRA" | "DISKANN" => &["HNSW", "AUTOINDEX"],
        "AISAQ" => &["DISKANN", "HNSW", "AUTOINDEX"],
        "HNSW" => &["AUTOINDEX"],
        "SCANN" | "GPU_IVF_FLAT" => &["IVF_FLAT", "AUTOINDEX"],
        "GPU_IVF_PQ" => &["IVF_PQ", "IVF_FLAT"],
        "GPU_BRUTE_FORCE" => &["FLAT"],
        "IVF_RABITQ" => &["IVF_SQ8", "IVF_FLAT"],
        "IVF_PQ" | "IVF_SQ8" => &["IVF_FLAT", "AUTOINDEX"],
        "BIN_IVF_FLAT" => &["BIN_FLAT"],
        "SPARSE_WAND" => &["SPARSE_INVERTED_INDEX"],
        _ => &[],
    }
}

/// What a type of index may become on milvus-lite; the first that suits the field is taken.
const LITE_SUBSTITUTES: [&str; 3] = ["SPARSE_INVERTED_INDEX", "BIN_FLAT", "AUTOINDEX"];

/// What stands in for an index over a scalar that the target does not know; reads are the same without one.
fn scalar_substitutes(index_type: &str, field: &Field) -> &'static [&'static str] {
    match (index_type, field.data_type) {
        // They find what no other index finds fast.
        ("RTREE", _) | (_, DataType::Json | DataType::Geometry) => &[],
        (_, DataType::Array) => &["INVERTED"],
        (_, DataType::VarChar) => &["INVERTED", "Trie"],
        (_, DataType::Bool) => &["INVERTED"],
        _ => &["INVERTED", "STL_SORT"],
    }
}

/// The parameters that a type of index has beside its metric, with values for servers that have no defaults:
/// those of Milvus's documentation.
fn params(index_type: &str) -> &'static [(&'static str, &'static str)] {
    match index_type {
        "IVF_FLAT" | "IVF_SQ8" | "BIN_IVF_FLAT" | "SCANN" => &[("nlist", "128")],
        "IVF_PQ" => &[("nlist", "128"), ("m", ""), ("nbits", "8")],
        "HNSW" => &[("M", "16"), ("efConstruction", "200")],
        _ => &[],
    }
}

/// The name that a type of index has elsewhere.
fn canonical(index_type: &str) -> &str {
    match index_type {
        "marisa-trie" => "Trie",
        other => other,
    }
}

impl Fitting<'_> {
    /// Decides which indexes the target builds.
    pub(super) fn indexes(&mut self, meant: &mut Collection) {
        if self.adaptation.indexes == Indexes::Omit {
            meant.indexes.clear();
            return;
        }
        self.choose(meant);
        let mut indexes = std::mem::take(&mut meant.indexes);
        indexes.retain_mut(|index| {
            let found = meant.indexable().find(|(name, _)| *name == index.field);
            found.is_some_and(|(_, field)| self.index(index, field))
        });
        meant.indexes = indexes;
    }

    /// Puts the indexes that were chosen in the place of those that were.
    fn choose(&mut self, meant: &mut Collection) {
        let source = self.source.clone();
        let choices = &self.adaptation.index_choices;
        let mut indexes = std::mem::take(&mut meant.indexes);
        for (name, field) in meant.indexable() {
            let Some(choice) = choices.iter().rfind(|one| one.is_for(&source, &name)) else {
                continue;
            };
            let was = indexes.iter().find(|index| index.field == name).cloned();
            indexes.retain(|index| index.field != name);
            let Some(chosen) = self.chosen(choice, (&name, field), was.as_ref()) else {
                continue;
            };
            let now = kind(&chosen);
            self.fit.translated.push(match was.as_ref().map(kind) {
                Some(was) => format!("the index {was} of {name} becomes {now}, as chosen"),
                None => format!("{name} gets the index {now}, as chosen"),
            });
            indexes.push(chosen);
        }
        meant.indexes = indexes;
        meant
            .indexes
            .sort_by(|a, b| (&a.field, &a.name).cmp(&(&b.field, &b.name)));
    }

    fn chosen(
        &mut self,
        choice: &IndexChoice,
        (name, field): (&str, &Field),
        was: Option<&Index>,
    ) -> Option<Index> {
        let Some(mut params) = choice.params.clone() else {
            let was = was.map_or("none", kind);
            self.fit
                .dropped
                .push(format!("the index {was} of {name}: as chosen"));
            return None;
        };
        let vector = field.data_type.is_vector();
        let index_type = params.get(INDEX_TYPE).cloned().unwrap_or_default();
        if !suits(&index_type, field.data_type) {
            self.fit.problems.push(format!(
                "{}: an index {index_type} does not suit field {}, which is {} (choose another with --index)",
                self.name, name, field.data_type
            ));
            return None;
        }
        if vector && !params.contains_key(METRIC_TYPE) {
            match was.and_then(|was| was.params.get(METRIC_TYPE)) {
                Some(metric) => {
                    params.insert(METRIC_TYPE.to_owned(), metric.clone());
                }
                None => {
                    self.fit.problems.push(format!(
                        "{}: the index {index_type} of field {} has no metric (add one to --index, as in {index_type}:metric=L2)",
                        self.name, name
                    ));
                    return None;
                }
            }
        }
        Some(Index {
            name: was.map(|was| was.name.clone()).unwrap_or_default(),
            field: name.to_owned(),
            params,
        })
    }

    /// Makes an index one that the target builds; false where there is none.
    fn index(&mut self, index: &mut Index, field: &Field) -> bool {
        let was = canonical(kind(index)).to_owned();
        if was != kind(index) {
            index.params.insert(INDEX_TYPE.to_owned(), was.clone());
        }
        self.index_name(index);
        // milvus-lite 2.5.1 tells the vector's among the index's.
        index.params.remove("dim");
        let of = |what: &str| format!("the index {what} of {}", index.field);
        let json_path = JSON_PATH
            .iter()
            .any(|param| index.params.contains_key(*param));
        let path_known = !json_path || self.has(Feature::JsonPathIndex);
        if !(self.builds(&was, field) && path_known) {
            let candidates = match field.data_type.is_vector() {
                // milvus-lite chooses what its backend holds out, whatever the number of rows.
                true if self.target.product == Product::Lite => &LITE_SUBSTITUTES,
                true => substitutes(&was),
                false if path_known => scalar_substitutes(&was, field),
                false => &[],
            };
            let fits = |one: &&&str| suits(one, field.data_type) && self.builds(one, field);
            let taken = candidates.iter().find(fits);
            let ways = match (taken, field.data_type.is_vector()) {
                (Some(one), _) => format!("--index-fallback makes it {one}; "),
                (None, false) => "--index-fallback leaves it out; ".to_owned(),
                (None, true) => String::new(),
            };
            if self.adaptation.indexes != Indexes::Fallback || (ways.is_empty()) {
                let what = format!("the index {was} of field {}", index.field);
                self.refuse(
                    what,
                    &format!(
                        "{ways}choose one with --index {}=TYPE, or leave indexes out with --no-index",
                        index.field
                    ),
                );
                return true;
            }
            let Some(becomes) = taken else {
                self.fit.dropped.push(format!(
                    "{}: reads are as right without, and slower",
                    of(&was)
                ));
                return false;
            };
            self.fit
                .translated
                .push(format!("{} becomes {becomes}", of(&was)));
            let keeps = |name: &str| {
                name == METRIC_TYPE
                    || params(becomes).iter().any(|(param, _)| *param == name)
                    || (name == MMAP && self.has(Feature::Mmap))
            };
            index.params.retain(|name, _| keeps(name));
            index
                .params
                .insert(INDEX_TYPE.to_owned(), (*becomes).to_owned());
            if was == "SPARSE_WAND" && self.has(Feature::SparseAlgorithm) {
                index
                    .params
                    .insert(SPARSE_ALGORITHM.to_owned(), "DAAT_WAND".to_owned());
            }
        }
        if index.params.contains_key(MMAP) && !self.has(Feature::Mmap) {
            index.params.remove(MMAP);
            self.forget(format!("{MMAP} of the index of {}", index.field));
        }
        if !self.has(Feature::SparseAlgorithm)
            && let Some(algorithm) = index.params.remove(SPARSE_ALGORITHM)
        {
            self.forget(format!(
                "{SPARSE_ALGORITHM}={algorithm} of the index of {}",
                index.field
            ));
        }
        self.metric(index);
        self.missing_params(index);
        true
    }

    /// Whether the target builds an index of a type over a field.
    fn builds(&self, index_type: &str, field: &Field) -> bool {
        // AUTOINDEX is for vectors alone on milvus-lite and before Milvus 2.4.
        let auto_scalar = index_type != "AUTOINDEX"
            || field.data_type.is_vector()
            || self.knows(Thing::Index("INVERTED")) && !self.has(Feature::LoadUnindexed);
        self.knows(Thing::Index(index_type)) && auto_scalar
    }

    /// A name that the target does not take, or does not keep, is left to it: Milvus names indexes over a JSON path
    /// after the path.
    fn index_name(&mut self, index: &mut Index) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !index.name.chars().all(plain) {
            index.name.clear();
        }
        if !self.has(Feature::IndexNames) && index.name != index.field {
            if !index.name.is_empty() {
                self.forget(format!("the name {} of an index", index.name));
            }
            index.name.clear();
        }
    }

    fn metric(&mut self, index: &mut Index) {
        let Some(metric) = index.params.get(METRIC_TYPE).cloned() else {
            return;
        };
        // What milvus-lite says of indexes over scalars; Milvus says nothing, or an empty text.
        if metric == "NONE" {
            index.params.remove(METRIC_TYPE);
        }
        if matches!(metric.as_str(), "" | "NONE") || self.knows(Thing::Metric(&metric)) {
            return;
        }
        if metric == "TANIMOTO" && self.adaptation.indexes == Indexes::Fallback {
            self.fit.translated.push(format!(
                "the metric TANIMOTO of {} becomes JACCARD, which orders alike and gives other numbers",
                index.field
            ));
            index
                .params
                .insert(METRIC_TYPE.to_owned(), "JACCARD".to_owned());
            return;
        }
        let fallback = match metric.as_str() {
            "TANIMOTO" => "--index-fallback makes it JACCARD; ".to_owned(),
            "COSINE" => format!(
                "--index {}={}:metric=IP gives the same for vectors of length 1; ",
                index.field,
                kind(index)
            ),
            _ => String::new(),
        };
        self.refuse(
            format!("the metric {metric} of field {}", index.field),
            &format!("{fallback}leave indexes out with --no-index"),
        );
    }

    /// Gives an index the parameters that the target wants and nothing tells: milvus-lite 3.2.2 does not tell those of
    /// its own, and Milvus has defaults for them only from 2.5 on.
    fn missing_params(&mut self, index: &mut Index) {
        if self.has(Feature::IndexDefaults) {
            return;
        }
        for (name, value) in params(kind(index)) {
            if !value.is_empty() && !index.params.contains_key(*name) {
                self.fit.translated.push(format!(
                    "the index of {} is built with {name}={value}, as nothing tells it",
                    index.field
                ));
                index.params.insert((*name).to_owned(), (*value).to_owned());
            }
        }
    }
}

/// The type of an index, as its parameters say it.
pub(super) fn kind(index: &Index) -> &str {
    index
        .params
        .get(INDEX_TYPE)
        .map_or("of no type", String::as_str)
}

/// Whether an index of this type can be over such values at all.
fn suits(index_type: &str, data_type: DataType) -> bool {
    let scalar = matches!(
        index_type,
        "Trie" | "STL_SORT" | "INVERTED" | "BITMAP" | "HYBRID" | "NGRAM" | "RTREE"
    );
    let sparse = index_type.starts_with("SPARSE_");
    let binary = index_type.starts_with("BIN_") || index_type == "MINHASH_LSH";
    match data_type {
        _ if index_type == "AUTOINDEX" => true,
        DataType::SparseFloatVector => sparse,
        DataType::BinaryVector => binary,
        vector if vector.is_vector() => !(scalar || sparse || binary),
        _ => scalar,
    }
}
