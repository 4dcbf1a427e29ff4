"""Reads every Parquet file of an archive with pyarrow and with DuckDB, as a user would:
parquet_reads.py ARCHIVE_DIR [SCENARIO KIND_OF_SERVER].

With a scenario, the archive's only collection must hold its values, in columns of the types that a user expects. Each
file must have the rows that manifest.json says, and both must see the same values. Prints the columns' types of each
collection as JSON; exits with 1 at the first thing that is not so.
"""

import json
import pathlib
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import scenarios
import truth

# What pyarrow and DuckDB call the columns.
SCALARS = {
    "BOOL": ("bool", "BOOLEAN"),
    "INT8": ("int8", "TINYINT"),
    "INT16": ("int16", "SMALLINT"),
    "INT32": ("int32", "INTEGER"),
    "INT64": ("int64", "BIGINT"),
    "FLOAT": ("float", "FLOAT"),
    "DOUBLE": ("double", "DOUBLE"),
    "VARCHAR": ("string", "VARCHAR"),
    "JSON": ("string", "VARCHAR"),
    "GEOMETRY": ("string", "VARCHAR"),
    "TIMESTAMPTZ": ("string", "VARCHAR"),
    "BINARY_VECTOR": ("binary", "BLOB"),
    "FLOAT16_VECTOR": ("binary", "BLOB"),
    "BFLOAT16_VECTOR": ("binary", "BLOB"),
    "FLOAT_VECTOR": ("list<element: float not null>", "FLOAT[]"),
    "SPARSE_FLOAT_VECTOR": (
        "struct<indices: list<element: uint32 not null> not null, values: list<element: float not null> not null>",
        "STRUCT(indices UINTEGER[], \"values\" FLOAT[])",
    ),
}

def main():
    folder, *made_of = sys.argv[1:]
    folder = pathlib.Path(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    named = dict(files(manifest))
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}
    if named.keys() != there:
        sys.exit(f"the manifest and the folder differ: {sorted(named.keys() ^ there)}")
    types = {}
    for name, rows in sorted(named.items()):
        types.setdefault(str(pathlib.PurePath(name).parent), check(folder / name, rows))
    if made_of:
        scenario, kind = made_of
        check_values(sorted(folder / name for name in named), scenarios.SCENARIOS[scenario](kind))
    print(json.dumps({"files": len(named), "rows": sum(named.values()), "types": types}, indent=1))


def files(node):
    """Path and rows of every Parquet file that the manifest names, wherever it does."""
    if isinstance(node, dict):
        path = node.get("path")
        if isinstance(path, str) and path.endswith(".parquet"):
            yield path, node["rows"]
        node = node.values()
    elif not isinstance(node, list):
        return
    for inner in node:
        yield from files(inner)


def check(path, rows):
    """The types of a file's columns as pyarrow and DuckDB name them."""
    table = pq.read_table(path)
    table.validate(full=True)
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{str(path).replace(chr(39), 2 * chr(39))}')")
    other = relation.to_arrow_table()
    for reader, count in (("pyarrow", table.num_rows), ("DuckDB", other.num_rows)):
        if count != rows:
            sys.exit(f"{path}: {reader} reads {count} rows, the manifest says {rows}")
    if table.column_names != other.column_names:
        sys.exit(f"{path}: pyarrow sees the columns {table.column_names}, DuckDB {other.column_names}")
    for name in table.column_names:
        if plain(table[name]) != plain(other[name]):
            sys.exit(f"{path}: pyarrow and DuckDB read different values of {name}")
    named = zip(table.schema, relation.dtypes)
    return {column.name: [str(column.type), str(duck)] for column, duck in named}


def check_values(paths, scenario):
    """Types and values against the scenario, as either reader gives them."""
    expected = {row[scenario.key]: row for rows in scenario.rows.values() for row in rows}
    for path in paths:
        table = pq.read_table(path)
        relation = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
        seen = {column.name: (str(column.type), str(duck)) for column, duck in zip(table.schema, relation.dtypes)}
        wanted = {name: types_of(kind, options) for name, kind, options in scenario.fields}
        if scenario.dynamic:
            wanted["$meta"] = SCALARS["JSON"]
        if seen != wanted:
            sys.exit(f"{path}: the columns are {seen}, not {wanted}")
        both = table.to_pylist(), [dict(zip(relation.columns, row)) for row in relation.fetchall()]
        for reader, rows in zip(("pyarrow", "DuckDB"), both):
            for row in rows:
                key = row[scenario.key]
                try:
                    truth.compare_row(scenario, key, expected[key], user_row(row, scenario), None)
                except truth.Difference as difference:
                    sys.exit(f"{reader}: {difference}")
        for row in both[0]:
            del expected[row[scenario.key]]
    if expected:
        sys.exit(f"{len(expected)} rows are missing, such as {min(expected)!r}")


def types_of(kind, options):
    if kind != "ARRAY":
        return SCALARS[kind]
    arrow, duck = SCALARS[options["element_type"]]
    return f"list<element: {arrow} not null>", f"{duck}[]"


def user_row(row, scenario):
    """A row of Parquet in the shape of pymilvus's."""
    row = dict(row)
    if scenario.dynamic:
        row |= json.loads(row.pop("$meta"))
    for name, kind, _ in scenario.fields:
        if kind == "SPARSE_FLOAT_VECTOR":
            row[name] = dict(zip(row[name]["indices"], row[name]["values"]))
    return row


def plain(column):
    """Values in a form that tells 0.0 from -0.0. Large and small lists and strings are the same to a user."""
    column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    return repr(column.to_pylist())


if __name__ == "__main__":
    main()
