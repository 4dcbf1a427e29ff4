"""Reads collections back through pymilvus and compares them with their scenarios, value by value and bit by bit:
truth.py ADDRESS SCENARIO[,SCENARIO…] [--collection NAME] [--suffix S] [--db DB] [--load].

Prints the number of rows of each, or the first difference and exits with 1. They must be loaded, or --load given.
"""

import json
import struct
import sys

import numpy as np

import cluster
import scenarios
import values


class Difference(Exception):
    """What is not as it should be."""


def main():
    args = cluster.arguments(__doc__)
    client = cluster.connect(args)
    for name in args.scenarios:
        collection = cluster.collection(args, name)
        if args.load:
            load(client, collection)
        try:
            rows = compare(client, collection, cluster.scenario(args, client, name))
        except Difference as difference:
            print(f"{collection}: {difference}")
            sys.exit(1)
        print(json.dumps({"collection": collection, "rows": rows}))


def load(client, name):
    """Milvus reads only what is loaded, and loads only what has an index."""
    if not client.list_indexes(name):
        params = client.prepare_index_params()
        params.add_index("vector", index_type="FLAT", metric_type="L2")
        client.create_index(name, params)
    client.load_collection(name)


def compare(client, name, scenario):
    total = 0
    for partition, expected in scenario.rows.items():
        where = [partition] if scenario.partitions else None
        # The collection's own keys; of automatic ones only the rest of the row is known.
        by = "number" if any(options.get("auto_id") for _, _, options in scenario.fields) else scenario.key
        expected = {row[by]: row for row in expected}
        found = {}
        for row in read(client, name, scenario, list(expected), by, where):
            if row[by] in found:
                raise Difference(f"{by}={row[by]!r} came twice")
            found[row[by]] = row
        if missing := expected.keys() - found.keys():
            raise Difference(f"partition {partition}: {len(missing)} rows are missing, such as {by}={min(missing)!r}")
        if surplus := found.keys() - expected.keys():
            raise Difference(f"partition {partition}: {len(surplus)} rows too many, such as {by}={min(surplus)!r}")
        for at, row in expected.items():
            compare_row(scenario, at, row, found[at], ignored=scenario.key if by != scenario.key else None)
        total += len(expected)
    check_count(client, name, scenario, total)
    return total


def read(client, name, scenario, keys, by, where):
    """All rows of small collections at once, with no filter; of large ones in pages of known keys."""
    fields = [field for field, _, _ in scenario.fields] + (["$meta"] if scenario.dynamic else [])
    options = {"output_fields": fields, "consistency_level": "Strong"}
    if where:
        options["partition_names"] = where
    if len(keys) <= scenario.page:
        yield from client.query(name, filter=everything(client, scenario), limit=16384, **options)
        return
    for start in range(0, len(keys), scenario.page):
        yield from client.query(name, filter=f"{by} in {json.dumps(keys[start : start + scenario.page])}", **options)


def check_count(client, name, scenario, unique):
    """Rows whose keys nobody knows do not show in `read`; they show here. Milvus counts duplicates, too, or not,
    depending on what it has compacted."""
    if cluster.server_kind(client) == "milvus-2.2.16":
        check_keys(client, name, scenario, unique)
        return
    answer = client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
    inserted = sum(len(rows) for step, _, rows in scenario.steps if step == "insert")
    deletes = any(step != "insert" for step, _, _ in scenario.steps)
    if not unique <= (count := answer[0]["count(*)"]) <= (unique if deletes else max(unique, inserted)):
        raise Difference(f"count(*) is {count}, not {unique}")


def check_keys(client, name, scenario, unique):
    """Milvus 2.2 has no count(*), but returns all keys at once, however many."""
    fields = {"output_fields": [scenario.key], "consistency_level": "Strong"}
    keys = [row[scenario.key] for row in client.query(name, filter=everything(client, scenario), **fields)]
    if not len(keys) == len(set(keys)) == unique:
        raise Difference(f"there are {len(keys)} keys, {len(set(keys))} of them different, not {unique}")


def everything(client, scenario):
    """A filter that all rows fulfil: Milvus 2.2 takes no empty one."""
    if cluster.server_kind(client) != "milvus-2.2.16":
        return ""
    kinds = {name: kind for name, kind, _ in scenario.fields}
    return f'{scenario.key} >= ""' if kinds[scenario.key] == "VARCHAR" else f"{scenario.key} <= {values.I64_MAX}"


def compare_row(scenario, at, expected, found, ignored):
    where = f"{scenario.key}={at!r}"[:200]
    found = dict(found)
    found.pop(ignored, None)
    for name, type_name, options in scenario.fields:
        if name == ignored:
            continue
        if name not in found:
            raise Difference(f"{where}: field {name} is not there")
        value = found.pop(name)
        want = canonical(expected[name], type_name, options)
        got = canonical(value, type_name, options)
        if want != got or type(want) is not type(got):
            raise Difference(f"{where}, field {name}: {value!r} instead of {expected[name]!r}"[:2000])
    known = {name for name, _, _ in scenario.fields}
    dynamic = {name: value for name, value in expected.items() if name not in known}
    if exact(found) != exact(dynamic):
        raise Difference(f"{where}, dynamic fields: {found!r} instead of {dynamic!r}"[:2000])


def canonical(value, kind, options):
    """A value in a form in which == means the same bits."""
    if value is None:
        return None
    if kind == "FLOAT_VECTOR":
        return np.asarray(value, dtype="<f4").tobytes()
    if kind in ("BINARY_VECTOR", "FLOAT16_VECTOR", "BFLOAT16_VECTOR"):
        return value if isinstance(value, bytes) else as_bytes(value)
    if kind == "SPARSE_FLOAT_VECTOR":
        return sorted((int(index), struct.pack("<f", cell)) for index, cell in value.items())
    if kind == "FLOAT":
        return struct.pack("<f", value)
    if kind == "DOUBLE":
        return struct.pack("<d", value)
    if kind == "ARRAY":
        return [canonical(cell, options["element_type"], {}) for cell in value]
    if kind == "JSON":
        return exact(json.loads(value) if isinstance(value, (str, bytes)) else value)
    return value


def as_bytes(value):
    """pymilvus hands out some vectors as [bytes], others as arrays."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if len(value) == 1 and isinstance(value[0], bytes):
        return value[0]
    return bytes(value)


def exact(value):
    """JSON in which 1, 1.0 and true differ, and 0.0 from -0.0, but the order of keys does not matter."""
    if isinstance(value, dict):
        return {"object": sorted((name, repr(exact(cell))) for name, cell in value.items())}
    if isinstance(value, list):
        return [exact(cell) for cell in value]
    return (type(value).__name__, repr(value))


if __name__ == "__main__":
    main()
