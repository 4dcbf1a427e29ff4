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

/// A service of which one object cannot be locked: what is sent to it reaches the real one, but that.
async fn service_that_does_not_lock(object: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = servers::seaweedfs().address.to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let text = String::from_utf8_lossy(&head).into_owned();
                let first = text.lines().next().unwrap();
                if first.starts_with("PUT") && first.contains(&format!("{object}?retention")) {
                    let body = "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>";
                    let refusal = format!(
                        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = client.write_all(refusal.as_bytes()).await;
                    // What is still coming is read, or the answer may be lost.
                    let _ = client.shutdown().await;
                    let _ = client.read_to_end(&mut head).await;
                    return;
                }
                // One request a connection, so that each is seen.
                let line = head.windows(2).position(|end| end == b"\r\n").unwrap() + 2;
                head.splice(line..line, *b"Connection: close\r\n");
                let mut server = TcpStream::connect(&service).await.unwrap();
                server.write_all(&head).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_whole_and_not_all_locked_is_told_and_stays() {
    let milvus = servers::milvus_235();
    python::fill_database(milvus, "unlocked", &["every_type"]);
    let program = Program {
        home: Milvault::new(),
    };
    let cluster = format!("http://{}/unlocked", milvus.address);
    let store = format!("s3://{}", buckets::bucket(true).await);
    let export = async |name: &str, object: &'static str| {
        let service = service_that_does_not_lock(object).await;
        let export = ["--json", "export", "--from", &cluster, "--to", &store];
        let keep = ["--object-lock", "compliance", "--retain", "1d"];
        let named = ["--name", name, "--s3-endpoint", &service];
        program.run(&[&export[..], &keep, &named].concat())
    };
    let output = export("whole", "manifest.json").await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    let archive = format!("{store}/whole");
    assert_eq!(told["archives"][0], archive.as_str());
    assert_eq!(told["unlocked"][0]["archive"], archive.as_str());
    let warned = stderr(&output);
    assert!(
        warned.contains(&format!("{archive} is whole, but not all of it is locked")),
        "{warned}"
    );
    let verified: serde_json::Value =
        serde_json::from_str(&program.says(&["--json", "verify", &archive])).unwrap();
    assert_eq!(verified["good"], true);
    let locks = &verified["locks"];
    assert_eq!(locks["unprotected"], 1, "{locks}");

    // Its parts are locked before the manifest: without that, it is no archive, and nothing stays.
    let output = export("parts", ".parquet").await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("cannot lock"),
        "{}",
        stderr(&output)
    );
    let listed: serde_json::Value =
        serde_json::from_str(&program.says(&["--json", "ls", &store])).unwrap();
    let names: Vec<&str> = listed["archives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["whole"], "{listed}");
    assert!(
        listed["unfinished"].as_array().unwrap().is_empty(),
        "{listed}"
    );
}
