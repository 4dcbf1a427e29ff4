//! `milvault compare`

use clap::Args;
use milvault::Result;
use milvault::compare::{
    CollectionComparison, CompareOptions, Comparison, RowChange, RowDifference, Side, compare,
};
use milvault::readable::ReadAccess;

use super::exit::Finish;
use super::options::{
    CollectionArguments, ConnectionArguments, FilterArgument, NamingArguments, PartArguments, Role,
    StoreArguments, selection,
};
use super::place::Connected;
use super::{Session, output, place, units};

/// How many differing rows of a collection are named, unless something else is asked for.
pub const SHOWN: usize = 10;

const AFTER_HELP: &str = "\
Compared are fields and their types, and all rows, by key and bit for bit; not indexes, aliases, properties and users, which a \
restore compares itself with what they were meant to be. Of a cluster beside an archive of some rows, fields or partitions, no \
others are read.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The first place: a cluster or an archive; a profile goes before a folder of its name, which is ./NAME
    a: String,

    /// The second place: a cluster or an archive
    b: String,

    /// How many differing rows of each collection are named
    #[arg(long, value_name = "N", default_value_t = SHOWN)]
    show: usize,

    /// Refuse collections that are not loaded, instead of loading them for the time being
    #[arg(long)]
    no_load: bool,

    /// Build a temporary index where a collection cannot be loaded without one
    #[arg(long, conflicts_with = "no_load")]
    temp_index: bool,

    #[command(flatten)]
    collections: CollectionArguments,
    #[command(flatten)]
    parts: PartArguments,
    #[command(flatten)]
    filter: FilterArgument,
    #[command(flatten)]
    naming: NamingArguments,

    #[command(flatten)]
    stores: StoreArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// A side, with what must be ended afterwards.
struct Opened {
    side: Side,
    name: String,
    connected: Option<Connected>,
}

impl Opened {
    async fn finish<T>(self, worked: Result<T>) -> Result<T> {
        match self.connected {
            Some(connected) => connected.finish(worked).await,
            None => worked,
        }
    }
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let options = CompareOptions {
        selection: selection(&arguments.collections, &arguments.parts, &arguments.filter),
        naming: arguments.naming.naming()?,
        access: ReadAccess {
            load: !arguments.no_load,
            temp_index: arguments.temp_index,
        },
        mask_key: None,
        second_as_is: false,
        show: arguments.show,
    };
    let a = open(&arguments.a, &arguments, Role::From, session).await?;
    let b = match open(&arguments.b, &arguments, Role::To, session).await {
        Ok(b) => b,
        Err(error) => return a.finish(Err(error)).await,
    };
    let names = (a.name.clone(), b.name.clone());
    let compared = compare(&a.side, &b.side, &options, &session.ctx).await;
    let compared = b.finish(compared).await;
    let found = a.finish(compared).await?;
    session
        .output
        .result(&found, || differences(&found, &names.0, &names.1))?;
    Ok(Finish::of(found.equal))
}

async fn open(text: &str, arguments: &Arguments, role: Role, session: &Session) -> Result<Opened> {
    if let Some(named) = place::cluster_or_files(text, session)? {
        let connected = place::connect(&named, &arguments.connection, role, session).await?;
        return Ok(Opened {
            side: Side::Cluster(Box::new(connected.cluster.clone())),
            name: connected.name.clone(),
            connected: Some(connected),
        });
    }
    let archive = place::archive(text, &arguments.stores, session).await?;
    Ok(Opened {
        name: archive.uri(),
        side: Side::Archive(Box::new(archive)),
        connected: None,
    })
}

/// All that differs, a line each, and a verdict.
pub fn differences(found: &Comparison, a: &str, b: &str) -> String {
    let mut lines = details(found, a, b);
    lines.push(if found.equal {
        format!("{a} and {b} hold the same.")
    } else {
        format!("{a} and {b} differ.")
    });
    lines.join("\n")
}

/// All that differs, a line each.
pub fn details(found: &Comparison, a: &str, b: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for name in &found.only_in_a {
        lines.push(format!("{name}: only in {a}"));
    }
    for name in &found.only_in_b {
        lines.push(format!("{name}: only in {b}"));
    }
    for one in &found.collections {
        collection(one, a, b, &mut lines);
        if !one.masked.is_empty() {
            let fields = output::joined(&one.masked, "");
            lines.push(format!("  masked, and so not compared: {fields}"));
        }
    }
    lines.extend(found.notes.iter().map(|note| format!("{note}.")));
    lines
}

fn collection(one: &CollectionComparison, a: &str, b: &str, lines: &mut Vec<String>) {
    let name = if one.a == one.b {
        one.a.to_string()
    } else {
        format!("{} and {}", one.a, one.b)
    };
    if one.equal {
        let rows = units::count(one.rows_a, "row");
        lines.push(format!("{name}: the same, {rows}"));
        return;
    }
    lines.push(format!(
        "{name}: differ; {} and {}",
        units::count(one.rows_a, "row"),
        units::count(one.rows_b, "row")
    ));
    lines.extend(one.schema.iter().map(|what| format!("  schema: {what}")));
    for (number, what) in [
        (one.only_in_a, format!("only in {a}")),
        (one.only_in_b, format!("only in {b}")),
        (one.changed, "with other values".to_owned()),
    ] {
        if number > 0 {
            lines.push(format!("  {} {what}", units::count(number, "row")));
        }
    }
    lines.extend(
        one.first
            .iter()
            .map(|row| format!("  {}", difference(row, a, b))),
    );
    let all = one.only_in_a + one.only_in_b + one.changed;
    let named = one.first.len() as u64;
    if named > 0 && all > named {
        lines.push(format!("  … and {} more", units::count(all - named, "row")));
    }
}

fn difference(row: &RowDifference, a: &str, b: &str) -> String {
    let place = match &row.partition {
        Some(partition) => format!("{} in partition {partition}", row.key),
        None => row.key.to_string(),
    };
    match &row.what {
        RowChange::OnlyInA => format!("key {place}: only in {a}"),
        RowChange::OnlyInB => format!("key {place}: only in {b}"),
        RowChange::Fields(fields) => {
            format!("key {place}: other {}", output::joined(fields, "values"))
        }
    }
}

#[cfg(test)]
mod tests {
    use milvault::model::{CollectionName, Key};

    use super::*;

    #[test]
    fn what_differs_is_named_down_to_the_field() {
        let name = CollectionName::new("default", "docs");
        let row = |key, what| RowDifference {
            partition: Some("_default".into()),
            key: Key::Int(key),
            what,
        };
        let found = Comparison {
            equal: false,
            collections: vec![CollectionComparison {
                a: name.clone(),
                b: CollectionName::new("default", "docs_copy"),
                equal: false,
                rows_a: 3,
                rows_b: 2,
                schema: vec!["field x is nullable in A only".into()],
                masked: vec!["email".into()],
                only_in_a: 1,
                only_in_b: 0,
                changed: 4,
                first: vec![
                    row(1, RowChange::OnlyInA),
                    row(2, RowChange::Fields(vec!["text".into(), "vector".into()])),
                ],
            }],
            only_in_a: vec![CollectionName::new("prod", "old")],
            only_in_b: Vec::new(),
            notes: vec!["A is a part of its source".into()],
        };
        let expected = "\
prod.old: only in A
docs and docs_copy: differ; 3 rows and 2 rows
  schema: field x is nullable in A only
  1 row only in A
  4 rows with other values
  key 1 in partition _default: only in A
  key 2 in partition _default: other text, vector
  … and 3 rows more
  masked, and so not compared: email
A is a part of its source.
A and B differ.";
        assert_eq!(differences(&found, "A", "B"), expected);
    }
}
