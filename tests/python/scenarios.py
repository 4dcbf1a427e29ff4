"""What the test collections hold. fill.py writes it, truth.py compares with it; it is known without any server."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import values
from values import I64_MAX, I64_MIN

DEFAULT = "_default"

MILVUS = {"BINARY", "IVF", "HNSW", "SCALAR_INDEX", "PARTITIONS", "COPIES"}
# What servers can do, as far as scenarios depend on it.
CAN = {
    "milvus-2.2.16": MILVUS,
    "milvus-2.3.5": MILVUS | {"ARRAY", "COSINE"},
    "lite-2.5.1": {"ARRAY", "COSINE", "BINARY", "FLOAT16", "SPARSE", "GREATEST_KEY"},
    "lite-3.2.2": {"ARRAY", "COSINE", "SPARSE", "GREATEST_KEY", "HNSW", "IVF_FLAT", "PARTITIONS", "NULL", "TIME_AND_PLACE"},
}


def can(server, *abilities):
    """Whether a server, or each of `one+another`, has one of some abilities."""
    return all(CAN[one] & set(abilities) for one in server.split("+"))


@dataclass
class Scenario:
    """A collection. `steps` are what is done to it in order, `rows` what it then must hold."""

    # (name, pymilvus DataType name, options of add_field)
    fields: list[tuple[str, str, dict]]
    # ("insert" or "upsert", partition, rows) or ("delete", partition, keys)
    steps: list[tuple[str, str, list]]
    # field -> (index type, metric, parameters)
    indexes: dict[str, tuple[str, str, dict]]
    # partition -> rows; the one of a partition-key collection is DEFAULT
    rows: dict[str, list[dict[str, Any]]]
    dynamic: bool = False
    partitions: list[str] = field(default_factory=list)
    loaded: bool = True
    # How many rows fit into one answer.
    page: int = 1000
    options: dict = field(default_factory=dict)

    @property
    def key(self):
        """The name of the primary key."""
        return next(name for name, _, options in self.fields if options.get("is_primary"))


def key(kind="INT64", **options):
    return ("id", kind, {"is_primary": True, **({"max_length": 65535} if kind == "VARCHAR" else {}), **options})


def floats(dim=8):
    return ("vector", "FLOAT_VECTOR", {"dim": dim})


FLAT = {"vector": ("FLAT", "L2", {})}


def plain(fields, rows, indexes=FLAT, **more):
    """A collection of the default partition that is inserted once."""
    return Scenario(fields, [("insert", DEFAULT, rows)], indexes, {DEFAULT: rows}, **more)


def every_type(server):
    """All types that the server knows, at their extremes, with a dynamic field."""
    scalars = ["BOOL", "INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "VARCHAR"]
    fields = [key()]
    for kind in scalars:
        fields.append((kind.lower(), kind, {"max_length": 6000} if kind == "VARCHAR" else {}))
    fields.append(("json", "JSON", {}))
    for kind in scalars if can(server, "ARRAY") else []:
        options = {"element_type": kind, "max_capacity": 16}
        fields.append((f"array_{kind.lower()}", "ARRAY", options | ({"max_length": 200} if kind == "VARCHAR" else {})))
    fields.append(floats(16))
    kind, more = ("HNSW", {"M": 16, "efConstruction": 64}) if can(server, "HNSW") else ("FLAT", {})
    indexes = {"vector": (kind, "COSINE" if can(server, "COSINE") else "IP", more)}
    if can(server, "SCALAR_INDEX"):
        indexes |= {"int32": ("STL_SORT", "", {}), "varchar": ("Trie", "", {})}
    if can(server, "FLOAT16"):
        fields.append(("float16_vector", "FLOAT16_VECTOR", {"dim": 8}))
        fields.append(("bfloat16_vector", "BFLOAT16_VECTOR", {"dim": 8}))
        indexes |= {name: ("FLAT", "L2", {}) for name in ("float16_vector", "bfloat16_vector")}
    if can(server, "SPARSE"):
        fields.append(("sparse_vector", "SPARSE_FLOAT_VECTOR", {}))
        indexes["sparse_vector"] = ("SPARSE_INVERTED_INDEX", "IP", {})
    if can(server, "TIME_AND_PLACE"):
        fields.append(("geometry", "GEOMETRY", {}))
        fields.append(("timestamptz", "TIMESTAMPTZ", {}))

    # milvus-lite knows points, and polygons without holes.
    geometries = ["POINT (1 2)", "POINT(-0.5 1e-07)", "point (0.1 -179.99999999999997)",
                  "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))"]  # fmt: skip
    times = ["2026-11-21T02:00:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2000-02-29T12:34:56.789012Z"]
    rows = []
    for row in range(120):
        made = {
            "id": row - 20,
            "bool": row % 3 == 0,
            **{kind.lower(): values.cycle(found, row) for kind, found in values.INTEGERS.items()},
            "float": values.cycle(values.FLOATS, row),
            "double": values.cycle(values.DOUBLES, row),
            "varchar": values.cycle(values.TEXTS + ["x" * 5000], row),
            "json": values.cycle(values.JSONS, row),
            **{f"array_{kind.lower()}": values.array(kind, row) for kind in scalars},
            "vector": values.vector(row, 16),
            "float16_vector": values.float16_vector(row, 8),
            "bfloat16_vector": values.bfloat16_vector(row, 8),
            "sparse_vector": values.sparse_vector(row),
            "geometry": values.cycle(geometries, row),
            "timestamptz": values.cycle(times, row),
        }
        known = {name for name, _, _ in fields}
        made = {name: value for name, value in made.items() if name in known}
        # Dynamic values; a third of the rows has none.
        if row % 3 == 1:
            made["colour"] = values.cycle(values.TEXTS, row)
        if row % 3 == 2:
            made |= {"deep": values.cycle(values.JSONS, row), "number": values.cycle(values.INTEGERS["INT64"], row)}
        rows.append(made)
    return plain(fields, rows, indexes, dynamic=True)


def nullable(server):
    """NULL in every type that can hold it, and fields with defaults (milvus-lite 3)."""
    needs(server, "NULL")
    kinds = ["BOOL", "INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "VARCHAR", "JSON"]
    fields = [key(), floats()]
    for kind in kinds:
        options = {"nullable": True} | ({"max_length": 6000} if kind == "VARCHAR" else {})
        fields.append((kind.lower(), kind, options))
    fields.append(("array", "ARRAY", {"element_type": "INT64", "max_capacity": 16, "nullable": True}))
    fields.append(("defaulted", "INT64", {"default_value": 42}))
    fields.append(("both", "VARCHAR", {"max_length": 100, "nullable": True, "default_value": "none given"}))
    rows = []
    for row in range(90):
        whole = {
            "bool": row % 2 == 0,
            **{kind.lower(): values.cycle(found, row) for kind, found in values.INTEGERS.items()},
            "float": values.cycle(values.FLOATS, row),
            "double": values.cycle(values.DOUBLES, row),
            "varchar": values.cycle(values.TEXTS, row),
            "json": values.cycle(values.JSONS, row),
            "array": values.array("INT64", row),
        }
        # Each field is NULL in rows of its own; row 0 has all values, row 1 none.
        for at, name in enumerate(whole):
            if row == 1 or (row > 1 and (row + at) % 4 == 0):
                whole[name] = None
        whole |= {"id": row, "vector": values.vector(row, 8), "defaulted": row, "both": f"text {row}"}
        rows.append(whole)
    return plain(fields, rows)


def binary_vector(server):
    """Binary vectors: 2.3 allows one vector field a collection."""
    needs(server, "BINARY")
    rows = [{"id": row, "vector": values.binary_vector(row, 64)} for row in range(100)]
    index = {"vector": ("BIN_IVF_FLAT", "HAMMING", {"nlist": 8})}
    if not can(server, "IVF"):
        index = {"vector": ("BIN_FLAT", "HAMMING", {})}
    return plain([key(), ("vector", "BINARY_VECTOR", {"dim": 64})], rows, index)


def big(server):
    """40,000 rows; the keys are scattered over all of int64, with gaps, in no order."""
    count, dim = 40_000, 32
    vectors = values.plain_vectors(0, count, dim, 1)
    # An odd factor is a bijection of the 64-bit integers.
    keys = [(row * 0x9E3779B97F4A7C15 + 12345) % 2**64 - 2**63 for row in range(count)]
    rows = [
        {"id": keys[row], "text": f"row {row} " + values.cycle(values.TEXTS, row), "vector": vectors[row]}
        for row in range(count)
    ]
    index = {"vector": ("IVF_FLAT", "L2", {"nlist": 64})} if can(server, "IVF", "IVF_FLAT") else FLAT
    return plain([key(), ("text", "VARCHAR", {"max_length": 500}), floats(dim)], rows, index, page=2000)


def hard_text_keys(server):
    """Text keys with all that quoting, sorting and file names can stumble over."""
    keys = values.TEXTS + ["long " + "k" * 5000, "k" * 5000, "é" * 2000]
    rows = [{"id": text, "number": at, "vector": values.vector(at, 8)} for at, text in enumerate(keys)]
    index = {"vector": ("IVF_SQ8", "IP", {"nlist": 4})} if can(server, "IVF") else FLAT
    return plain([key("VARCHAR"), ("number", "INT64", {}), floats()], rows, index)


def hard_int_keys(server):
    """The ends of int64, their neighbours, zero, and some negatives."""
    keys = [I64_MIN, I64_MIN + 1, I64_MIN + 2, -(2**53) - 1, -(2**31), -2, -1, 0, 1, 2, 2**31, 2**53 + 1,
            I64_MAX - 2, I64_MAX - 1]  # fmt: skip
    if can(server, "GREATEST_KEY"):
        keys.append(I64_MAX)
    rows = [{"id": number, "text": str(number), "vector": values.vector(at, 8)} for at, number in enumerate(keys)]
    return plain([key(), ("text", "VARCHAR", {"max_length": 30}), floats()], rows)


def highest_int_key(server):
    """Milvus 2.2 and 2.3 never show a row with the key INT64_MAX, whatever the expression; they count it."""
    if can(server, "GREATEST_KEY"):
        raise SystemExit(f"{server} shows the greatest key")
    shown = [{"id": I64_MAX - at, "vector": values.vector(at, 8)} for at in range(1, 11)]
    hidden = {"id": I64_MAX, "vector": values.vector(99, 8)}
    return Scenario([key(), floats()], [("insert", DEFAULT, [*shown, hidden])], FLAT, {DEFAULT: shown})


def duplicates(server):
    """Every key is inserted three times: Milvus keeps all, counts all, and shows one."""
    needs(server, "COPIES")
    # The three are alike: which of them a query shows is not defined.
    rows = [{"id": row * 3, "number": row, "vector": values.vector(row, 8)} for row in range(2000)]
    steps = [("insert", DEFAULT, rows)] * 3
    return Scenario([key(), ("number", "INT64", {}), floats()], steps, FLAT, {DEFAULT: rows})


def in_a_row(server):
    """120,000 keys in a row, but for one that is missing; another is there twice, so that counts tell of no gap."""
    needs(server, "COPIES")
    dim, missing, twice = 8, 50_000, 60_000
    vectors = values.plain_vectors(0, 120_000, dim, 3)
    rows = [{"id": row, "vector": vectors[row]} for row in range(120_000) if row != missing]
    again = [row for row in rows if row["id"] == twice]
    steps = [("insert", DEFAULT, rows), ("insert", DEFAULT, again)]
    return Scenario([key(), floats(dim)], steps, FLAT, {DEFAULT: rows}, page=10_000)


def wide(server):
    """Rows of 192 KiB: 400 of them are more than an answer may hold."""
    dim = 32_768
    rows = [
        {"id": row * 10, "text": (f"{row:05d} " * 10_900)[: 65_000 + row], "vector": values.plain_vectors(row, 1, dim, 2)[0]}
        for row in range(400)
    ]
    return plain([key(), ("text", "VARCHAR", {"max_length": 65535}), floats(dim)], rows, page=40)


def many_files(server):
    """Rows so wide that a few of them make a file of an archive."""
    rows = [{"id": row * 10, "text": f"row {row}", "vector": np.full(32_768, row, np.float32)} for row in range(1200)]
    return plain([key(), ("text", "VARCHAR", {"max_length": 20}), floats(32_768)], rows, page=80)


def partitioned(server):
    """Four partitions of different sizes, one of them empty, besides the default one."""
    needs(server, "PARTITIONS")
    sizes = {DEFAULT: 7, "north": 1500, "south": 300, "empty": 0, "west_1": 1}
    rows, first = {}, 0
    for partition, size in sizes.items():
        rows[partition] = [
            {"id": number * 5 - 1000, "text": partition, "vector": values.vector(number, 16)}
            for number in range(first, first + size)
        ]
        first += size
    index = {"vector": ("IVF_PQ", "L2", {"nlist": 16, "m": 4, "nbits": 8})} if can(server, "IVF") else FLAT
    steps = [("insert", partition, made) for partition, made in rows.items()]
    return Scenario([key(), ("text", "VARCHAR", {"max_length": 30}), floats(16)], steps, index, rows,
                    partitions=[name for name in sizes if name != DEFAULT])  # fmt: skip


def partition_key(server):
    """Rows that are spread by a partition key: Milvus refuses partition names in its queries."""
    needs(server, "PARTITIONS")
    fields = [key("VARCHAR"), ("tenant", "VARCHAR", {"max_length": 50, "is_partition_key": True}), floats()]
    rows = [{"id": f"doc-{row}", "tenant": f"tenant {row % 23}", "vector": values.vector(row, 8)} for row in range(1000)]
    index = {"vector": ("HNSW", "IP", {"M": 8, "efConstruction": 32})}
    return plain(fields, rows, index, options={"num_partitions": 16})


def deleted(server):
    """1,000 rows, of which every third is deleted and every fifth then written anew."""
    made = [{"id": row, "version": 1, "vector": values.vector(row, 8)} for row in range(1000)]
    gone = [row["id"] for row in made if row["id"] % 3 == 0]
    anew = [{"id": row, "version": 2, "vector": values.vector(row + 5000, 8)} for row in range(0, 1100, 5)]
    final = {row["id"]: row for row in made if row["id"] % 3 != 0} | {row["id"]: row for row in anew}
    steps = [("insert", DEFAULT, made), ("delete", DEFAULT, gone), ("upsert", DEFAULT, anew)]
    return Scenario([key(), ("version", "INT64", {}), floats()], steps, FLAT, {DEFAULT: list(final.values())})


def auto_id(server):
    """Keys that Milvus gives; `number` tells which row is which."""
    rows = [{"number": row, "vector": values.vector(row, 8)} for row in range(300)]
    return plain([key(auto_id=True), ("number", "INT64", {}), floats()], rows)


def empty(server):
    """No rows at all."""
    return plain([key(), floats()], [])


def unindexed(server):
    """Rows without an index: Milvus loads no such collection, so it cannot be read."""
    rows = [{"id": row, "vector": values.vector(row, 8)} for row in range(100)]
    return plain([key(), floats()], rows, {}, loaded=False)


def not_loaded(server):
    """Rows with an index, released; and nothing about it is what it would be by default."""
    rows = [{"id": row, "vector": values.vector(row, 8)} for row in range(100)]
    fields = [key(description="the key, \"quoted\""), floats()]
    return plain(fields, rows, loaded=False, options={"num_shards": 2, "consistency_level": "Eventually"})


def needs(server, ability):
    """Refuses servers that cannot hold a scenario."""
    if not can(server, ability):
        raise SystemExit(f"{server} cannot hold this scenario: {ability}")


SCENARIOS = {
    made.__name__: made
    for made in (every_type, nullable, binary_vector, big, hard_text_keys, hard_int_keys, highest_int_key, duplicates, in_a_row, wide, many_files, partitioned,
                 partition_key, deleted, auto_id, empty, unindexed, not_loaded)
}  # fmt: skip
