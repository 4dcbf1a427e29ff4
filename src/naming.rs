//! What collections are called where they are restored to.

use crate::error::{Error, Result};
use crate::model::CollectionName;

/// Rules that give a collection its name in the target.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    renames: Vec<Rename>,
    /// Appended to every name.
    pub suffix: String,
    /// The database that everything goes into.
    pub into_database: Option<String>,
}

/// `from:to`, each `[database.]name`, each part with at most one `*`; a star in `to` stands for what the
/// star of the same part of `from` stood for.
#[derive(Clone, Debug)]
struct Rename {
    /// As the user typed it.
    text: String,
    database: Option<(Part, Option<Part>)>,
    name: (Part, Part),
    to_database: Option<Part>,
}

/// A name, or one with a star between two ends.
#[derive(Clone, Debug)]
struct Part {
    head: String,
    tail: Option<String>,
}

impl Naming {
    /// Adds a rule as users type it. Of several that match, the first decides.
    pub fn rename(&mut self, text: &str) -> Result<()> {
        let bad = || {
            Error::Usage(format!(
                "{text:?} is not a renaming; write from:to, each [database.]name, where one * in a part may stand for anything"
            ))
        };
        let (from, to) = text.split_once(':').ok_or_else(bad)?;
        let parse = |text: &str| -> Option<(Option<Part>, Part)> {
            match text.split_once('.') {
                Some((database, name)) => Some((Some(Part::parse(database)?), Part::parse(name)?)),
                None => Some((None, Part::parse(text)?)),
            }
        };
        let (from_database, from_name) = parse(from).ok_or_else(bad)?;
        let (to_database, to_name) = parse(to).ok_or_else(bad)?;
        let starless = |part: &Option<Part>| part.as_ref().is_none_or(|part| part.tail.is_none());
        if (to_name.tail.is_some() && from_name.tail.is_none())
            || (!starless(&to_database) && starless(&from_database))
        {
            return Err(bad());
        }
        self.renames.push(Rename {
            text: text.to_owned(),
            database: from_database.map(|from| (from, to_database.clone())),
            name: (from_name, to_name),
            to_database,
        });
        Ok(())
    }

    /// Whether everything is called in the target what it is called in the source.
    pub fn keeps_names(&self) -> bool {
        self.renames.is_empty() && self.suffix.is_empty() && self.into_database.is_none()
    }

    /// The same, where the target's address may name a database: everything goes into that one.
    ///
    /// # Errors
    /// A usage error where the rules name another one.
    pub fn within(&self, database: Option<&str>) -> Result<Naming> {
        let mut naming = self.clone();
        match (database, &self.into_database) {
            (Some(database), Some(other)) if database != other => Err(Error::Usage(format!(
                "the target's address names the database {database}, --into-database {other}; name one of them"
            ))),
            (Some(database), _) => {
                naming.into_database = Some(database.to_owned());
                Ok(naming)
            }
            (None, _) => Ok(naming),
        }
    }

    /// Refuses rules for what is not there.
    ///
    /// # Errors
    /// A usage error where a rule renames none of the collections, each with its aliases.
    pub fn check_used<'a>(
        &self,
        collections: impl Iterator<Item = (&'a CollectionName, &'a [String])> + Clone,
    ) -> Result<()> {
        let renames = |rename: &Rename| {
            collections.clone().any(|(name, aliases)| {
                let alias = |alias: &String| CollectionName::new(name.database.clone(), alias);
                rename.apply(name).is_some()
                    || aliases
                        .iter()
                        .any(|one| rename.apply(&alias(one)).is_some())
            })
        };
        match self.renames.iter().find(|rename| !renames(rename)) {
            None => Ok(()),
            Some(idle) => Err(Error::Usage(format!(
                "--rename {} renames none of the selected collections",
                idle.text
            ))),
        }
    }

    /// The name in the target.
    pub fn target(&self, name: &CollectionName) -> CollectionName {
        let renamed = self.renames.iter().find_map(|rename| rename.apply(name));
        let mut target = renamed.unwrap_or_else(|| name.clone());
        target.collection.push_str(&self.suffix);
        if let Some(database) = &self.into_database {
            target.database.clone_from(database);
        }
        target
    }

    /// The database in the target of what is in no collection of its own: where a collection of any name would go.
    pub fn database(&self, database: &str) -> String {
        self.target(&CollectionName::new(database, "*")).database
    }

    /// The name in the target of an alias of `collection`: named by the same rules as a collection.
    pub fn alias(&self, collection: &CollectionName, alias: &str) -> String {
        self.target(&CollectionName::new(collection.database.clone(), alias))
            .collection
    }
}

impl Rename {
    fn apply(&self, name: &CollectionName) -> Option<CollectionName> {
        let collection = self
            .name
            .0
            .capture(&name.collection)
            .map(|star| self.name.1.fill(star))?;
        let database = match &self.database {
            Some((from, to)) => {
                let star = from.capture(&name.database)?;
                to.as_ref()
                    .map_or_else(|| name.database.clone(), |to| to.fill(star))
            }
            None => self
                .to_database
                .as_ref()
                .map_or_else(|| name.database.clone(), |to| to.fill("")),
        };
        Some(CollectionName {
            database,
            collection,
        })
    }
}

impl Part {
    fn parse(text: &str) -> Option<Part> {
        let mut ends = text.split('*');
        let head = ends.next()?.to_owned();
        let tail = ends.next().map(str::to_owned);
        (ends.next().is_none() && !text.is_empty()).then_some(Part { head, tail })
    }

    /// What the star stands for in `text`; empty where there is no star and the text is the same.
    fn capture<'a>(&self, text: &'a str) -> Option<&'a str> {
        match &self.tail {
            None => (text == self.head).then_some(""),
            Some(tail) => text
                .strip_prefix(self.head.as_str())?
                .strip_suffix(tail.as_str()),
        }
    }

    fn fill(&self, star: &str) -> String {
        match &self.tail {
            None => self.head.clone(),
            Some(tail) => format!("{}{star}{tail}", self.head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(
        rules: &[&str],
        suffix: &str,
        into: Option<&str>,
        database: &str,
        name: &str,
    ) -> String {
        let mut naming = Naming {
            suffix: suffix.into(),
            into_database: into.map(Into::into),
            ..Naming::default()
        };
        for rule in rules {
            naming.rename(rule).unwrap();
        }
        naming
            .target(&CollectionName::new(database, name))
            .to_string()
    }

    #[test]
    fn names_follow_the_first_rule_that_matches() {
        assert_eq!(
            target(&["docs:texts", "d*:x*"], "", None, "default", "docs"),
            "texts"
        );
        assert_eq!(
            target(&["docs:texts", "d*:x*"], "", None, "default", "data"),
            "xata"
        );
        assert_eq!(
            target(&["docs:texts"], "", None, "default", "images"),
            "images"
        );
        assert_eq!(
            target(&["db1.*:db2.*"], "", None, "db1", "docs"),
            "db2.docs"
        );
        assert_eq!(
            target(&["db1.*:db2.*"], "", None, "db3", "docs"),
            "db3.docs"
        );
        assert_eq!(
            target(&["docs:prod.docs"], "", None, "default", "docs"),
            "prod.docs"
        );
    }

    #[test]
    fn suffix_and_database_apply_to_all() {
        assert_eq!(
            target(&["docs:texts"], "_copy", Some("stage"), "default", "docs"),
            "stage.texts_copy"
        );
        let naming = Naming {
            suffix: "_copy".into(),
            ..Naming::default()
        };
        assert_eq!(
            naming.alias(&CollectionName::new("default", "docs"), "live"),
            "live_copy"
        );
    }

    #[test]
    fn the_database_of_an_address_is_where_everything_goes() {
        let name = CollectionName::new("default", "docs");
        let naming = Naming::default();
        assert_eq!(
            naming
                .within(Some("stage"))
                .unwrap()
                .target(&name)
                .to_string(),
            "stage.docs"
        );
        assert_eq!(
            naming.within(None).unwrap().target(&name).to_string(),
            "docs"
        );
        let into = Naming {
            into_database: Some("prod".into()),
            ..Naming::default()
        };
        assert!(matches!(into.within(Some("stage")), Err(Error::Usage(_))));
        assert!(into.within(Some("prod")).is_ok());
    }

    #[test]
    fn a_rule_for_what_is_not_there_is_refused() {
        let (name, aliases) = (CollectionName::new("prod", "docs"), ["live".to_owned()]);
        for (rule, used) in [
            ("docs:texts", true),
            ("prod.*:stage.*", true),
            ("live:old", true),
            ("texts:docs", false),
            ("default.docs:texts", false),
        ] {
            let mut naming = Naming::default();
            naming.rename(rule).unwrap();
            let checked = naming.check_used([(&name, &aliases[..])].into_iter());
            assert_eq!(checked.is_ok(), used, "{rule}");
        }
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        for rule in ["docs", ":", "a:", "a**:b", "a:b*", "a.b:*.c"] {
            assert!(Naming::default().rename(rule).is_err(), "{rule}");
        }
    }
}
