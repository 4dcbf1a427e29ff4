//! What a command works on: which collections, partitions and fields a selection means.

use globset::Glob;

use crate::archive::Selection;
use crate::error::{Error, Result};
use crate::model::{Collection, CollectionName, DEFAULT_DATABASE, Field};

/// A pattern for collections: `name`, `db.name`, with `*`, `?` and `[…]` in either part.
struct Pattern<'a> {
    text: &'a str,
    database: Option<globset::GlobMatcher>,
    collection: globset::GlobMatcher,
}

impl Pattern<'_> {
    fn parse(text: &str) -> Result<Pattern<'_>> {
        // Neither databases nor collections have dots in their names.
        let (database, collection) = match text.split_once('.') {
            Some((database, collection)) => (Some(glob(text, database)?), collection),
            None => (None, text),
        };
        Ok(Pattern {
            text,
            database,
            collection: glob(text, collection)?,
        })
    }

    /// Whether it can stand for several names.
    fn is_open(&self) -> bool {
        self.text.contains(['*', '?', '[', '{'])
    }

    /// A pattern without a database means those of `home`.
    fn matches(&self, name: &CollectionName, home: &[String]) -> bool {
        let in_database = match &self.database {
            Some(database) => database.is_match(&name.database),
            None => home.contains(&name.database),
        };
        in_database && self.collection.is_match(&name.collection)
    }
}

fn glob(whole: &str, part: &str) -> Result<globset::GlobMatcher> {
    Glob::new(part)
        .map(|glob| glob.compile_matcher())
        .map_err(|error| {
            Error::Usage(format!(
                "{whole:?} is not a pattern for collections: {error}"
            ))
        })
}

/// Whether a pattern names a collection; without a database, in any.
pub fn names(pattern: &str, name: &CollectionName) -> Result<bool> {
    let home = std::slice::from_ref(&name.database);
    Ok(Pattern::parse(pattern)?.matches(name, home))
}

/// Whether a selection means a collection by its name, wherever that is.
pub fn has_named(selection: &Selection, name: &CollectionName) -> Result<bool> {
    let any = |patterns: &[String]| -> Result<bool> {
        for pattern in patterns {
            if names(pattern, name)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let of_database =
        selection.databases.is_empty() || selection.databases.contains(&name.database);
    let included = selection.collections.is_empty() || any(&selection.collections)?;
    Ok(of_database && included && !any(&selection.exclude)?)
}

/// The collections that a selection means, of all that there are, at least one; `place` is where they are, for
/// errors, and `database` the one that the place's address names.
///
/// # Errors
/// As [`matching`], and [`Error::NoCollection`] where nothing is left: an archive of nothing, night after night,
/// must not pass for a backup.
pub fn collections(
    selection: &Selection,
    all: &[CollectionName],
    databases: &[String],
    database: Option<&str>,
    place: &str,
) -> Result<Vec<CollectionName>> {
    let matching = matching(selection, all, databases, database, place)?;
    if !matching.is_empty() {
        return Ok(matching);
    }
    let name = if selection.exclude.is_empty() {
        "at all".to_owned()
    } else {
        format!(
            "but those that --exclude {} names",
            selection.exclude.join(", ")
        )
    };
    let databases = match (&selection.databases[..], database) {
        ([], None) => String::new(),
        ([], Some(one)) => format!(" in the database {one}"),
        (some, _) => format!(" in the database {}", some.join(" or ")),
    };
    Err(Error::NoCollection {
        name: name + &databases,
        place: place.to_owned(),
    })
}

/// The collections that a selection means, like [`collections`], but none are no error unless a name or a pattern
/// asks for one.
///
/// # Errors
/// [`Error::NoDatabase`] and [`Error::NoCollection`] where something that was asked for is not there.
pub fn matching(
    selection: &Selection,
    all: &[CollectionName],
    databases: &[String],
    database: Option<&str>,
    place: &str,
) -> Result<Vec<CollectionName>> {
    let mut wanted_databases = selection.databases.clone();
    if wanted_databases.is_empty() {
        wanted_databases.extend(database.map(str::to_owned));
    }
    for wanted in &wanted_databases {
        if !databases.contains(wanted) {
            return Err(Error::NoDatabase {
                name: wanted.clone(),
                place: place.to_owned(),
            });
        }
    }
    let home = match wanted_databases.as_slice() {
        [] => vec![DEFAULT_DATABASE.to_owned()],
        some => some.to_vec(),
    };
    let include = selection
        .collections
        .iter()
        .map(|text| Pattern::parse(text))
        .collect::<Result<Vec<_>>>()?;
    let exclude = selection
        .exclude
        .iter()
        .map(|text| Pattern::parse(text))
        .collect::<Result<Vec<_>>>()?;
    let is_selected = |name: &CollectionName| {
        selection.databases.is_empty() || selection.databases.contains(&name.database)
    };
    let is_there = |pattern: &&Pattern| {
        all.iter()
            .any(|name| is_selected(name) && pattern.matches(name, &home))
    };
    // What is left out by its name must be there, too: by a typing error it would come along.
    let mut named = exclude.iter().filter(|pattern| !pattern.is_open());
    let missing = include.iter().find(|pattern| !is_there(pattern));
    if let Some(pattern) = missing.or_else(|| named.find(|pattern| !is_there(pattern))) {
        let within = match &selection.databases[..] {
            [] => String::new(),
            some => format!(" in the database {}", some.join(" or ")),
        };
        return Err(Error::NoCollection {
            name: format!("{}{within}", pattern.text),
            place: place.to_owned(),
        });
    }
    Ok(all
        .iter()
        .filter(|name| {
            is_selected(name)
                && (wanted_databases.is_empty()
                    || include_names_databases(&include)
                    || wanted_databases.contains(&name.database))
        })
        .filter(|name| {
            include.is_empty() || include.iter().any(|pattern| pattern.matches(name, &home))
        })
        .filter(|name| !exclude.iter().any(|pattern| pattern.matches(name, &home)))
        .cloned()
        .collect())
}

fn include_names_databases(include: &[Pattern]) -> bool {
    include.iter().any(|pattern| pattern.database.is_some())
}

/// The fields of a collection that are read, `$meta` last where the collection is dynamic. The key is always
/// among them; outputs of functions such as BM25 cannot be read and are not. A field to leave out need not be in
/// every collection: see [`check_exclusions`].
pub fn fields(selection: &Selection, collection: &Collection) -> Result<Vec<Field>> {
    for named in &selection.fields {
        if !has_readable(collection, named) {
            return Err(no_field(named, &[collection]));
        }
    }
    Ok(present_fields(selection, collection))
}

/// Refuses fields to leave out that none of the collections has.
pub fn check_exclusions(selection: &Selection, collections: &[&Collection]) -> Result<()> {
    let unknown = |named: &&String| {
        !collections
            .iter()
            .any(|collection| has_readable(collection, named))
    };
    match selection.exclude_fields.iter().find(unknown) {
        Some(named) => Err(no_field(named, collections)),
        None => Ok(()),
    }
}

fn has_readable(collection: &Collection, name: &str) -> bool {
    readable_fields(collection)
        .iter()
        .any(|field| field.name == name)
}

fn no_field(named: &str, collections: &[&Collection]) -> Error {
    match collections {
        [collection] => {
            let fields = readable_fields(collection);
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            Error::Usage(format!(
                "{} has no field {named} that can be read; it has {}",
                collection.name,
                names.join(", ")
            ))
        }
        _ => Error::Usage(format!(
            "none of the selected collections has a field {named} that can be read"
        )),
    }
}

/// As [`fields`], without an error where the collection lacks one that the selection names.
pub fn present_fields(selection: &Selection, collection: &Collection) -> Vec<Field> {
    let mut readable = readable_fields(collection);
    readable.retain(|field| {
        let wanted = selection.fields.is_empty() || selection.fields.contains(&field.name);
        field.primary_key || (wanted && !selection.exclude_fields.contains(&field.name))
    });
    readable
}

fn readable_fields(collection: &Collection) -> Vec<Field> {
    let computed: Vec<&String> = collection
        .functions
        .iter()
        .filter(|function| function.computes())
        .flat_map(|function| &function.outputs)
        .collect();
    let mut readable: Vec<Field> = collection
        .fields
        .iter()
        .filter(|field| !computed.contains(&&field.name))
        .cloned()
        .collect();
    if collection.dynamic {
        readable.push(Field::dynamic());
    }
    readable
}

/// The partitions that are read one by one; `None` stands for the whole of a collection with a partition
/// key, whose partitions cannot be named.
pub fn partitions(selection: &Selection, collection: &Collection) -> Result<Vec<Option<String>>> {
    if collection.has_partition_key() {
        if !selection.partitions.is_empty() {
            return Err(Error::Usage(format!(
                "{} has a partition key, so its partitions cannot be selected; use --filter on the key",
                collection.name
            )));
        }
        return Ok(vec![None]);
    }
    for named in &selection.partitions {
        if !collection.partitions.contains(named) {
            return Err(Error::Usage(format!(
                "{} has no partition {named}; it has {}",
                collection.name,
                collection.partitions.join(", ")
            )));
        }
    }
    let wanted =
        |name: &&String| selection.partitions.is_empty() || selection.partitions.contains(name);
    Ok(collection
        .partitions
        .iter()
        .filter(wanted)
        .cloned()
        .map(Some)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<CollectionName> {
        [
            ("default", "docs"),
            ("default", "docs_old"),
            ("prod", "docs"),
            ("prod", "images"),
        ]
        .map(|(database, name)| CollectionName::new(database, name))
        .to_vec()
    }

    fn pick(
        include: &[&str],
        exclude: &[&str],
        databases: &[&str],
        home: Option<&str>,
    ) -> Result<String> {
        let own = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let selection = Selection {
            collections: own(include),
            exclude: own(exclude),
            databases: own(databases),
            ..Selection::default()
        };
        let picked = collections(
            &selection,
            &all(),
            &own(&["default", "prod"]),
            home,
            "http://h",
        )?;
        Ok(picked
            .iter()
            .map(CollectionName::to_string)
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn everything_is_the_default() {
        assert_eq!(
            pick(&[], &[], &[], None).unwrap(),
            "docs docs_old prod.docs prod.images"
        );
    }

    #[test]
    fn names_without_a_database_mean_the_databases_at_hand() {
        assert_eq!(pick(&["docs"], &[], &[], None).unwrap(), "docs");
        assert_eq!(
            pick(&["docs"], &[], &[], Some("prod")).unwrap(),
            "prod.docs"
        );
        assert_eq!(
            pick(&["docs"], &[], &["prod", "default"], None).unwrap(),
            "docs prod.docs"
        );
        assert_eq!(
            pick(&[], &[], &["prod"], None).unwrap(),
            "prod.docs prod.images"
        );
        assert_eq!(pick(&["prod.docs"], &[], &[], None).unwrap(), "prod.docs");
    }

    #[test]
    fn globs_and_exclusions_combine() {
        assert_eq!(pick(&["doc*"], &["*_old"], &[], None).unwrap(), "docs");
        assert_eq!(
            pick(&["*.docs"], &["default.*"], &[], None).unwrap(),
            "prod.docs"
        );
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(matches!(
            pick(&["nope"], &[], &[], None),
            Err(Error::NoCollection { .. })
        ));
        assert!(matches!(
            pick(&["images"], &[], &[], None),
            Err(Error::NoCollection { .. })
        ));
        assert!(matches!(
            pick(&["default.docs"], &[], &["prod"], None),
            Err(Error::NoCollection { .. })
        ));
        assert!(matches!(
            pick(&[], &["nope"], &[], None),
            Err(Error::NoCollection { .. })
        ));
        assert!(pick(&[], &["nope*"], &[], None).is_ok());
        assert!(matches!(
            pick(&[], &[], &["nope"], None),
            Err(Error::NoDatabase { .. })
        ));
        assert!(matches!(
            pick(&["a[b"], &[], &[], None),
            Err(Error::Usage(_))
        ));
    }

    #[test]
    fn nothing_to_work_on_is_an_error_that_says_why() {
        let words = |selection: &Selection, all: &[CollectionName], home| {
            let databases = ["default".to_owned(), "prod".to_owned()];
            let empty = matching(selection, all, &databases, home, "http://h").unwrap();
            assert_eq!(empty, []);
            collections(selection, all, &databases, home, "http://h")
                .unwrap_err()
                .to_string()
        };
        let whole = Selection::default();
        assert!(words(&whole, &[], None).starts_with("no collection at all in http://h;"));
        assert!(
            words(&whole, &all()[..2], Some("prod"))
                .starts_with("no collection at all in the database prod in http://h;")
        );
        let excluding = Selection {
            exclude: vec!["*.*".to_owned()],
            ..Selection::default()
        };
        assert!(
            words(&excluding, &all(), None)
                .starts_with("no collection but those that --exclude *.* names in http://h;")
        );
    }
}
