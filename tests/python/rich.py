"""Makes collections with all of a definition that a server knows: rich.py ADDRESS DB NAME[,NAME…] [--ttl SECONDS].

Each holds ROWS rows and has an alias NAME_alias.
"""

import argparse

from pymilvus import DataType, Function, FunctionType, MilvusClient

import cluster
import fill

ROWS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("db")
    parser.add_argument("names")
    parser.add_argument("--ttl")
    args = parser.parse_args()
    client = MilvusClient(f"http://{args.address}", timeout=120)
    kind = cluster.server_kind(client)
    if args.db:
        options = {"properties": {"timezone": "Asia/Tokyo", "own": "thing"}} if kind == "lite-3.2.2" else {}
        if args.db not in client.list_databases():
            client.create_database(args.db, **options)
        client = MilvusClient(f"http://{args.address}", db_name=args.db, timeout=120)
    for name in args.names.split(","):
        make(client, kind, name, args.ttl)


def make(client, kind, name, ttl):
    schema = client.create_schema(enable_dynamic_field=True, description=f"all about {name}, \"quoted\"")
    schema.add_field("id", DataType.INT64, is_primary=True, description="the key")
    schema.add_field("number", DataType.INT32, description="a number")
    schema.add_field("texts", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, max_length=20)
    options, indexes = {}, client.prepare_index_params()
    indexes.add_index("vector", "FLAT" if kind == "lite-2.5.1" else "HNSW", index_name=name + "_vectors", metric_type="IP",
                      params={} if kind == "lite-2.5.1" else {"M": 6, "efConstruction": 50})  # fmt: skip
    analyzed = {}
    if kind == "lite-3.2.2":
        analyzed = {"enable_analyzer": True, "enable_match": True, "analyzer_params": {"tokenizer": "standard", "filter": ["lowercase"]}}
    schema.add_field("text", DataType.VARCHAR, max_length=200, description="what it says", **analyzed)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4, description="of text")
    if kind == "lite-3.2.2":
        schema.add_field("tenant", DataType.VARCHAR, max_length=20, is_partition_key=True)
        schema.add_field("maybe", DataType.DOUBLE, nullable=True)
        for field, type_, default in (
            ("yes", DataType.BOOL, True),
            ("small", DataType.INT8, -7),
            ("large", DataType.INT64, 2**62),
            ("single", DataType.FLOAT, 0.1),
            ("word", DataType.VARCHAR, "a \"word\""),
        ):
            more = {"max_length": 30} if type_ == DataType.VARCHAR else {}
            schema.add_field(field, type_, default_value=default, **more)
        schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
        function = Function("words", FunctionType.BM25, input_field_names=["text"], output_field_names=["sparse"])
        schema.add_function(function)
        options = {"properties": {"timezone": "Europe/Berlin"} | ({"collection.ttl.seconds": ttl} if ttl else {})}
        bm25 = {"bm25_k1": 1.3, "bm25_b": 0.7}
        indexes.add_index("sparse", "SPARSE_INVERTED_INDEX", metric_type="BM25", params=bm25)
        indexes.add_index("number", "INVERTED")
    if kind == "milvus-2.3.5":
        schema.add_field("tenant", DataType.VARCHAR, max_length=20, is_partition_key=True)
        options = {
            "num_partitions": 7,
            "num_shards": 2,
            "consistency_level": "Bounded",
            "properties": {"collection.ttl.seconds": ttl or "86400", "mmap.enabled": "false"},
        }
        indexes.add_index("number", "STL_SORT", index_name="numbers")
        indexes.add_index("text", "Trie", index_name="texts_index")
    client.create_collection(name, schema=schema, **options)
    known = {field["name"] for field in client.describe_collection(name)["fields"]}
    rows = []
    for row in range(ROWS):
        made = {
            "id": row,
            "number": row * 3,
            "texts": [f"t{row}"],
            "text": f"row {row} of {name}",
            "vector": [row, 1.0, 0.5, -row],
            "tenant": f"tenant {row % 5}",
            "maybe": None if row % 4 == 0 else row / 7,
            "yes": row % 2 == 0,
            "small": row,
            "large": row * 2**40,
            "single": row / 8,
            "word": f"word {row}",
        }
        rows.append({key: value for key, value in made.items() if key in known} | {"undeclared": row})
    client.insert(name, rows)
    if kind != "lite-2.5.1":
        client.flush(name)
        fill.name_alias(client, name, f"{name}_alias")
    client.create_index(name, indexes)
    client.load_collection(name)


if __name__ == "__main__":
    main()
