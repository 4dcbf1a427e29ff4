//! Archives in S3, from the export to the comparison, by the program.

use std::process::{Command, Output};

use crate::support::buckets;
use crate::support::program::{Milvault, failure, stderr, stdout};
use crate::support::python;
use crate::support::servers;

const SECRET: &str = buckets::ADMIN.1;

/// The program with a service at hand.
struct Program {
    home: Milvault,
}

impl Program {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command: Command = self.home.command(arguments);
        buckets::at_hand(&mut command);
        command.output().unwrap()
    }

    /// What a command that succeeds says.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        for text in [stdout(&output), stderr(&output)] {
            assert!(!text.contains(SECRET), "{text}");
        }
        stdout(&output).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_s3_is_whole_locked_and_restored_as_it_was() {
    let milvus = servers::milvus_235();
    python::fill_database(milvus, "in_s3", &["every_type"]);
    let program = Program {
        home: Milvault::new(),
    };
    let cluster = format!("http://{}/in_s3", milvus.address);
    let name = buckets::bucket(true).await;
    let store = format!("s3://{name}/prod");
    let archive = format!("{store}/a");
    let export = [
        "export",
        "--from",
        &cluster,
        "--to",
        &store,
        "--name",
        "a",
        "--collection",
        "every_type",
    ];

    let mut locked = export.to_vec();
    locked.extend([
        "--object-lock",
        "governance",
        "--retain",
        "1d",
        "--tag",
        "team=search",
        "-vv",
    ]);
    program.says(&locked);
    let verified = program.says(&["verify", &archive]);
    assert!(verified.contains("is good"), "{verified}");
    assert!(verified.contains("(governance): all "), "{verified}");
    let verified: serde_json::Value =
        serde_json::from_str(&program.says(&["--json", "verify", &archive])).unwrap();
    assert_eq!(verified["locks"]["locked"], verified["locks"]["objects"]);
    assert!(program.says(&["ls", &store]).contains('a'));
    let manifest = program.says(&["--json", "show", &archive]);
    for secret in [SECRET, buckets::ADMIN.0] {
        assert!(!manifest.contains(secret));
    }

    let again = program.run(&export);
    assert!(
        failure(&again, 1).contains("already exists"),
        "{}",
        stderr(&again)
    );

    let restore = [
        "restore",
        "--from",
        &archive,
        "--to",
        &cluster,
        "--suffix",
        "_from_s3",
        "--compare",
    ];
    program.says(&restore);
    let copy = ["--db", "in_s3", "--collection", "every_type_from_s3"];
    python::assert_holds(milvus, "every_type", &copy);
    let compare = [
        "compare",
        &archive,
        &cluster,
        "--suffix",
        "_from_s3",
        "--collection",
        "in_s3.every_type",
    ];
    program.says(&compare);
}

#[test]
fn locks_that_the_place_does_not_have_are_refused_before_anything_is_touched() {
    let milvus = servers::milvus_235();
    python::fill_database(milvus, "not_in_s3", &["not_loaded"]);
    let program = Program {
        home: Milvault::new(),
    };
    let cluster = format!("http://{}/not_in_s3", milvus.address);
    let to_folder = [
        "export",
        "--from",
        &cluster,
        "--to",
        "folder",
        "--object-lock",
        "compliance",
        "--retain",
        "7y",
    ];
    let refused = program.run(&to_folder);
    assert!(
        failure(&refused, 2).contains("--object-lock"),
        "{}",
        stderr(&refused)
    );
    assert!(!program.home.path().join("folder").exists());
}
