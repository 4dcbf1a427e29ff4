//! The demo's collections, composed from words: the same in every run.

mod column;
mod recipes;
mod sightings;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use milvault::Result;
use milvault::model::{
    Collection, CollectionName, ConsistencyLevel, DEFAULT_DATABASE, DataType, Field, Index, Load,
};

/// A collection with its rows by partition.
pub struct Sample {
    /// What is created, with the indexes, aliases and partitions that it gets.
    pub collection: Collection,
    /// The rows of each partition.
    pub partitions: Vec<(String, RecordBatch)>,
}

/// All of the demo's collections.
pub fn all() -> Result<Vec<Sample>> {
    Ok(vec![sightings::sample()?, recipes::sample()?])
}

impl Sample {
    /// The fields that are written, the dynamic one last.
    pub fn fields(&self) -> Vec<Field> {
        let dynamic = self.collection.dynamic.then(Field::dynamic);
        self.collection
            .fields
            .iter()
            .cloned()
            .chain(dynamic)
            .collect()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.partitions
            .iter()
            .map(|(_, rows)| rows.num_rows())
            .sum()
    }

    /// `recipes (invented recipes)`.
    pub fn title(&self) -> String {
        format!("{} ({})", self.collection.name, self.collection.description)
    }
}

fn collection(name: &str, description: &str, fields: Vec<Field>) -> Collection {
    Collection {
        name: CollectionName::new(DEFAULT_DATABASE, name),
        description: description.to_owned(),
        fields,
        dynamic: false,
        functions: Vec::new(),
        properties: BTreeMap::new(),
        partitions: Vec::new(),
        shards: 1,
        consistency_level: ConsistencyLevel::Strong,
        aliases: Vec::new(),
        indexes: Vec::new(),
        load: Load {
            loaded: true,
            replicas: 1,
            ..Load::default()
        },
    }
}

fn field(name: &str, data_type: DataType, params: &[(&str, usize)]) -> Field {
    Field {
        name: name.to_owned(),
        data_type,
        params: params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect(),
        // What a dynamic field is not, a plain one is not either.
        ..Field::dynamic()
    }
}

fn index(field: &str, params: &[(&str, &str)]) -> Index {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Index {
        name: field.to_owned(),
        field: field.to_owned(),
        params: params.iter().map(own).collect(),
    }
}

fn hnsw(field: &str) -> Index {
    index(
        field,
        &[
            ("index_type", "HNSW"),
            ("metric_type", "COSINE"),
            ("M", "16"),
            ("efConstruction", "100"),
        ],
    )
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use arrow_array::cast::AsArray;
    use milvault::columns;

    use super::*;

    #[test]
    fn every_row_can_be_written() {
        for sample in all().unwrap() {
            for (_, rows) in &sample.partitions {
                columns::encode(&sample.fields(), rows).unwrap();
            }
            assert!(sample.rows() >= 1000);
        }
    }

    #[test]
    fn samples_are_the_same_in_every_run_and_mostly_unlike_each_other() {
        let (first, second) = (all().unwrap(), all().unwrap());
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first.partitions, second.partitions);
            let texts = first.partitions.iter().flat_map(|(_, rows)| {
                let texts = rows.column_by_name("text").unwrap().as_string::<i32>();
                texts.iter().flatten().collect::<Vec<_>>()
            });
            let different: HashSet<&str> = texts.collect();
            assert!(different.len() * 10 > first.rows() * 9);
        }
    }
}
