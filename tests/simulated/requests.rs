//! How many requests an export has in flight.

use std::sync::atomic::Ordering;
use std::time::Duration;

use milvault::milvus::wire::schema::vector_field::Data as Vector;
use milvault::milvus::wire::schema::{CollectionSchema, FieldData, FieldSchema, FloatArray};

use crate::made::{field, insert, key, longs, make, pairs};
use crate::sim::{Sim, cells};
use crate::support::program::{Milvault, stdout};
use crate::support::vault::Vault;

const ROWS: usize = 3_000;
/// Wide enough that a range is fetched in several pieces.
const DIM: usize = 4_096;

/// The walk of the keys goes on beside the requests for rows.
const WALK: usize = 1;

async fn wide() -> Sim {
    let sim = Sim::start((2, 5, 10)).await;
    let vector = FieldSchema {
        type_params: pairs(&[("dim", &DIM.to_string())]),
        ..field("vector", 101)
    };
    let schema = CollectionSchema {
        fields: vec![key("id"), vector],
        ..CollectionSchema::default()
    };
    let zeros = Vector::FloatVector(FloatArray {
        data: vec![vec![0; 4 * DIM * ROWS].into()],
    });
    let vectors = FieldData {
        r#type: 101,
        field_name: "vector".into(),
        field: Some(cells::of_vectors(DIM as i64, zeros)),
        ..FieldData::default()
    };
    let keys = longs("id", (0..ROWS as i64).map(|key| key * 3).collect());
    let mut world = sim.world();
    make(&mut world, "docs", schema, &[]);
    insert(&mut world, "docs", ROWS, vec![keys, vectors]);
    // Long enough for all that are sent to wait together.
    world.meanwhile = Some(Box::new(|_, _| {
        std::thread::sleep(Duration::from_millis(20));
    }));
    drop(world);
    sim
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_queries_are_in_flight_as_jobs_and_no_more() {
    for jobs in [1, 4] {
        let (sim, vault) = (wide().await, Vault::new());
        let (from, to) = (format!("http://{}", sim.address), vault.path().display());
        let (to, number) = (to.to_string(), jobs.to_string());
        let exported =
            Milvault::new().run(&["export", "--from", &from, "--to", &to, "--jobs", &number]);
        assert!(stdout(&exported).contains("3,000 rows"));
        let most = sim.queries.most.load(Ordering::SeqCst);
        assert!(
            (jobs..=jobs + WALK).contains(&most),
            "{most} with --jobs {jobs}"
        );
    }
}
