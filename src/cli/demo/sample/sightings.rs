//! What rangers saw: numbered rows with JSON, arrays, nulls and dynamic fields.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int8Array, Int16Array, Int64Array};
use milvault::Result;
use milvault::model::{DEFAULT_PARTITION, DataType, Field};
use serde_json::json;

use super::{Dice, Sample, collection, column, field, hnsw, index};
use crate::cli::demo::embedding::DIM;

const ROWS: usize = 3000;

/// Kind, species in the plural, what they feed on.
const ANIMALS: [(&str, &str, &str); 24] = [
    ("mammal", "red foxes", "voles"),
    ("mammal", "brown bears", "blueberries"),
    ("mammal", "grey wolves", "a fallen elk"),
    ("mammal", "river otters", "trout"),
    ("mammal", "roe deer", "young birch leaves"),
    ("mammal", "pine martens", "rowan berries"),
    ("mammal", "badgers", "earthworms"),
    ("mammal", "wild boars", "acorns"),
    ("mammal", "beavers", "willow bark"),
    ("mammal", "lynxes", "a mountain hare"),
    ("bird", "white-tailed eagles", "pike"),
    ("bird", "common cranes", "spilled grain"),
    ("bird", "barn owls", "field mice"),
    ("bird", "kingfishers", "minnows"),
    ("bird", "black woodpeckers", "carpenter ants"),
    ("bird", "barnacle geese", "clover"),
    ("bird", "peregrine falcons", "a pigeon"),
    ("bird", "crossbills", "spruce cones"),
    ("reptile", "grass snakes", "frogs"),
    ("reptile", "sand lizards", "crickets"),
    ("amphibian", "tree frogs", "mosquitoes"),
    ("amphibian", "fire salamanders", "slugs"),
    ("insect", "stag beetles", "oak sap"),
    ("insect", "swallowtail butterflies", "thistle nectar"),
];

const TIMES: [&str; 8] = [
    "At dawn",
    "At noon",
    "After sunset",
    "In the first snow",
    "During a thunderstorm",
    "In thick fog",
    "On a warm evening",
    "By moonlight",
];

/// Name and kind of landscape.
const PLACES: [(&str, &str); 12] = [
    ("Heron Lake", "lake"),
    ("Miller's Creek", "river"),
    ("the Old Quarry", "rock"),
    ("Birch Hollow", "forest"),
    ("the Northern Bog", "wetland"),
    ("Fox Meadow", "meadow"),
    ("the Dune Path", "coast"),
    ("Three Oaks", "forest"),
    ("Eagle Ridge", "rock"),
    ("the Reed Islands", "wetland"),
    ("Stony Ford", "river"),
    ("the Orchard", "meadow"),
];

const DEEDS: [&str; 9] = [
    "fed on",
    "searched for",
    "quarrelled over",
    "carried away",
    "waited for",
    "shared",
    "buried",
    "stole",
    "taught their young to find",
];

const NUMBERS: [&str; 6] = ["A pair of", "Three", "Four", "Five", "A dozen", "Twenty"];
const COUNTS: [i8; 6] = [2, 3, 4, 5, 12, 20];
const RANGERS: [&str; 6] = ["Amara", "Björn", "Chen", "Dolores", "Emre", "Fatou"];
const WEATHER: [&str; 5] = ["clear", "cloudy", "rain", "snow", "fog"];

#[derive(Default)]
struct Columns {
    species: Vec<&'static str>,
    text: Vec<String>,
    year: Vec<i16>,
    number: Vec<i8>,
    temperature: Vec<Option<f32>>,
    details: Vec<String>,
    tags: Vec<Vec<String>>,
    dynamic: Vec<String>,
}

/// The collection with its rows.
pub fn sample() -> Result<Sample> {
    let fields = vec![
        Field {
            primary_key: true,
            ..field("id", DataType::Int64, &[])
        },
        field("species", DataType::VarChar, &[("max_length", 64)]),
        field("text", DataType::VarChar, &[("max_length", 400)]),
        field("year", DataType::Int16, &[]),
        field("number", DataType::Int8, &[]),
        Field {
            nullable: true,
            ..field("temperature", DataType::Float, &[])
        },
        field("details", DataType::Json, &[]),
        Field {
            element_type: Some(DataType::VarChar),
            ..field(
                "tags",
                DataType::Array,
                &[("max_capacity", 8), ("max_length", 32)],
            )
        },
        field("embedding", DataType::FloatVector, &[("dim", DIM)]),
    ];
    let mut sightings = collection("sightings", "animals that rangers saw", fields);
    sightings.dynamic = true;
    sightings.aliases = vec!["wildlife".to_owned()];
    sightings.indexes = vec![
        hnsw("embedding"),
        index("species", &[("index_type", "INVERTED")]),
    ];
    let columns = rows();
    let texts = || columns.text.iter().map(String::as_str);
    let ids = Int64Array::from_iter_values(1..=ROWS as i64);
    let batch = column::batch(vec![
        ("id", Arc::new(ids) as ArrayRef),
        ("species", column::texts(columns.species.iter().copied())),
        ("text", column::texts(texts())),
        ("year", Arc::new(Int16Array::from(columns.year.clone()))),
        ("number", Arc::new(Int8Array::from(columns.number.clone()))),
        (
            "temperature",
            Arc::new(Float32Array::from(columns.temperature.clone())),
        ),
        (
            "details",
            column::texts(columns.details.iter().map(String::as_str)),
        ),
        ("tags", column::text_lists("tags", &columns.tags)?),
        ("embedding", column::dense("embedding", texts())?),
        (
            "$meta",
            column::texts(columns.dynamic.iter().map(String::as_str)),
        ),
    ])?;
    Ok(Sample {
        collection: sightings,
        partitions: vec![(DEFAULT_PARTITION.to_owned(), batch)],
    })
}

fn rows() -> Columns {
    let mut dice = Dice(1);
    let mut columns = Columns::default();
    for _ in 0..ROWS {
        let (kind, species, food) = dice.pick(&ANIMALS);
        let (place, landscape) = dice.pick(&PLACES);
        let number = dice.roll(NUMBERS.len());
        let (time, deed, weather) = (dice.pick(&TIMES), dice.pick(&DEEDS), dice.pick(&WEATHER));
        let mut tags = vec![kind.to_owned(), landscape.to_owned()];
        tags.truncate(dice.roll(3));
        columns.species.push(species);
        columns.text.push(format!(
            "{time}, {} {species} {deed} {food} near {place}.",
            NUMBERS[number].to_lowercase()
        ));
        columns.year.push(2010 + dice.roll(16) as i16);
        columns.number.push(COUNTS[number]);
        // Not every ranger has a thermometer.
        let tenths = dice.roll(400) as f32;
        columns
            .temperature
            .push((dice.roll(4) > 0).then_some(tenths / 10.0 - 10.0));
        let details = json!({
            "kind": kind,
            "place": { "name": place, "landscape": landscape },
            "weather": weather,
        });
        columns.details.push(details.to_string());
        columns.tags.push(tags);
        let dynamic = match dice.roll(3) {
            0 => json!({}),
            1 => json!({ "ranger": dice.pick(&RANGERS) }),
            _ => json!({ "ranger": dice.pick(&RANGERS), "photos": dice.roll(9) }),
        };
        columns.dynamic.push(dynamic.to_string());
    }
    columns
}
