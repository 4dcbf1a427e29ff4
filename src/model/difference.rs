//! In what two collections differ, as far as their rows are concerned.

use super::{Collection, Field};

/// Differences of fields and of the dynamic field, one sentence each; `a` and `b` name the two.
///
/// Names of collections, who makes the keys, indexes, aliases and properties are not looked at: rows are the
/// same without them.
pub fn schema_differences(a: &Collection, b: &Collection, names: (&str, &str)) -> Vec<String> {
    let (in_a, in_b) = names;
    let mut found = Vec::new();
    for field in &a.fields {
        match b.field(&field.name) {
            None => found.push(format!("field {} is only in {in_a}", field.name)),
            Some(other) => field_differences(field, other, names, &mut found),
        }
    }
    for field in b
        .fields
        .iter()
        .filter(|field| a.field(&field.name).is_none())
    {
        found.push(format!("field {} is only in {in_b}", field.name));
    }
    if a.dynamic != b.dynamic {
        let dynamic = if a.dynamic { in_a } else { in_b };
        found.push(format!("only {dynamic} has a dynamic field"));
    }
    found
}

fn field_differences(a: &Field, b: &Field, (in_a, in_b): (&str, &str), found: &mut Vec<String>) {
    let name = &a.name;
    let mut differ = |what: &str, of_a: String, of_b: String| {
        if of_a != of_b {
            found.push(format!(
                "field {name}: {what} is {of_a} in {in_a}, {of_b} in {in_b}"
            ));
        }
    };
    differ("its type", a.data_type.to_string(), b.data_type.to_string());
    let element = |field: &Field| {
        field
            .element_type
            .map_or_else(|| "none".to_owned(), |element| element.to_string())
    };
    differ("its element type", element(a), element(b));
    for param in ["dim", "max_length", "max_capacity"] {
        // Some servers do not tell all of them (milvus-lite 3.2.2: the length of an array's texts).
        if let (Some(of_a), Some(of_b)) = (a.params.get(param), b.params.get(param)) {
            differ(param, of_a.clone(), of_b.clone());
        }
    }
    differ(
        "primary key",
        a.primary_key.to_string(),
        b.primary_key.to_string(),
    );
    differ(
        "partition key",
        a.partition_key.to_string(),
        b.partition_key.to_string(),
    );
    differ("nullable", a.nullable.to_string(), b.nullable.to_string());
    differ(
        "its default",
        format!("{:?}", a.default),
        format!("{:?}", b.default),
    );
}
