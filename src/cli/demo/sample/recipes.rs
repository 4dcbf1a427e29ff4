//! Invented recipes: rows named by texts, in partitions, with dense and sparse vectors.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch};
use milvault::Result;
use milvault::model::{DEFAULT_PARTITION, DataType, Field};

use super::{Dice, Sample, collection, column, field, hnsw, index};
use crate::cli::demo::embedding::DIM;

/// Partitions, with what is cooked in each and whether an animal gave something for it.
const COURSES: [(&str, &[(&str, bool)]); 2] = [
    (
        "savoury",
        &[
            ("tomato soup", false),
            ("mushroom risotto", true),
            ("lentil stew", false),
            ("potato gratin", true),
            ("chickpea curry", false),
            ("onion tart", true),
            ("bean chili", false),
            ("pumpkin ravioli", true),
            ("vegetable pie", true),
            ("noodle salad", false),
        ],
    ),
    (
        "sweet",
        &[
            ("lemon cake", true),
            ("apple crumble", false),
            ("rice pudding", true),
            ("plum dumplings", true),
            ("chocolate tart", true),
            ("pear compote", false),
            ("almond biscuits", false),
            ("carrot cake", true),
        ],
    ),
];

const STYLES: [&str; 10] = [
    "Smoky",
    "Quick",
    "Grandmother's",
    "Golden",
    "Spicy",
    "Rustic",
    "Summer",
    "Winter",
    "Festive",
    "Silky",
];

const SECRETS: [&str; 14] = [
    "toasted walnuts",
    "fresh basil",
    "roasted garlic",
    "orange zest",
    "a bay leaf",
    "brown butter",
    "cardamom",
    "pickled ginger",
    "sea salt",
    "dried apricots",
    "poppy seeds",
    "thyme honey",
    "smoked paprika",
    "star anise",
];

const METHODS: [&str; 6] = [
    "Simmer slowly",
    "Bake until golden",
    "Stir patiently",
    "Steam under a lid",
    "Let it rest overnight",
    "Roast over coals",
];

/// Rows of each partition.
const ROWS: usize = 750;

/// The collection with its rows.
pub fn sample() -> Result<Sample> {
    let fields = vec![
        Field {
            primary_key: true,
            ..field("slug", DataType::VarChar, &[("max_length", 80)])
        },
        field("title", DataType::VarChar, &[("max_length", 120)]),
        field("text", DataType::VarChar, &[("max_length", 400)]),
        field("minutes", DataType::Int32, &[]),
        Field {
            nullable: true,
            ..field("rating", DataType::Double, &[])
        },
        field("vegan", DataType::Bool, &[]),
        field("embedding", DataType::FloatVector, &[("dim", DIM)]),
        field("terms", DataType::SparseFloatVector, &[]),
    ];
    let mut recipes = collection("recipes", "invented recipes", fields);
    recipes.partitions = vec![
        DEFAULT_PARTITION.to_owned(),
        "savoury".to_owned(),
        "sweet".to_owned(),
    ];
    recipes.aliases = vec!["cookbook".to_owned()];
    let sparse = [
        ("index_type", "SPARSE_INVERTED_INDEX"),
        ("metric_type", "IP"),
    ];
    recipes.indexes = vec![hnsw("embedding"), index("terms", &sparse)];
    let mut dice = Dice(2);
    let partitions = COURSES
        .iter()
        .map(|(course, dishes)| Ok(((*course).to_owned(), rows(dishes, &mut dice)?)))
        .collect::<Result<_>>()?;
    Ok(Sample {
        collection: recipes,
        partitions,
    })
}

fn rows(dishes: &[(&str, bool)], dice: &mut Dice) -> Result<RecordBatch> {
    let (mut slugs, mut titles, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut minutes, mut ratings, mut vegan) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..ROWS {
        let (dish, animal) = dice.pick(dishes);
        let (style, method) = (dice.pick(&STYLES), dice.pick(&METHODS));
        let first = dice.roll(SECRETS.len());
        let second = (first + 1 + dice.roll(SECRETS.len() - 1)) % SECRETS.len();
        let (first, second) = (SECRETS[first], SECRETS[second]);
        let time = 10 + 5 * dice.roll(24) as i32;
        let title = format!("{style} {dish} with {first}");
        slugs.push(format!("{}-{number:03}", dish.replace(' ', "-")));
        texts.push(format!(
            "{title}: {} for {time} minutes, then finish with {second}.",
            method.to_lowercase()
        ));
        titles.push(title);
        minutes.push(time);
        // Some nobody has tried yet.
        let stars = dice.roll(41) as f64 / 10.0 + 1.0;
        ratings.push((dice.roll(5) > 0).then_some(stars));
        vegan.push(!animal);
    }
    let all = |column: &[String]| column::texts(column.iter().map(String::as_str));
    let each = || texts.iter().map(String::as_str);
    column::batch(vec![
        ("slug", all(&slugs)),
        ("title", all(&titles)),
        ("text", all(&texts)),
        ("minutes", Arc::new(Int32Array::from(minutes)) as ArrayRef),
        ("rating", Arc::new(Float64Array::from(ratings))),
        ("vegan", Arc::new(BooleanArray::from(vegan))),
        ("embedding", column::dense("embedding", each())?),
        ("terms", column::sparse("terms", each())?),
    ])
}
