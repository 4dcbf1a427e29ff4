"""What pymilvus says of collections, but for their rows: definition.py ADDRESS DB COLLECTION…

Prints one JSON object, by collection.
"""

import json
import sys

from pymilvus import MilvusClient

import cluster
import fill


def main():
    address, db, *names = sys.argv[1:]
    client = MilvusClient(f"http://{address}", db_name=db, timeout=120)
    print(json.dumps({name: definition(client, name) for name in names}))


def definition(client, name):
    described = client.describe_collection(name)
    fields = {}
    for field in described["fields"]:
        field = {key: value for key, value in field.items() if key != "field_id"}
        fields[field.pop("name")] = json.loads(json.dumps(field, default=str))
    old = cluster.server_kind(client) == "lite-2.5.1"
    keys = any(field.get("is_partition_key") for field in fields.values())
    return {
        "description": described["description"],
        "fields": fields,
        "functions": functions(described),
        "dynamic": described["enable_dynamic_field"],
        "shards": described["num_shards"],
        "level": described["consistency_level_name"] if "consistency_level_name" in described else described["consistency_level"],
        "properties": dict(described.get("properties") or {}),
        # Those of a partition key have no names that matter.
        "partitions": [] if old else len(client.list_partitions(name)) if keys else sorted(client.list_partitions(name)),
        "aliases": [] if old else sorted(fill.aliases(client, name)),
        "indexes": dict(index(client.describe_index(name, at)) for at in client.list_indexes(name)),
        "loaded": "Loaded" == client.get_load_state(name)["state"].name,
    }


def functions(described):
    """Without the numbers that servers give."""
    numbers = ("id", "input_field_ids", "output_field_ids")
    found = [{key: str(value) for key, value in one.items() if key not in numbers} for one in described.get("functions") or []]
    return {one["name"]: one for one in found}


def index(described):
    """Some clients nest parameters, others do not; to Milvus it is the same."""
    counts = ("total_rows", "indexed_rows", "pending_index_rows", "state", "field_name")
    params = {key: value for key, value in described.items() if key not in counts}
    nested = params.pop("params", {})
    params |= json.loads(nested) if isinstance(nested, str) else nested
    # Milvus 2.3 tells an empty metric of scalar indexes, 2.2 none.
    return described["field_name"], {key: str(value) for key, value in params.items() if value != ""}


if __name__ == "__main__":
    main()
