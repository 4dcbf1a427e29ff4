//! Clusters by name.

use std::fs;

use super::{Milvault, closed_port, failure, stderr, stdout, write_archive};

#[test]
fn a_profile_names_the_address_and_no_secret() {
    let milvault = Milvault::new();
    let address = format!("http://127.0.0.1:{}", closed_port());
    let profile = format!(
        "[profiles.prod]\naddress = '{address}/db'\nuser = 'root'\npassword_file = 'secret'\n"
    );
    let config = milvault.path().join("config/milvault");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("milvault.toml"), &profile).unwrap();
    fs::write(config.join("secret"), "hunter2\n").unwrap();
    // The profile goes before a folder of its name.
    fs::create_dir(milvault.path().join("prod")).unwrap();
    write_archive(&milvault.path().join("store/first"));
    for arguments in [
        &["-vv", "ls", "prod"][..],
        &["export", "--from", "prod", "--to", "out"],
        &["restore", "--from", "store/first", "--to", "prod"],
        &["compare", "store/first", "prod"],
    ] {
        let output = milvault.run(arguments);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(&address), "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "{arguments:?}: {said}");
    }
    let folder = milvault.run(&["ls", "./prod"]);
    assert_eq!(stdout(&folder), "no archives in ./prod\n");
}

#[test]
fn the_file_that_is_named_goes_before_those_that_are_found() {
    let milvault = Milvault::new();
    let address = |name: &str| format!("http://127.0.0.1:{}/{name}", closed_port());
    let mut known = Vec::new();
    for file in ["milvault.toml", "variable.toml", "option.toml"] {
        let address = address("db");
        let text = format!("[profiles.prod]\naddress = '{address}'\n");
        fs::write(milvault.path().join(file), text).unwrap();
        known.push(address.trim_end_matches("/db").to_owned());
    }
    let found = milvault.run(&["ls", "prod"]);
    assert!(failure(&found, 1).contains(&known[0]), "{found:?}");
    for (arguments, expected) in [
        (&["ls", "prod"][..], &known[1]),
        (&["ls", "prod", "--config", "option.toml"], &known[2]),
        (&["--config", "option.toml", "ls", "prod"], &known[2]),
    ] {
        let mut command = milvault.command(arguments);
        let output = command.env("MILVAULT_CONFIG", "variable.toml").output();
        let output = output.unwrap();
        assert!(failure(&output, 1).contains(expected), "{output:?}");
    }
    let missing = milvault.run(&["ls", "http://127.0.0.1:1", "--config", "none.toml"]);
    assert!(failure(&missing, 2).contains("none.toml"));
}

#[test]
fn an_unknown_profile_is_told_which_there_are() {
    let milvault = Milvault::new();
    let export = ["export", "--from", "prd", "--to", "store"];
    let without = milvault.run(&export);
    assert!(failure(&without, 2).contains("milvault.toml"));

    let profiles = "[profiles.staging]\naddress = 'http://h'\n[profiles.prod]\naddress = 'x.db'\n";
    fs::write(milvault.path().join("milvault.toml"), profiles).unwrap();
    for arguments in [&export[..], &["ls", "prd"], &["compare", "prd", "./prd"]] {
        let output = milvault.run(arguments);
        let line = failure(&output, 2);
        assert!(line.contains("prod, staging"), "{line}");
    }
    // What can be meant otherwise is.
    assert_eq!(milvault.run(&["ls", "./prd"]).status.code(), Some(1));
}

#[test]
fn an_unknown_key_in_a_profile_is_named_with_its_line() {
    let milvault = Milvault::new();
    for (line, expected) in [
        ("usr = 'root'", "milvault.toml, line 3: unknown key usr"),
        ("password = 'hunter2'", "password_file"),
    ] {
        let text = format!("[profiles.prod]\naddress = 'http://h'\n{line}\n");
        fs::write(milvault.path().join("milvault.toml"), text).unwrap();
        let output = milvault.run(&["ls", "prod"]);
        let line = failure(&output, 2);
        assert!(line.contains(expected), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}
