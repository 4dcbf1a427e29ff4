//! How rows get into the target: by insert, or by bulk import; decided before anything is touched.

use std::time::Duration;

use serde::Serialize;

use super::import_store::ImportStore;
use super::plan::Target;
use super::source::Origin;
use super::{Outcome, RestoreOptions};
use crate::columns;
use crate::compat::{self, Call, KeysKept, Thing};
use crate::error::{Error, Result};
use crate::milvus::{Cluster, Product, ServerVersion};
use crate::model::{DataType, Field};

/// Where less is restored, a server's own steps around each job should take longer than inserting the rows. A guess: no
/// server that imports side by side (2.4 on) could be measured.
const WORTH_IMPORTING: u64 = 64 << 20;

const FROM_A_CLUSTER: &str = "the rows come from a cluster, not from files";

/// How rows get into the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are sent to it.
    Insert,
    /// It reads the archive's files from its own storage.
    Import,
    /// Whichever of the two is possible and faster, for each collection.
    #[default]
    Auto,
}

/// What bulk import needs.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Where the target reads what it imports.
    pub store: ImportStore,
    /// How long all jobs of a collection may stand still.
    pub timeout: Duration,
}

/// How the rows of a collection get into the target, and why so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Never [`Mode::Auto`].
    pub mode: Mode,
    /// Why, as a clause.
    pub mode_reason: String,
}

impl Way {
    /// How it is where nothing else is chosen.
    pub(super) fn of(origin: &Origin<'_>) -> Way {
        Way::insert(match origin {
            Origin::Archive { .. } => "--mode insert",
            Origin::Cluster { .. } => FROM_A_CLUSTER,
        })
    }

    pub(super) fn insert(why: impl Into<String>) -> Way {
        Way {
            mode: Mode::Insert,
            mode_reason: why.into(),
        }
    }

    fn import(why: impl Into<String>) -> Way {
        Way {
            mode: Mode::Import,
            mode_reason: why.into(),
        }
    }
}

/// Chooses for every collection; gives the problems of those that were to be imported and cannot be.
pub(super) async fn choose(
    cluster: &Cluster,
    options: &RestoreOptions,
    targets: &mut [Target<'_>],
) -> Result<Vec<String>> {
    let asked = match (options.mode, &options.import) {
        (Mode::Import, None) => {
            return Err(Error::Usage(
                "--mode import needs to know where Milvus reads files: give --import-store".into(),
            ));
        }
        (Mode::Insert, _) => return Ok(Vec::new()),
        (Mode::Auto, None) => {
            for target in targets {
                target.way = Way::insert("no --import-store is given");
            }
            return Ok(Vec::new());
        }
        (_, Some(import)) => import,
    };
    let reached = match options.mode {
        Mode::Auto => asked.store.reach().await,
        _ => asked.store.reach().await.map(Ok)?,
    };
    let mut problems = Vec::new();
    for target in targets {
        let name = &target.meant.name;
        let refusal = match &reached {
            Err(error) => Some(format!("the import store cannot be used: {error}")),
            Ok(()) => refusal(cluster, target)?,
        };
        target.way = match (options.mode, refusal) {
            (Mode::Import, None) => Way::import("--mode import"),
            (Mode::Import, Some(why)) => {
                if target.outcome != Outcome::Skipped {
                    problems.push(format!(
                        "{name}: cannot be imported: {why}; --mode auto inserts it"
                    ));
                }
                Way::insert(why)
            }
            (_, Some(why)) => {
                // A dry run tells the way of each.
                if !options.dry_run && target.outcome != Outcome::Skipped {
                    target.notes.push(format!("inserted, not imported: {why}"));
                }
                Way::insert(why)
            }
            (_, None) => faster(cluster.version(), target.origin.bytes().unwrap_or(0)),
        };
    }
    Ok(problems)
}

/// The faster way of a collection that can be imported.
fn faster(version: &ServerVersion, bytes: u64) -> Way {
    if !compat::knows(version, Thing::Call(Call::ConcurrentImports)) {
        // 2.3.5, one data node: 60,000 rows of 768 floats in 31 s, and by insert in 20 s.
        let why =
            format!("{version} imports one file after the other, so that inserting is faster");
        Way::insert(why)
    } else if bytes < WORTH_IMPORTING {
        Way::insert("there is so little of it that inserting is faster")
    } else {
        Way::import("the target imports all of its types, and it is large")
    }
}

/// Why a collection cannot be imported.
fn refusal(cluster: &Cluster, target: &Target<'_>) -> Result<Option<String>> {
    let version = cluster.version();
    if version.product == Product::Lite {
        return Ok(Some("milvus-lite has no bulk import".into()));
    }
    if !compat::knows(version, Thing::Call(Call::ImportParquet)) {
        let why = format!("{version} imports no Parquet, only 2.3.4 and later do");
        return Ok(Some(why));
    }
    let Origin::Archive { archive, taken, .. } = &target.origin else {
        return Ok(Some(FROM_A_CLUSTER.into()));
    };
    if archive.is_encrypted() {
        let why = "the archive is encrypted, and Milvus cannot read its files";
        return Ok(Some(why.into()));
    }
    Ok(if target.outcome == Outcome::Appended {
        Some("rows that are appended replace others, which imported ones do not".into())
    } else if taken.sample.is_some() || taken.limit.is_some() {
        Some("only a part of the rows is restored, and an import takes whole files".into())
    } else if !taken.masking.is_empty() {
        Some("values are masked, and an import takes files as they are".into())
    } else if target.fit.keys == Some(KeysKept::Regenerated) {
        Some("the files hold the keys that are made anew".into())
    } else {
        let stored = target.origin.fields()?;
        let fields = &target.fields;
        other_columns(&stored, fields).or_else(|| {
            let mut reasons = fields.iter().filter_map(|field| cannot(version, field));
            reasons.next()
        })
    })
}

/// Which columns of the files are not those of the collection.
fn other_columns(stored: &[Field], meant: &[Field]) -> Option<String> {
    for column in stored {
        let name = &column.name;
        match meant.iter().find(|field| field.name == *name) {
            None => return Some(format!("{name} is left out, and is in the files")),
            Some(field) if field.data_type != column.data_type => {
                return Some(format!("the type of {name} changes"));
            }
            Some(field) if field.nullable != column.nullable => {
                return Some(format!("{name} may no longer be NULL"));
            }
            Some(_) => {}
        }
    }
    None
}

/// Why the values of a field cannot be imported.
fn cannot(version: &ServerVersion, field: &Field) -> Option<String> {
    let name = &field.name;
    let kind = columns::type_name(field);
    let types = [Some(field.data_type), field.element_type];
    let parts = field.and_parts().flat_map(|part| [part.element_type]);
    let unknown = types
        .into_iter()
        .chain(parts)
        .flatten()
        // The elements of struct arrays come as arrays of vectors, which are no type of columns.
        .filter(|kind| *kind != DataType::ArrayOfVector)
        .any(|kind| !compat::knows(version, Thing::Import(kind)));
    let nullable_array = field.nullable && field.data_type == DataType::Array;
    let nullable_vector =
        field.nullable && (field.data_type.is_vector() || !field.fields.is_empty());
    if unknown || field.data_type == DataType::ArrayOfVector {
        Some(format!(
            "{version} does not import {kind} ({name}) from archives"
        ))
    } else if field.function_output {
        Some(format!(
            "{name} is filled by a function, and an import would not take its values"
        ))
    } else if nullable_array || nullable_vector {
        Some(format!(
            "{name} may be NULL, which an import does not tell from an empty {kind}"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn field(data_type: DataType) -> Field {
        Field {
            name: "f".into(),
            data_type,
            ..Field::dynamic()
        }
    }

    fn of(data_type: DataType, element: DataType) -> Field {
        Field {
            element_type: Some(element),
            ..field(data_type)
        }
    }

    /// `x` for each server that imports the field.
    fn imported_by(field: &Field) -> String {
        [
            "v2.3.5", "v2.4.23", "v2.5.18", "v2.6.14", "v3.0.0", "v2.3.3",
        ]
        .into_iter()
        .map(
            |server| match cannot(&ServerVersion::parse(server).unwrap(), field) {
                None => 'x',
                Some(_) => '.',
            },
        )
        .collect()
    }

    #[test]
    fn only_what_the_targets_importer_reads_is_imported() {
        let nullable = |mut field: Field| {
            field.nullable = true;
            field
        };
        let mut structs = field(DataType::ArrayOfStruct);
        structs.fields = vec![
            of(DataType::Array, DataType::VarChar),
            of(DataType::ArrayOfVector, DataType::FloatVector),
        ];
        let mut made = field(DataType::FloatVector);
        made.function_output = true;
        for (field, by) in [
            (field(DataType::Int64), "xxxxx."),
            (of(DataType::Array, DataType::Int8), "xxxxx."),
            (field(DataType::BFloat16Vector), ".xxxx."),
            (field(DataType::SparseFloatVector), "..xxx."),
            (field(DataType::Int8Vector), "...xx."),
            (structs.clone(), "...xx."),
            (field(DataType::Mol), "......"),
            (of(DataType::ArrayOfVector, DataType::FloatVector), "......"),
            (nullable(field(DataType::VarChar)), "xxxxx."),
            (nullable(of(DataType::Array, DataType::Int8)), "......"),
            (nullable(field(DataType::FloatVector)), "......"),
            (nullable(structs), "......"),
            (made, "......"),
        ] {
            assert_eq!(imported_by(&field), by, "{field:?}");
        }
    }

    #[test]
    fn what_is_large_is_imported_where_files_go_in_side_by_side() {
        let way = |server, bytes| faster(&ServerVersion::parse(server).unwrap(), bytes).mode;
        assert_eq!(way("v2.6.14", 1 << 30), Mode::Import);
        assert_eq!(way("v2.6.14", 1 << 20), Mode::Insert);
        assert_eq!(way("v2.3.5", 1 << 30), Mode::Insert);
    }

    #[test]
    fn columns_that_are_no_longer_the_files_are_told() {
        let stored = [field(DataType::Int64)];
        assert_eq!(other_columns(&stored, &stored), None);
        let mut required = stored.clone();
        required[0].nullable = true;
        let mut longer = stored.clone();
        longer[0].data_type = DataType::Int32;
        for (meant, words) in [
            (&[][..], "left out"),
            (&longer[..], "type of f"),
            (&required[..], "NULL"),
        ] {
            let reason = other_columns(&stored, meant).unwrap();
            assert!(reason.contains(words), "{reason}");
        }
    }
}
