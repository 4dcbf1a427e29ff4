"""The script that users write today: pymilvus's QueryIterator and pyarrow. What milvault is measured against.

    baseline.py ADDRESS COLLECTION OUT.parquet [--batch 16384]

Prints JSON: seconds, rows, bytes (of the file), peak_rss (of this process, in bytes).
Run it with the Python that `tests/servers/serve.py python` names.
"""

import argparse
import json
import os
import resource
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pymilvus import DataType, MilvusClient

TYPES = {
    DataType.BOOL: pa.bool_(),
    DataType.INT8: pa.int8(),
    DataType.INT16: pa.int16(),
    DataType.INT32: pa.int32(),
    DataType.INT64: pa.int64(),
    DataType.FLOAT: pa.float32(),
    DataType.DOUBLE: pa.float64(),
    DataType.VARCHAR: pa.string(),
    DataType.FLOAT_VECTOR: pa.list_(pa.float32()),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("collection")
    parser.add_argument("out")
    # Longer pages of wide rows do not fit into one answer.
    parser.add_argument("--batch", type=int, default=16384)
    args = parser.parse_args()
    client = MilvusClient(f"http://{args.address}")
    start = time.monotonic()
    rows = export(client, args.collection, args.out, args.batch)
    print(
        json.dumps(
            {
                "seconds": round(time.monotonic() - start, 3),
                "rows": rows,
                "bytes": os.path.getsize(args.out),
                "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


def export(client, collection, out, batch):
    fields = client.describe_collection(collection)["fields"]
    schema = pa.schema([(field["name"], TYPES[field["type"]]) for field in fields])
    rows = 0
    pages = client.query_iterator(collection, batch_size=batch, output_fields=schema.names)
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        while page := pages.next():
            columns = [column([row[name] for row in page], schema.field(name).type) for name in schema.names]
            writer.write_table(pa.table(columns, schema=schema))
            rows += len(page)
    pages.close()
    return rows


def column(values, kind):
    """An Arrow column; vectors by way of numpy, which is several times faster."""
    if not pa.types.is_list(kind):
        return pa.array(values, kind)
    matrix = np.asarray(values, dtype=np.float32)
    offsets = pa.array(np.arange(0, matrix.size + 1, matrix.shape[1], dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1)))


if __name__ == "__main__":
    main()
