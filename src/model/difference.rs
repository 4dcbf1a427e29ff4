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
    for field in a {
        match b.iter().find(|other| other.name == field.name) {
            None => found.push(format!("field {} is only in {in_a}", full_name(field))),
            Some(other) => field_differences(&full_name(field), field, other, names, found),
        }
    }
    for field in b {
        if a.iter().all(|other| other.name != field.name) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DataType;

    fn part(name: &str, element_type: DataType) -> Field {
        Field {
            name: name.to_owned(),
            data_type: DataType::Array,
            element_type: Some(element_type),
            ..Field::dynamic()
        }
    }

    fn chunks(fields: Vec<Field>) -> Field {
        Field {
            name: "chunks".to_owned(),
            data_type: DataType::ArrayOfStruct,
            fields,
            ..Field::dynamic()
        }
    }

    fn differences(a: &Field, b: &Field) -> Vec<String> {
        let mut found = Vec::new();
        let (a, b) = (std::slice::from_ref(a), std::slice::from_ref(b));
        compare_fields("", a, b, ("a", "b"), &mut found);
        found
    }

    #[test]
    fn fields_of_struct_arrays_are_compared_in_any_order_and_named() {
        let (text, page) = (
            part("text", DataType::VarChar),
            part("page", DataType::Int64),
        );
        let one = chunks(vec![text.clone(), page.clone()]);
        let turned = chunks(vec![page, text.clone()]);
        assert_eq!(differences(&one, &turned), [""; 0]);
        assert!(one.is_like(&turned));

        let wider = chunks(vec![text.clone(), part("page", DataType::Int32)]);
        assert_eq!(
            differences(&one, &wider),
            ["field chunks[page]: its element type is Int64 in a, Int32 in b"]
        );
        let other = chunks(vec![text.clone(), part("number", DataType::Int64)]);
        assert_eq!(
            differences(&one, &other),
            [
                "field chunks[page] is only in a",
                "field chunks[number] is only in b"
            ]
        );
        for unlike in [wider, other, chunks(vec![text])] {
            assert!(!one.is_like(&unlike) && !unlike.is_like(&one));
        }
    }
}
