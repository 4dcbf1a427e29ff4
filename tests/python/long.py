"""Fills a collection with many small rows: long.py ADDRESS DB NAME ROWS.

Keys are scattered, so that neither files nor pages hold keys in a row. Flushed, indexed (FLAT) and loaded.
"""

import sys

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc, schema_pb2

DIM = 8
BATCH = 50_000


def main():
    address, db, name, rows = sys.argv[1:]
    client = MilvusClient(f"http://{address}", timeout=600)
    if db not in client.list_databases():
        client.create_database(db)
    client = MilvusClient(f"http://{address}", db_name=db, timeout=600)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=30)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection(name, schema=schema, consistency_level="Strong")
    # Requests are made here: pymilvus's insert visits every number.
    stub = milvus_pb2_grpc.MilvusServiceStub(grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]))
    for first in range(0, int(rows), BATCH):
        insert(stub, db, name, np.arange(first, min(first + BATCH, int(rows)), dtype=np.int64))
    client.flush(name)
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_index(name, params)
    client.load_collection(name)


def insert(stub, db, name, numbers):
    # Odd, so that no two numbers give one key.
    keys = (numbers * 7_919_000_000_037 % 2**61) - 2**60
    vectors = np.random.Generator(np.random.PCG64(int(numbers[0]))).random(len(keys) * DIM, dtype=np.float32)
    texts = [f"row {number}" for number in numbers]
    fields = [
        schema_pb2.FieldData(type=DataType.INT64, field_name="id",
                             scalars=schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=keys.tolist()))),
        schema_pb2.FieldData(type=DataType.VARCHAR, field_name="text",
                             scalars=schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=texts))),
        schema_pb2.FieldData(type=DataType.FLOAT_VECTOR, field_name="vector",
                             vectors=schema_pb2.VectorField(dim=DIM, float_vector=schema_pb2.FloatArray(data=vectors.tolist()))),
    ]  # fmt: skip
    request = milvus_pb2.InsertRequest(db_name=db, collection_name=name, fields_data=fields, num_rows=len(keys))
    status = stub.Insert(request, timeout=600).status
    if status.code or status.error_code:
        raise SystemExit(status.reason)


if __name__ == "__main__":
    main()
