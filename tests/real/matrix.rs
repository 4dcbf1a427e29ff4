//! Every server into every other one, old into new and new into old, and into its own kind: with the richest
//! collections that both ends can hold, by an archive and without one. All of them arrive, bit for bit.

use std::thread;

use milvault::archive::Selection;
use milvault::naming::Naming;
use milvault::restore::Outcome;

use crate::migration::{migrated, migrating};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    Vault, assert_equal, collections, connect, database, live, renamed, restore_into, restoring,
    side,
};

/// One kind of server, at either end.
#[derive(Clone, Copy)]
struct Kind {
    /// What the scenarios call it.
    name: &'static str,
    /// What databases and collections are called after.
    short: &'static str,
    server: fn() -> &'static Server,
    /// Whether it has databases, partitions and aliases.
    divided: bool,
    /// Whether it holds binary vectors.
    binary: bool,
    /// Whether it holds NULL, and defaults.
    nulls: bool,
}

const MILVUS_2_2: Kind = Kind {
    name: "milvus-2.2.16",
    short: "m22",
    server: servers::milvus_2216,
    divided: true,
    binary: true,
    nulls: false,
};
const MILVUS_2_3: Kind = Kind {
    name: "milvus-2.3.5",
    short: "m23",
    server: servers::milvus_235,
    divided: true,
    binary: true,
    nulls: false,
};
const LITE_2: Kind = Kind {
    name: "lite-2.5.1",
    short: "l2",
    server: servers::lite_251,
    divided: false,
    binary: true,
    nulls: false,
};
const LITE_3: Kind = Kind {
    name: "lite-3.2.2",
    short: "l3",
    server: servers::lite_322,
    divided: true,
    binary: false,
    nulls: true,
};

const KINDS: [Kind; 4] = [MILVUS_2_2, MILVUS_2_3, LITE_2, LITE_3];

#[test]
fn everything_goes_into_milvus_2_2() {
    from_everywhere_into(&MILVUS_2_2);
}

#[test]
fn everything_goes_into_milvus_2_3() {
    from_everywhere_into(&MILVUS_2_3);
}

#[test]
fn everything_goes_into_milvus_lite_2() {
    from_everywhere_into(&LITE_2);
}

#[test]
fn everything_goes_into_milvus_lite_3() {
    from_everywhere_into(&LITE_3);
}

/// Each source in a thread of its own: Milvus takes seconds for what costs no work. A thread that fails says the
/// pair, which is its name.
fn from_everywhere_into(target: &'static Kind) {
    let pairs = KINDS.map(|source| {
        let name = format!("{} to {}", source.name, target.name);
        let work = move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(carry(&source, target));
        };
        let thread = thread::Builder::new().name(name.clone()).spawn(work);
        (name, thread.unwrap())
    });
    let failed = pairs.map(|(name, thread)| thread.join().is_err().then_some(name));
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

/// Where a pair's collections are on one of its ends: in a database, or told by a suffix.
struct Place {
    database: String,
    suffix: String,
}

impl Place {
    fn of(kind: &Kind, label: String) -> Place {
        if kind.divided {
            Place {
                database: label,
                suffix: String::new(),
            }
        } else {
            Place {
                database: "default".into(),
                suffix: format!("_{label}"),
            }
        }
    }

    fn selection(&self) -> Selection {
        if self.suffix.is_empty() {
            database(&self.database)
        } else {
            collections("default", &[&format!("*{}", self.suffix)])
        }
    }

    /// The options of fill.py and truth.py.
    fn options<'a>(&'a self, of: &'a str) -> [&'a str; 6] {
        let database = if self.suffix.is_empty() {
            &self.database
        } else {
            ""
        };
        ["--db", database, "--suffix", &self.suffix, "--of", of]
    }
}

fn naming(from: &Place, to: &Place) -> Naming {
    renamed(&format!(
        "{}.*{}:{}.*{}",
        from.database, from.suffix, to.database, to.suffix
    ))
}

/// The scenarios that both ends can hold.
fn scenarios(source: &Kind, target: &Kind) -> Vec<&'static str> {
    let mut names = vec![
        "every_type",
        "hard_text_keys",
        "hard_int_keys",
        "deleted",
        "auto_id",
    ];
    if source.binary && target.binary {
        names.push("binary_vector");
    }
    if source.nulls && target.nulls {
        names.push("nullable");
    }
    if source.divided && target.divided {
        names.extend(["partitioned", "partition_key"]);
    }
    names
}

async fn carry(source: &Kind, target: &Kind) {
    let names = scenarios(source, target);
    let of = format!("{}+{}", source.name, target.name);
    let from = Place::of(source, format!("to_{}", target.short));
    let (there, here) = ((source.server)(), (target.server)());
    python::fill(there, &names.join(","), &from.options(&of));

    let vault = Vault::new();
    let archive = vault
        .export(&connect(there).await, "a", &from.selection())
        .await;
    let by_archive = Place::of(target, format!("from_{}", source.short));
    let mut options = restoring(&naming(&from, &by_archive));
    options.aliases = target.divided;
    let restored = restore_into(&archive, &connect(here).await, &options).await;

    let directly = Place::of(target, format!("straight_from_{}", source.short));
    let mut options = migrating(from.selection(), &naming(&from, &directly));
    options.aliases = target.divided;
    let migrated = migrated(there, here, &options).await;

    // milvus-lite tells less than it was told: parameters of indexes, lengths of texts.
    if source.name.starts_with("milvus-") && target.name.starts_with("milvus-") {
        let mut meant = python::definitions(there, &from.database, &names);
        let mut found = python::definitions(here, &by_archive.database, &names);
        for definition in [&mut meant, &mut found] {
            // Keys are kept, so they are no longer made by the server.
            let key = definition["auto_id"]["fields"]["id"].as_object_mut();
            key.unwrap().remove("auto_id");
        }
        python::assert_same(&found, &meant, target.name);
    }

    for (place, report) in [
        (by_archive, restored.collections),
        (directly, migrated.collections),
    ] {
        assert_eq!(report.len(), names.len());
        for one in report {
            assert_eq!(one.outcome, Outcome::Created);
            assert!(one.loaded, "{one:?}");
            assert_eq!(one.aliases.is_empty(), !(source.divided && target.divided));
        }
        let (all, naming) = (Selection::default(), naming(&from, &place));
        let cluster = connect(here).await;
        assert_equal(&side(&archive), &live(&cluster), &all, &naming, names.len()).await;
        python::assert_holds(here, &names.join(","), &place.options(&of));
    }
}
