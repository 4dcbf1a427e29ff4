//! Every server into every other one, old into new and new into old, and into its own kind: with the richest
//! collections that both ends can hold, all of them arrive, bit for bit.

use milvault::archive::Selection;
use milvault::naming::Naming;
use milvault::restore::Outcome;

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    Vault, assert_equal, collections, connect, database, live, renamed, restore_into, restoring,
    side,
};

/// One kind of server, at either end.
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

macro_rules! pairs {
    ($($test:ident = $source:ident to $target:ident;)*) => {$(
        #[tokio::test]
        async fn $test() {
            carry(&$source, &$target).await;
        }
    )*};
}

pairs! {
    milvus_2_2_to_milvus_2_2 = MILVUS_2_2 to MILVUS_2_2;
    milvus_2_2_to_milvus_2_3 = MILVUS_2_2 to MILVUS_2_3;
    milvus_2_2_to_lite_2 = MILVUS_2_2 to LITE_2;
    milvus_2_2_to_lite_3 = MILVUS_2_2 to LITE_3;
    milvus_2_3_to_milvus_2_2 = MILVUS_2_3 to MILVUS_2_2;
    milvus_2_3_to_milvus_2_3 = MILVUS_2_3 to MILVUS_2_3;
    milvus_2_3_to_lite_2 = MILVUS_2_3 to LITE_2;
    milvus_2_3_to_lite_3 = MILVUS_2_3 to LITE_3;
    lite_2_to_milvus_2_2 = LITE_2 to MILVUS_2_2;
    lite_2_to_milvus_2_3 = LITE_2 to MILVUS_2_3;
    lite_2_to_lite_2 = LITE_2 to LITE_2;
    lite_2_to_lite_3 = LITE_2 to LITE_3;
    lite_3_to_milvus_2_2 = LITE_3 to MILVUS_2_2;
    lite_3_to_milvus_2_3 = LITE_3 to MILVUS_2_3;
    lite_3_to_lite_2 = LITE_3 to LITE_2;
    lite_3_to_lite_3 = LITE_3 to LITE_3;
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
    let to = Place::of(target, format!("from_{}", source.short));
    let cluster = connect(here).await;
    let naming = naming(&from, &to);
    let mut options = restoring(&naming);
    options.aliases = target.divided;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(report.collections.len(), names.len());
    for one in &report.collections {
        assert_eq!(one.outcome, Outcome::Created);
        assert!(one.loaded, "{one:?}");
    }
    let all = Selection::default();
    assert_equal(&side(&archive), &live(&cluster), &all, &naming, names.len()).await;
    python::assert_holds(here, &names.join(","), &to.options(&of));
}
