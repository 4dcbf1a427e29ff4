"""Fills collections with scenarios: fill.py ADDRESS SCENARIO[,SCENARIO…] [--collection NAME] [--suffix S] [--db DB].

A collection of that name is dropped first. Prints the rows that are there at the end.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

from pymilvus import DataType
from pymilvus.exceptions import MilvusException

import cluster
import scenarios


def main():
    args = cluster.arguments(__doc__)
    if args.db:
        outer = cluster.connect(args, db="")
        if args.db not in outer.list_databases():
            outer.create_database(args.db)
    client = cluster.connect(args)

    def fill_one(name):
        fill(client, cluster.collection(args, name), cluster.scenario(args, client, name))

    # Milvus takes seconds to index and load a collection, and next to nothing of the processor. milvus-lite loses
    # changes of aliases that come at once.
    at_once = 6 if cluster.server_kind(client).startswith("milvus-") else 1
    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(fill_one, name) for name in args.scenarios]:
            done.result()


def name_alias(client, name, alias):
    """Other tests may change aliases of the same milvus-lite at the same time, which fails now and then."""
    for attempt in range(5):
        try:
            return client.create_alias(name, alias)
        except MilvusException:
            if attempt == 4 or alias in aliases(client, name):
                raise
            time.sleep(0.2)


def fill(client, name, scenario):
    server = cluster.server_kind(client)
    full = server != "lite-2.5.1"
    alias = f"{name}_alias"
    if client.has_collection(name):
        if full:
            for old in aliases(client, name):
                client.drop_alias(old)
        client.drop_collection(name)

    schema = client.create_schema(enable_dynamic_field=scenario.dynamic, description=f"scenario {name}")
    for field, kind, options in scenario.fields:
        options = dict(options)
        if element := options.pop("element_type", None):
            options["element_type"] = DataType[element]
        schema.add_field(field, DataType[kind], **options)
    client.create_collection(name, schema=schema, **{"consistency_level": "Strong", **scenario.options})
    if full:
        name_alias(client, name, alias)
    for partition in scenario.partitions:
        client.create_partition(name, partition)

    for step, partition, what in scenario.steps:
        where = {} if partition == scenarios.DEFAULT else {"partition_name": partition}
        for start in range(0, len(what), scenario.page):
            some = what[start : start + scenario.page]
            if step == "insert":
                client.insert(name, some, **where)
            elif step == "upsert" and server != "milvus-2.2.16":
                client.upsert(name, some, **where)
            elif step == "upsert":
                client.delete(name, ids=[row[scenario.key] for row in some], **where)
                client.insert(name, some, **where)
            else:
                client.delete(name, ids=some, **where)
    if full or scenario.rows[scenarios.DEFAULT]:
        client.flush(name)

    if scenario.indexes:
        params = client.prepare_index_params()
        for field, (index, metric, more) in scenario.indexes.items():
            params.add_index(field, index_type=index, metric_type=metric, params=more)
        client.create_index(name, params)
    if scenario.loaded:
        client.load_collection(name)
    elif full:
        client.release_collection(name)
    print(json.dumps({"collection": name, "rows": sum(map(len, scenario.rows.values()))}))


def aliases(client, name):
    """Milvus 2.3 lists aliases outside of the default database only in a way that pymilvus does not know; the
    description of milvus-lite has none."""
    if cluster.server_kind(client).startswith("lite-"):
        return client.list_aliases(name)["aliases"]
    return client.describe_collection(name)["aliases"]


if __name__ == "__main__":
    main()
