//! The sink of an export: each range becomes a data file.

use arrow_array::RecordBatch;

use crate::archive::{ArchiveWriter, DataFilePath, DataFileWriter, File};
use crate::columns::KeyColumn;
use crate::columns::digest::Digests;
use crate::error::{Error, Result};
use crate::reading::{Rows, Sink};
use crate::scan::Scan;

/// The data files of an archive.
pub(super) struct Files(pub ArchiveWriter);

impl Sink for Files {
    type Range = DataFileWriter;
    type Kept = File;

    async fn begin(&self, scan: &Scan, first: &RecordBatch) -> Result<DataFileWriter> {
        let first_key = KeyColumn::of_batch(first, scan.key_field())?
            .key(0)
            .ok_or_else(|| Error::column(scan.key_field(), "a range has no keys"))?;
        let path = DataFilePath {
            collection: scan.collection(),
            partition: scan.partition(),
            first_key: &first_key,
        };
        self.0
            .data_file(
                &path.path(),
                scan.schema().clone(),
                scan.fields().to_vec(),
                scan.key_field(),
            )
            .await
    }

    async fn push(&self, file: DataFileWriter, rows: Rows) -> Result<DataFileWriter> {
        file.push(rows.batch).await
    }

    async fn finish(&self, file: DataFileWriter) -> Result<(File, Digests)> {
        file.finish().await
    }
}
