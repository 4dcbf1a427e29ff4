//! The test data itself: what fill.py writes must be what truth.py knows, or every other test is worthless.

use std::panic::catch_unwind;

use crate::support::{python, servers};

#[test]
fn every_type_comes_back_from_every_server_as_it_was_made() {
    for server in [
        servers::milvus_2216(),
        servers::milvus_235(),
        servers::lite_322(),
        servers::lite_251(),
    ] {
        python::fill(server, "every_type", &["--collection", "truth_itself"]);
        python::assert_holds(server, "every_type", &["--collection", "truth_itself"]);
    }
}

#[test]
fn one_bit_that_differs_is_told() {
    let server = servers::lite_322();
    let collection = ["--collection", "one_bit"];
    python::fill(server, "every_type", &collection);
    python::run(
        "spoil.py",
        &[&[server.address.as_str(), "every_type"][..], &collection].concat(),
    );
    let refused = catch_unwind(|| python::assert_holds(server, "every_type", &collection));
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("id=-20, field vector"), "{message}");
}

#[test]
fn databases_and_partitions_come_back_as_they_were_made() {
    for server in [servers::milvus_235(), servers::lite_322()] {
        let other = ["--db", "other", "--collection", "parts"];
        // Twice: the second time there is something to drop.
        python::fill(server, "partitioned", &other);
        python::fill(server, "partitioned", &other);
        python::assert_holds(server, "partitioned", &other);
    }
}
