//! Stores that have a name in `milvault.toml`: each end of a command is reached in its own way.

use std::fs;
use std::process::Output;

use crate::azure::{ACCOUNT, CONTAINER, KEY};
use crate::support::buckets::{self, ADMIN, READER};
use crate::support::program::{Milvault, failure, stderr, stdout};
use crate::support::servers;

const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/archive-v1/milvus-lite-3.2.2"
);

/// A folder with a `milvault.toml` of three stores: a bucket as its owner sees it, the same bucket as a reader does, and
/// a container of Azure.
async fn home() -> Milvault {
    let home = Milvault::new();
    let (bucket, endpoint) = (buckets::bucket(false).await, buckets::endpoint());
    let s3 = |name: &str| {
        format!(
            "[stores.{name}]\naddress = 's3://{bucket}/vault'\ns3_endpoint = '{endpoint}'\ns3_path_style = true\n\
             s3_profile = '{name}'\n"
        )
    };
    let azure = format!(
        "[stores.blobs]\naddress = 'az://{CONTAINER}/{bucket}'\nazure_connection_file = 'connection'\n\
         [stores.here]\naddress = 'vault'\n"
    );
    let stores = [s3("owner"), s3("reader"), azure].concat();
    let connection = format!(
        "AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://{}/{ACCOUNT}",
        servers::azurite().address
    );
    let profile = |name: &str, (key, secret): (&str, &str)| {
        format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    };
    let credentials = [profile("owner", ADMIN), profile("reader", READER)].concat();
    for (file, content) in [
        ("milvault.toml", stores),
        ("connection", connection),
        ("credentials", credentials),
    ] {
        fs::write(home.path().join(file), content).unwrap();
    }
    home
}

fn run(home: &Milvault, arguments: &[&str]) -> Output {
    let mut command = home.command(arguments);
    let credentials = home.path().join("credentials");
    command.env("AWS_SHARED_CREDENTIALS_FILE", credentials);
    // What the environment holds is for stores without a profile.
    command.env("AWS_ACCESS_KEY_ID", ADMIN.0);
    command.env("AWS_SECRET_ACCESS_KEY", ADMIN.1);
    command.output().unwrap()
}

fn done(home: &Milvault, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    stdout(&output).to_owned()
}

#[tokio::test]
async fn each_end_of_a_copy_is_reached_in_its_own_way() {
    let home = home().await;
    let made = done(&home, &["copy", FIXTURE, "owner:", "--name", "a"]);
    assert!(made.starts_with("s3://bucket-"), "{made}");
    // The reader may not write.
    let refused = run(&home, &["copy", FIXTURE, "reader:", "--name", "b"]);
    let words = failure(&refused, 1);
    assert!(words.contains("needs the right s3:PutObject"), "{words}");
    let option = ["--s3-endpoint", &buckets::endpoint(), "--s3-path-style"];
    let unknown = ["ls", "s3://bucket/x", "--s3-profile", "nosuch"];
    let refused = run(&home, &[&unknown[..], &option].concat());
    assert!(failure(&refused, 1).contains("nosuch"), "{refused:?}");

    done(&home, &["copy", "reader:a", "blobs:"]);
    done(&home, &["copy", "blobs:a", "owner:deeper/"]);
    done(&home, &["copy", "reader:deeper/a", "here:"]);
    assert!(home.path().join("vault/a/manifest.json").is_file());
    for archive in ["blobs:a", "reader:deeper/a", "here:a"] {
        let good = done(&home, &["verify", archive]);
        assert!(good.contains(" is good: "), "{good}");
    }
    let same = done(&home, &["compare", "reader:a", "blobs:a"]);
    assert!(same.contains("hold the same"), "{same}");
    assert!(done(&home, &["ls", "owner:deeper"]).contains("\na "));
}

/// Two sites whose buckets have one name; here they are one service under two addresses.
#[tokio::test]
async fn buckets_of_one_name_at_two_sites_are_two() {
    let home = Milvault::new();
    let bucket = buckets::bucket(false).await;
    let (_, port) = servers::seaweedfs().address.split_once(':').unwrap();
    let site = |name: &str, host: &str| {
        format!(
            "[stores.{name}]\naddress = 's3://{bucket}/vault'\ns3_endpoint = 'http://{host}:{port}'\n\
             s3_path_style = true\ns3_profile = 'owner'\n"
        )
    };
    let stores = [
        site("site_a", "127.0.0.1"),
        site("site_b", "localhost"),
        site("again", "127.0.0.1"),
    ];
    let (key, secret) = ADMIN;
    let credentials =
        format!("[owner]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    fs::write(home.path().join("milvault.toml"), stores.concat()).unwrap();
    fs::write(home.path().join("credentials"), credentials).unwrap();
    done(&home, &["copy", FIXTURE, "site_a:", "--name", "a"]);
    let there = done(&home, &["copy", "site_a:a", "site_b:"]);
    assert!(there.contains("is there already, and the same"), "{there}");
    let itself = run(&home, &["copy", "site_a:a", "again:"]);
    assert!(failure(&itself, 2).contains("onto itself"), "{itself:?}");
    // No cluster is there, and none is asked.
    let export = |stores: [&str; 2]| {
        let [a, b] = stores;
        run(
            &home,
            &[
                "export",
                "--from",
                "http://127.0.0.1:1",
                "--to",
                a,
                "--to",
                b,
            ],
        )
    };
    let twice = export(["site_a:", "again:"]);
    assert!(failure(&twice, 2).contains("twice"), "{twice:?}");
    let two = export(["site_a:", "site_b:"]);
    let words = failure(&two, 1);
    assert!(words.contains("cannot reach"), "{words}");
    let folders = export(["vault", "./vault"]);
    let words = failure(&folders, 2);
    assert!(words.contains("twice"), "{words}");
}

#[tokio::test]
async fn a_name_that_no_store_has_is_no_bucket_either() {
    let home = home().await;
    let output = run(&home, &["ls", "nobody:a"]);
    let words = failure(&output, 2);
    assert!(words.contains("there is no store \"nobody\""), "{words}");
    assert!(words.contains("blobs, here, owner, reader"), "{words}");
    let output = run(&home, &["ls", "owner"]);
    let words = failure(&output, 2);
    assert!(words.contains("write owner: for it"), "{words}");
    for (table, expected) in [
        ("[stores.s3]\naddress = 'x'\n", "no scheme"),
        ("[stores.a]\ns3_region = 'x'\n", "no address"),
        ("[stores.a]\naddress = 's3://key:secret@b'\n", "not written"),
        (
            "[stores.a]\naddress = 's3://b'\ns3_secret = 'hunter2'\n",
            "milvault.toml, line 3: unknown key s3_secret",
        ),
    ] {
        fs::write(home.path().join("milvault.toml"), table).unwrap();
        let output = run(&home, &["ls", "a:"]);
        let words = failure(&output, 2);
        assert!(words.contains(expected), "{words}");
        assert!(
            !words.contains("secret@") && !words.contains("hunter2"),
            "{words}"
        );
    }
}
