//! Digests of rows on their way.

use arrow_array::RecordBatch;

use super::{Rows, Sink};
use crate::columns::digest::{self, Digests};
use crate::compute;
use crate::error::Result;
use crate::model::Field;
use crate::scan::Scan;

/// The digests of a range that is under way.
#[derive(Debug)]
pub(crate) struct Sums {
    fields: Vec<Field>,
    key_field: String,
    /// Of the rows so far.
    pub digests: Digests,
}

impl Sums {
    /// Those of no rows.
    pub fn of(scan: &Scan) -> Sums {
        Sums {
            fields: scan.fields().to_vec(),
            key_field: scan.key_field().to_owned(),
            digests: Digests::default(),
        }
    }

    /// Adds rows.
    pub async fn add(mut self, batch: RecordBatch) -> Result<Sums> {
        compute::run(move || {
            let more = digest::digest(&self.fields, &batch, &self.key_field)?;
            self.digests.merge(&more);
            Ok(self)
        })
        .await
    }
}

/// A sink that keeps nothing but digests.
pub(crate) struct Digesting;

impl Sink for Digesting {
    type Range = Sums;
    type Kept = ();

    async fn begin(&self, scan: &Scan, _: &RecordBatch) -> Result<Sums> {
        Ok(Sums::of(scan))
    }

    async fn push(&self, sums: Sums, rows: Rows) -> Result<Sums> {
        sums.add(rows.batch).await
    }

    async fn finish(&self, sums: Sums) -> Result<((), Digests)> {
        Ok(((), sums.digests))
    }
}
