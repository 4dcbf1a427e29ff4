//! Vectors for texts without any model: texts that share words, or parts of words, are near each other.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

/// Dimensions of a dense vector.
pub const DIM: usize = 96;

/// Dimensions that sparse vectors are over.
const TERMS: u64 = 1 << 16;

/// What a part of a word weighs, where the word itself weighs 1.
const PART_WEIGHT: f32 = 0.25;

/// Words that say nothing about a text.
const STOP_WORDS: [&str; 14] = [
    "and", "the", "with", "for", "near", "were", "was", "that", "into", "then", "from", "until",
    "over", "not",
];

/// The words and their parts of three letters, each hashed to a dimension and a sign; of length 1.
pub fn dense(text: &str) -> [f32; DIM] {
    let mut vector = [0.0; DIM];
    let mut add = |feature: &str, weight: f32| {
        let hash = xxh3_64(feature.as_bytes());
        let sign = if hash >> 63 == 0 { weight } else { -weight };
        vector[(hash % DIM as u64) as usize] += sign;
    };
    for word in words(text) {
        add(&word, 1.0);
        let letters: Vec<char> = format!("<{word}>").chars().collect();
        for part in letters.windows(3) {
            add(&part.iter().collect::<String>(), PART_WEIGHT);
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vector
}

/// The weight of each word, by the dimension that it is hashed to, in ascending order: words weigh more when
/// they are long or come again.
pub fn sparse(text: &str) -> BTreeMap<u32, f32> {
    let mut weights = BTreeMap::new();
    for word in words(text) {
        let term = (xxh3_64(word.as_bytes()) % TERMS) as u32;
        *weights.entry(term).or_insert(0.0) += (1.0 + word.len() as f32).ln();
    }
    weights
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| word.len() > 2 && !STOP_WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(a: &str, b: &str) -> f32 {
        let (a, b) = (dense(a), dense(b));
        a.iter().zip(&b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_alike_are_near() {
        let fox = "A red fox hunted voles by the river at dawn.";
        let foxes = "Two red foxes were hunting voles near the frozen river.";
        let cake = "Bake the lemon cake for forty minutes and let it cool.";
        assert!(likeness(fox, foxes) > 0.4);
        assert!(likeness(fox, foxes) > likeness(fox, cake) + 0.3);
        assert!((likeness(fox, fox) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn sparse_vectors_have_a_dimension_a_word() {
        assert_eq!(sparse("lemon lemon cake, the cake").len(), 2);
        assert_eq!(sparse("the and").len(), 0);
    }
}
