//! Users, roles and grants: from one Milvus 2.3.5 with passwords into another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use age::secrecy::ExposeSecret;
use milvault::archive::{Archive, Selection};
use milvault::compat::Adaptation;
use milvault::migrate::{MigrateOptions, migrate};
use milvault::milvus::{Address, Cluster, ConnectOptions, Credentials};
use milvault::naming::Naming;
use milvault::progress::Context;
use milvault::rbac::{Passwords, RbacOptions, RbacReport};
use milvault::restore::{IfExists, RestoreOptions};
use milvault::{Error, error};
use serde_json::{Value, json};

use crate::support::program::{Milvault, failure, stderr, stdout};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, Vault, connect, refused, renamed, restore_into, restoring, suffixed,
};

const LOGIN: [&str; 4] = ["--user", "root", "--password", "Milvus"];

/// A server with users, roles and grants of every kind, and the collections that they are on.
fn source() -> &'static Server {
    static SOURCE: OnceLock<Server> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let server = Server::start(&["milvus-2.3.5", "--auth"]);
        python::fill(&server, "not_loaded,empty", &LOGIN);
        python::fill(
            &server,
            "not_loaded",
            &[&LOGIN[..], &["--db", "prod"]].concat(),
        );
        make(
            &server,
            json!({
                "roles": ["lister", "reader", "writer"],
                "users": {
                    "alice": { "password": "alice-Secret", "roles": ["reader", "writer"] },
                    "bob": { "password": "bob-Secret", "roles": ["reader"] },
                    "carol": { "password": "carol-Secret", "roles": ["lister"] },
                    "root": { "roles": ["writer"] },
                },
                "grants": [
                    grant("lister", "Global", "default", "*", "ListDatabases"),
                    grant("reader", "Collection", "default", "not_loaded", "GetStatistics"),
                    grant("reader", "Collection", "default", "not_loaded_alias", "Search"),
                    grant("reader", "Collection", "prod", "*", "Query"),
                    grant("reader", "Collection", "*", "*", "GetLoadState"),
                    grant("reader", "Collection", "default", "not_there", "Query"),
                    grant("reader", "Global", "default", "*", "ListDatabases"),
                    grant("reader", "User", "default", "bob", "SelectUser"),
                    grant("writer", "Collection", "default", "empty", "*"),
                    grant("writer", "Collection", "prod", "not_loaded", "Insert"),
                    grant("writer", "Global", "prod", "*", "CreateCollection"),
                    grant("public", "Collection", "default", "empty", "GetStatistics"),
                ],
            }),
        );
        server
    })
}

/// Another server that wants passwords. It has a role `reader` and a user `carol` of its own.
fn target() -> &'static Server {
    static TARGET: OnceLock<Server> = OnceLock::new();
    TARGET.get_or_init(|| {
        let server = Server::start(&["milvus-2.3.5", "--auth"]);
        make(
            &server,
            json!({
                "roles": ["reader", "its_own"],
                "users": { "carol": { "password": "other-Secret", "roles": ["its_own"] } },
                "grants": [
                    grant("reader", "Collection", "default", "elsewhere", "Query"),
                    grant("reader", "Global", "default", "*", "ListDatabases"),
                    grant("its_own", "Collection", "*", "*", "Load"),
                ],
            }),
        );
        server
    })
}

fn grant(role: &str, object: &str, database: &str, name: &str, privilege: &str) -> Value {
    json!({
        "role": role, "object": object, "name": name, "privilege": privilege, "database": database,
    })
}

fn make(server: &Server, spec: Value) {
    python::run("rbac.py", &[&server.address, "make", &spec.to_string()]);
}

/// All that pymilvus finds.
fn read(server: &Server) -> Value {
    serde_json::from_str(&python::run("rbac.py", &[&server.address, "read"])).unwrap()
}

/// What of Load, GetStatistics and Drop a user may do. Who may drop the collection does.
fn allowed(server: &Server, user: &str, password: &str, collection: &str) -> Value {
    let login = [
        &server.address,
        "allowed",
        user,
        password,
        "default",
        collection,
    ];
    serde_json::from_str(&python::run("rbac.py", &login)).unwrap()
}

/// The grants of a role in an answer of [`read`], as `object database.name privilege`.
fn grants_of(found: &Value, role: &str) -> Vec<String> {
    let grants = found["grants"].as_array().unwrap().iter();
    let of_role = grants.filter(|grant| grant[0] == role);
    let text = |grant: &Value, at: usize| grant[at].as_str().unwrap().to_owned();
    of_role
        .map(|one| {
            format!(
                "{} {}.{} {}",
                text(one, 1),
                text(one, 2),
                text(one, 3),
                text(one, 4)
            )
        })
        .collect()
}

async fn log_in(server: &Server) -> Cluster {
    let address = Address::parse(&format!("http://{}", server.address)).unwrap();
    let options = ConnectOptions {
        credentials: Some(Credentials::Password {
            user: "root".into(),
            password: "Milvus".into(),
        }),
        ..ConnectOptions::default()
    };
    Cluster::connect(&address, &options).await.unwrap()
}

/// Held while the source is exported: each export loads what is not loaded, and releases it under the others.
static EXPORTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Everything of the source.
async fn exported(vault: &Vault) -> Archive {
    let _alone = EXPORTING.lock().await;
    let cluster = log_in(source()).await;
    vault.export_with_rbac(&cluster, "a").await
}

fn with_rbac(naming: &Naming, passwords: &str) -> RestoreOptions {
    RestoreOptions {
        rbac: Some(RbacOptions {
            passwords: Passwords::parse("passwords", passwords).unwrap(),
            skip_unknown: false,
        }),
        ..restoring(naming)
    }
}

#[tokio::test]
async fn users_and_roles_are_merged_and_a_second_restore_changes_nothing() {
    let vault = Vault::new();
    let archive = exported(&vault).await;
    let stored = fs::metadata(vault.path().join("a/rbac.json")).unwrap();
    assert_eq!(stored.permissions().mode() & 0o777, 0o600);
    let cluster = log_in(target()).await;
    let mut options = with_rbac(&suffixed("_copy"), "alice:new-Secret\nalcie:typo-Secret\n");

    // A dry run tells it all, and does nothing.
    let before = read(target());
    options.dry_run = true;
    let planned = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    assert_eq!(read(target()), before);
    options.dry_run = false;
    let report = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    assert_eq!(report, planned);

    assert_eq!(report.users, ["alice"]);
    assert_eq!(report.roles, ["lister", "writer"]);
    assert_eq!(report.without_password, ["bob"]);
    assert!(
        report.notes.iter().any(|note| note.contains("alcie")),
        "{report:?}"
    );
    let lost = "reader: Query on not_there: there is no collection not_there_copy in the target";
    assert_eq!(report.left_out, [lost]);
    assert!(!format!("{report:?}").contains("Secret"));

    let found = read(target());
    assert_eq!(
        found["roles"],
        json!(["admin", "its_own", "lister", "public", "reader", "writer"])
    );
    assert_eq!(
        found["users"],
        json!({
            "alice": { "roles": ["reader", "writer"] },
            "carol": { "roles": ["its_own", "lister"] },
            "root": { "roles": ["writer"] },
        })
    );
    assert_eq!(
        grants_of(&found, "reader"),
        [
            "Collection *.* GetLoadState",
            "Collection default.elsewhere Query",
            "Collection default.not_loaded_alias_copy Search",
            "Collection default.not_loaded_copy GetStatistics",
            "Collection prod.* Query",
            "Global default.* ListDatabases",
            "User default.bob SelectUser",
        ]
    );
    assert_eq!(
        grants_of(&found, "writer"),
        [
            "Collection default.empty_copy *",
            "Collection prod.not_loaded_copy Insert",
            "Global prod.* CreateCollection",
        ]
    );
    assert_eq!(grants_of(&found, "its_own"), grants_of(&before, "its_own"));
    let mut public = grants_of(&before, "public");
    public.push("Collection default.empty_copy GetStatistics".into());
    public.sort();
    assert_eq!(grants_of(&found, "public"), public);

    // They are what they are taken for: who has a password and a role may do just that.
    let copy = "not_loaded_copy";
    assert_eq!(
        allowed(target(), "alice", "new-Secret", copy),
        json!(["GetStatistics"])
    );
    assert!(allowed(target(), "alice", "alice-Secret", copy).is_null());
    assert_eq!(
        allowed(target(), "carol", "other-Secret", copy),
        json!(["Load"])
    );

    options.if_exists = IfExists::Skip;
    let again = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    let nothing = RbacReport {
        without_password: again.without_password.clone(),
        left_out: again.left_out.clone(),
        notes: again.notes.clone(),
        ..RbacReport::default()
    };
    assert_eq!(again, nothing);
    assert_eq!(read(target()), found);
}

#[tokio::test]
async fn grants_follow_collections_into_other_databases_and_are_not_lost_silently() {
    let vault = Vault::new();
    let archive = exported(&vault).await;
    let cluster = log_in(target()).await;
    let mut naming = Naming::default();
    naming.rename("prod.*:other.*").unwrap();
    naming.rename("not_loaded:third.texts").unwrap();
    let mut options = with_rbac(&naming, "");
    options.selection.collections = vec!["not_loaded".into(), "prod.not_loaded".into()];
    options.dry_run = true;
    let report = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    let granted: Vec<String> = report.grants.iter().map(ToString::to_string).collect();
    for words in [
        "reader: GetStatistics on third.texts",
        "reader: Search on third.not_loaded_alias",
        "reader: Query on all collections in other",
        "writer: Insert on other.not_loaded",
        "writer: CreateCollection on everything in other",
    ] {
        assert!(
            granted.iter().any(|grant| grant == words),
            "{words}: {granted:?}"
        );
    }
    assert!(
        !granted.iter().any(|grant| grant.contains("prod")),
        "{granted:?}"
    );
    for words in [
        "writer: any privilege on empty",
        "reader: Query on not_there",
    ] {
        let told = |line: &String| line.starts_with(words) && line.contains("no collection");
        assert!(
            report.left_out.iter().any(told),
            "{words}: {:?}",
            report.left_out
        );
    }
    let moved = "grants on everything in the database prod are on everything in other now";
    assert!(
        report.notes.iter().any(|note| note == moved),
        "{:?}",
        report.notes
    );
}

#[tokio::test]
async fn who_may_not_read_or_make_users_is_told_the_way_out_in_one_line() {
    let milvault = Milvault::new();
    let password = milvault.path().join("password");
    fs::write(&password, "carol-Secret").unwrap();
    let from = format!("http://{}", source().address);
    let login = ["--user", "carol", "--password-file", "password"];
    let to_store = ["--to", "store", "--name", "a", "--rbac"];
    let arguments = [&["-q", "export", "--from", &from], &to_store[..], &login].concat();
    let output = milvault.run(&arguments);
    let line = failure(&output, 1);
    for word in [from.as_str(), "permission", "role admin", "--rbac"] {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
    assert!(!milvault.path().join("store").exists());

    let vault = Vault::new();
    exported(&vault).await;
    let archive = vault.path().join("a").display().to_string();
    let into = [
        "--from", &archive, "--to", &from, "--suffix", "_never", "--rbac",
    ];
    let output = milvault.run(&[&["-q", "restore"], &into[..], &login].concat());
    let line = failure(&output, 1);
    assert!(
        line.contains("role admin") && line.contains("--rbac"),
        "{line}"
    );
}

#[tokio::test]
async fn the_program_tells_what_it_carries_and_never_a_password() {
    let milvault = Milvault::new();
    let from = format!("http://root:Milvus@{}", source().address);
    let to_store = ["--to", "store", "--name", "a", "--rbac", "-c", "empty"];
    let alone = EXPORTING.lock().await;
    let output = milvault.run(&[&["-q", "export", "--from", &from], &to_store[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    drop(alone);
    let told = "With 4 users, 5 roles, 15 grants; no passwords: the server tells none.";
    assert!(stdout(&output).contains(told), "{}", stdout(&output));
    let shown = milvault.run(&["show", "store/a"]);
    let line = "  grant to reader: Query on all collections in prod";
    assert!(
        stdout(&shown).lines().any(|one| one == line),
        "{}",
        stdout(&shown)
    );

    let passwords = milvault.path().join("passwords");
    fs::write(&passwords, "bob:bob-Secret\n").unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o644)).unwrap();
    let to = format!("http://root:Milvus@{}", target().address);
    let restore = [
        "restore",
        "--from",
        "store/a",
        "--to",
        &to,
        "--rename",
        "empty:told",
    ];
    let more = [
        "--rbac",
        "--rbac-passwords",
        "passwords",
        "--dry-run",
        "--json",
    ];
    let output = milvault.run(&[&restore[..], &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("chmod 600 passwords"),
        "{}",
        stderr(&output)
    );
    let all = format!("{}{}", stdout(&output), stderr(&output));
    assert!(!all.contains("Secret"), "{all}");
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(
        document["rbac"]["users"]
            .as_array()
            .unwrap()
            .last()
            .unwrap(),
        "bob"
    );

    fs::write(&passwords, "bob-Secret\n").unwrap();
    let output = milvault.run(&[&restore[..], &more].concat());
    let lines = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{lines}");
    assert!(
        lines.contains("passwords, line 1: write user:password"),
        "{lines}"
    );
    assert!(!lines.contains("Secret"), "{lines}");
}

/// Names of users are no business of who has no key either.
#[tokio::test]
async fn users_and_roles_come_out_of_an_encrypted_archive() {
    let milvault = Milvault::new();
    let identity = age::x25519::Identity::generate();
    let key = milvault.path().join("key");
    fs::write(&key, identity.to_string().expose_secret()).unwrap();
    let from = format!("http://root:Milvus@{}", source().address);
    let recipient = identity.to_public().to_string();
    let export = [
        "-q", "export", "--from", &from, "--to", "store", "--name", "a", "--rbac",
    ];
    let more = ["-c", "empty", "--encrypt", "--recipient", &recipient];
    let alone = EXPORTING.lock().await;
    let output = milvault.run(&[&export[..], &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    drop(alone);
    for file in fs::read_dir(milvault.path().join("store/a/objects")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(5).any(|part| part == b"alice"));
    }
    let to = format!("http://root:Milvus@{}", target().address);
    let restore = [
        "restore",
        "--from",
        "store/a",
        "--to",
        &to,
        "--rename",
        "empty:sealed",
    ];
    let more = ["--rbac", "--dry-run", "--json", "--identity", "key"];
    let output = milvault.run(&[&restore[..], &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let plan: Value = serde_json::from_str(stdout(&output)).unwrap();
    let users = plan["rbac"]["users"].to_string();
    let passwords = plan["rbac"].to_string();
    assert!(
        users.contains("alice") || passwords.contains("alice"),
        "{plan}"
    );
}

/// Edits `rbac.json` of an archive as if it had been exported so.
fn edited(archive: &Path, edit: impl FnOnce(&mut Value)) {
    let path = archive.join("rbac.json");
    let mut rbac: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut rbac);
    let bytes = serde_json::to_vec(&rbac).unwrap();
    let count = |list: &str| rbac[list].as_array().unwrap().len();
    let hashes = |user: &&Value| user.get("password_hash").is_some();
    let manifest_path = archive.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&manifest_path).unwrap()).unwrap();
    manifest["rbac"] = json!({
        "path": "rbac.json",
        "bytes": bytes.len(),
        "sha256": sha256(&bytes),
        "users": count("users"),
        "roles": count("roles"),
        "privilege_groups": count("privilege_groups"),
        "grants": count("grants"),
        "password_hashes": rbac["users"].as_array().unwrap().iter().filter(hashes).count(),
    });
    manifest["source"]["server_version"] = "v2.5.4".into();
    let text = serde_json::to_vec(&manifest).unwrap();
    let checksum = format!("{}  manifest.json\n", sha256(&text));
    fs::write(path, bytes).unwrap();
    fs::write(manifest_path, &text).unwrap();
    fs::write(archive.join("manifest.sha256"), checksum).unwrap();
    // It would be that of another manifest, and need not be there.
    fs::remove_file(archive.join("summary.json")).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn what_an_older_server_does_not_know_is_refused_before_anything_is_made() {
    let vault = Vault::new();
    exported(&vault).await;
    edited(&vault.path().join("a"), |rbac| {
        let group = json!({ "name": "reading", "privileges": ["Query", "Search"] });
        rbac["privilege_groups"] = json!([group]);
        let grants = rbac["grants"].as_array_mut().unwrap();
        for (object, name, privilege) in [
            ("Collection", "empty", "reading"),
            ("Global", "*", "ClusterAdmin"),
            ("Global", "empty", "DescribeCollection"),
        ] {
            grants.push(json!({
                "role": "reader", "object": object, "database": "default", "object_name": name,
                "privilege": privilege,
            }));
        }
        rbac["users"][1]["password_hash"] = "$2a$10$bob-Secret".into();
    });
    let archive = vault.open("a").await;
    let cluster = log_in(target()).await;
    let mut options = with_rbac(&renamed("*.*:*.*_1st"), "");
    let refusal = refused(&archive, &cluster, &options).await;
    let Error::Incompatible { problems } = &refusal else {
        panic!("{refusal}");
    };
    for words in [
        "privilege groups, such as reading",
        "the privileges ClusterAdmin of reader",
        "would grant more than \"reader: DescribeCollection on empty_1st\"",
    ] {
        assert!(
            problems.iter().any(|one| one.contains(words)),
            "{words}: {problems:?}"
        );
    }
    // Another test may add to the target meanwhile, under other names.
    let there = python::run("rbac.py", &[&target().address, "read"]);
    assert!(!there.contains("_1st"));

    if let Some(rbac) = &mut options.rbac {
        rbac.skip_unknown = true;
    }
    options.dry_run = true;
    let report = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    // No call of 2.3.5 takes a hash.
    assert!(
        report.without_password.contains(&"bob".to_owned()),
        "{report:?}"
    );
    assert!(report.privilege_groups.is_empty(), "{report:?}");
    let told = report.left_out.join("; ");
    for words in ["reading", "ClusterAdmin", "DescribeCollection on empty_1st"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn milvus_lite_has_no_users_and_roles() {
    let lite = connect(servers::lite_322()).await;
    let error = milvault::rbac::read(&lite).await.unwrap_err();
    assert!(error.to_string().contains("--rbac"), "{error}");
    let vault = Vault::new();
    let archive = exported(&vault).await;
    let refusal = refused(&archive, &lite, &with_rbac(&suffixed("_never"), "")).await;
    assert!(
        refusal.to_string().contains("knows no users and roles"),
        "{refusal}"
    );
    assert_eq!(refusal.kind(), error::Kind::Failed);
}

#[tokio::test]
async fn a_server_that_asks_for_no_password_takes_grants_of_who_logs_in() {
    let vault = Vault::new();
    let archive = exported(&vault).await;
    let server = Server::start(&["milvus-2.3.5"]);
    let given = "alice:new-Secret\nbob:new-Secret\ncarol:new-Secret";
    let options = with_rbac(&Naming::default(), given);
    let before = read(&server);
    let refusal = refused(&archive, &connect(&server).await, &options).await;
    assert!(refusal.to_string().contains("--user root"), "{refusal}");
    assert_eq!(read(&server), before);

    let cluster = log_in(&server).await;
    let report = restore_into(&archive, &cluster, &options)
        .await
        .rbac
        .unwrap();
    assert_eq!(report.users, ["alice", "bob", "carol"]);
    let (found, meant) = (read(&server), read(source()));
    assert_eq!(found["users"], meant["users"]);
    assert_eq!(found["roles"], meant["roles"]);
    let lost = |grant: &&Value| grant[3] != "not_there";
    let grants = meant["grants"].as_array().unwrap().iter();
    let meant: Vec<&Value> = grants.filter(lost).collect();
    assert_eq!(found["grants"], json!(meant));
}

#[tokio::test]
async fn a_migration_plans_users_and_roles_as_a_restore_does() {
    let (from, to) = (log_in(source()).await, log_in(target()).await);
    let naming = suffixed("_moved");
    let vault = Vault::new();
    let archive = exported(&vault).await;
    let mut restoring = with_rbac(&naming, "bob:bob-Secret");
    restoring.dry_run = true;
    let options = MigrateOptions {
        selection: Selection::default(),
        mask_key: None,
        access: FULL_ACCESS,
        naming,
        if_exists: IfExists::Fail,
        adapt: Adaptation::default(),
        aliases: true,
        load: true,
        verify: false,
        rbac: restoring.rbac.clone(),
        dry_run: true,
        jobs: 4,
        memory: 512 << 20,
    };
    let migrated = migrate(&from, &to, &options, &Context::silent()).await;
    let report = migrated.unwrap().rbac.unwrap();
    assert!(report.users.contains(&"bob".to_owned()), "{report:?}");
    let restored = restore_into(&archive, &to, &restoring).await;
    // Another test may add to the target meanwhile; what it lacks of these grants is the same.
    let moved = |report: &RbacReport| -> Vec<String> {
        let grants = report.grants.iter().map(ToString::to_string);
        grants.filter(|grant| grant.contains("_moved")).collect()
    };
    let found = moved(&report);
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found, moved(&restored.rbac.unwrap()));
}
