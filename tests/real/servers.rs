//! The servers of the tests are what they are taken for.

use std::panic::catch_unwind;

use crate::support::python;
use crate::support::servers::{self, Server};

fn is_refused(server: &Server, options: &[&str]) -> bool {
    catch_unwind(|| python::fill(server, "empty", options)).is_err()
}

#[test]
fn a_server_with_passwords_refuses_who_has_none() {
    let server = servers::milvus_235_with_passwords();
    python::fill(server, "empty", &["--user", "root", "--password", "Milvus"]);
    assert!(is_refused(
        server,
        &["--user", "root", "--password", "milvus"]
    ));
    assert!(is_refused(server, &[]));
}

#[test]
fn a_server_with_tls_talks_nothing_else() {
    for server in [
        servers::milvus_235_with_tls(),
        servers::milvus_235_with_mutual_tls(),
    ] {
        let certificates = server.certificates.as_ref().unwrap().to_str().unwrap();
        python::fill(server, "empty", &["--certificates", certificates]);
        assert!(is_refused(server, &[]));
    }
}

#[test]
fn two_milvus_servers_run_side_by_side() {
    let (one, other) = (servers::milvus_235(), servers::other_milvus_235());
    let only_there = ["--collection", "only_there"];
    python::fill(other, "not_loaded", &only_there);
    python::assert_holds(
        other,
        "not_loaded",
        &["--collection", "only_there", "--load"],
    );
    let missing = catch_unwind(|| python::assert_holds(one, "not_loaded", &only_there));
    assert!(missing.is_err());
}
