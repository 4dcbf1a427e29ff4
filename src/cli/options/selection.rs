//! Which collections, rows and fields.

use clap::Args;
use milvault::archive::Selection;
use milvault::model::Sample;

use super::MaskArguments;

/// Which collections.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct CollectionArguments {
    /// Only these collections: `name`, `database.name`, with globs (`db.*`); repeatable
    #[arg(short, long = "collection", value_name = "NAME")]
    collections: Vec<String>,

    /// Not these collections; repeatable
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,

    /// Only these databases; repeatable [default: the one of the address, else all]
    #[arg(short, long = "database", value_name = "NAME")]
    databases: Vec<String>,
}

/// Which parts of them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct PartArguments {
    /// Only these partitions; repeatable
    #[arg(long = "partition", value_name = "NAME")]
    partitions: Vec<String>,

    /// Only these fields, and the primary key
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    fields: Vec<String>,

    /// All fields but these
    #[arg(
        long,
        value_name = "FIELD",
        value_delimiter = ',',
        conflicts_with = "fields"
    )]
    exclude_fields: Vec<String>,
}

/// Which rows.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct FilterArgument {
    /// Only rows that fulfil this Milvus expression, such as 'year > 2020'
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
}

/// How many rows.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct ThinArguments {
    /// Only this share of the rows, such as `1%`, picked by a hash of the key: always and everywhere the same rows
    #[arg(long, value_name = "SHARE")]
    sample: Option<Sample>,

    /// Only the first rows of each collection (of the sample, if there is one), by key
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// All that was asked for.
pub fn selection(
    collections: &CollectionArguments,
    parts: &PartArguments,
    filter: &FilterArgument,
) -> Selection {
    Selection {
        collections: collections.collections.clone(),
        exclude: collections.exclude.clone(),
        databases: collections.databases.clone(),
        partitions: parts.partitions.clone(),
        filter: filter.filter.clone(),
        fields: parts.fields.clone(),
        exclude_fields: parts.exclude_fields.clone(),
        ..Selection::default()
    }
}

/// The same, of which a part of the rows is taken, and values are replaced.
pub fn staged(selection: Selection, thin: &ThinArguments, masks: &MaskArguments) -> Selection {
    Selection {
        sample: thin.sample,
        limit: thin.limit,
        masks: masks.masks.clone(),
        ..selection
    }
}
