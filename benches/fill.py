"""Fills a Milvus with the collections of the benchmarks: flushed, indexed (FLAT) and loaded.

    fill.py ADDRESS wide|long ... [--rows N]

wide: 100,000 rows of 768 floats. long: 1,000,000 rows of 128 floats. Both with int64 keys and a short text.
With --rows, so many rows of either.
Run it with the Python that `tests/servers/serve.py python` names.
"""

import argparse
import concurrent.futures
import json
import time

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc, schema_pb2

# rows, dimension
COLLECTIONS = {"wide": (100_000, 768), "long": (1_000_000, 128)}

# Bytes of vectors a request: the server takes 64 MiB, and is no faster with more.
REQUEST = 12 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("collections", nargs="+", choices=COLLECTIONS)
    parser.add_argument("--rows", type=int)
    args = parser.parse_args()
    for name in args.collections:
        start = time.monotonic()
        rows, dim = args.rows or COLLECTIONS[name][0], COLLECTIONS[name][1]
        fill(args.address, name, rows, dim)
        print(json.dumps({"collection": name, "rows": rows, "dim": dim, "seconds": round(time.monotonic() - start, 1)}))


def fill(address, name, rows, dim):
    client = MilvusClient(f"http://{address}", timeout=600)
    if client.has_collection(name):
        client.drop_collection(name)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=100)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    client.create_collection(name, schema=schema)

    # Requests are made here: pymilvus's insert visits every float.
    limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    stub = milvus_pb2_grpc.MilvusServiceStub(grpc.insecure_channel(address, options=limits))
    batch = REQUEST // (4 * dim)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda first: insert(stub, name, first, min(batch, rows - first), dim), range(0, rows, batch)))
    client.flush(name)

    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_index(name, params)
    client.load_collection(name)
    (count,) = client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
    if count["count(*)"] != rows:
        raise SystemExit(f"{name} has {count['count(*)']} rows, not {rows}")


def insert(stub, name, first, count, dim):
    # Each batch is random in itself, and the same every time.
    vectors = np.random.Generator(np.random.PCG64(first)).random((count, dim), dtype=np.float32)
    packed = schema_pb2.FloatArray.FromString(packed_floats(vectors))
    fields = [
        schema_pb2.FieldData(
            type=DataType.INT64, field_name="id",
            scalars=schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=range(first, first + count))),
        ),
        schema_pb2.FieldData(
            type=DataType.VARCHAR, field_name="text",
            scalars=schema_pb2.ScalarField(
                string_data=schema_pb2.StringArray(data=[f"text of row {row}" for row in range(first, first + count)])
            ),
        ),
        schema_pb2.FieldData(
            type=DataType.FLOAT_VECTOR, field_name="vector",
            vectors=schema_pb2.VectorField(dim=dim, float_vector=packed),
        ),
    ]  # fmt: skip
    request = milvus_pb2.InsertRequest(collection_name=name, fields_data=fields, num_rows=count)
    status = stub.Insert(request, timeout=600).status
    if status.code or status.error_code:
        raise SystemExit(status.reason)


def packed_floats(vectors):
    """A FloatArray message as it is on the wire: field 1, length-delimited, the floats as they lie in memory."""
    size, length = vectors.nbytes, bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return b"\x0a" + bytes(length) + vectors.tobytes()


if __name__ == "__main__":
    main()
