//! In what two collections differ, as far as their rows are concerned.

use super::{Collection, Field};

/// Differences of fields and of the dynamic field, one sentence each; `a` and `b` name the two.
///
/// Names of collections, who makes the keys, indexes, aliases and properties are not looked at: rows are the
/// same without them.
pub fn schema_differences(a: &Collection, b: &Collection, names: (&str, &str)) -> Vec<String> {
    let (in_a, in_b) = names;
    let mut found = Vec::new();
    compare_fields("", &a.fields, &b.fields, names, &mut found);
    if a.dynamic != b.dynamic {
        let dynamic = if a.dynamic { in_a } else { in_b };
        found.push(format!("only {dynamic} has a dynamic field"));
    }
    found
}

/// Compares the fields of collections, or of the struct array `of`, whatever their order.
fn compare_fields(
    of: &str,
    a: &[Field],
    b: &[Field],
    names: (&str, &str),
    found: &mut Vec<String>,
) {
    let (in_a, in_b) = names;
    let full_name = |field: &Field| match of {
        "" => field.name.clone(),
        of => format!("{of}[{}]", field.name),
    };
    let within =
        |fields: &'_ [Field], name: &str| fields.iter().position(|field| field.name == name);
    for field in a {
        match within(b, &field.name) {
            None => found.push(format!("field {} is only in {in_a}", full_name(field))),
            Some(other) => field_differences(&full_name(field), field, &b[other], names, found),
        }
    }
    for field in b {
        if within(a, &field.name).is_none() {
            found.push(format!("field {} is only in {in_b}", full_name(field)));
        }
    }
}

fn field_differences(
    name: &str,
    a: &Field,
    b: &Field,
    names: (&str, &str),
    found: &mut Vec<String>,
) {
    compare_fields(name, &a.fields, &b.fields, names, found);
    let (in_a, in_b) = names;
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
