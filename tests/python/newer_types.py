"""Reads the golden archive of newer types with pyarrow, as a user would: newer_types.py ARCHIVE_DIR.

Its columns must be those that formats/v1.md and Milvus's bulk import have, and its values those that
tests/golden/types.rs describes, computed here anew. Exits with 1 at the first thing that is not so.
"""

import pathlib
import struct
import sys

import pyarrow.parquet as pq

VECTORS = {"float": "float", "binary": "uint8", "float16": "uint8", "bfloat16": "uint8", "int8": "int8"}
BYTES = {"binary": 1, "float16": 16, "bfloat16": 16, "int8": 8}


def listed(item):
    return f"list<element: {item} not null>"


def types():
    """Column names and pyarrow's names of their types, the nullable ones under `null_…`."""
    plain = {"text": "string", "mol": "string", "geometry": "string", "timestamptz": "string"}
    plain["sparse"] = f"struct<indices: {listed('uint32')} not null, values: {listed('float')} not null>"
    for name, item in VECTORS.items():
        plain[name] = "binary" if item == "uint8" else listed(item)
    for name, item in VECTORS.items():
        plain[f"array_of_{name}"] = listed(listed(item))
    members = ["text: string not null", "page: int64 not null"]
    members += [f"{name}: {listed(item)} not null" for name, item in VECTORS.items()]
    plain["chunks"] = listed(f"struct<{', '.join(members)}>")
    return {"id": "int64"} | plain | {f"null_{name}": kind for name, kind in plain.items()}


def text(row):
    return {3: "", 4: '\U0001F9EA\n"\\'}.get(row, f"text {row}")


def single(value):
    """A float as Parquet has it: rounded to 32 bits."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def number(row, at):
    odd = {0: -0.0, 1: struct.unpack("<f", struct.pack("<I", 1))[0], 2: 3.4028234663852886e38}
    if row == 4 and at in odd:
        return single(odd[at])
    return single(row - at / 4)


def vector(name, row, element):
    if name == "float":
        return [number(row + element, at) for at in range(8)]
    data = bytes((row * 61 + element * 7 + at * 13) % 256 for at in range(BYTES[name]))
    return list(struct.unpack("8b", data)) if name == "int8" else list(data)


def value(column, row):
    nullable = column.startswith("null_")
    if nullable and row == 2:
        return None
    column = column.removeprefix("null_")
    count = {3: 0, 4: 3}.get(row, row % 2 + 1)
    if column == "text":
        return text(row)
    if column == "mol":
        return "C" * row
    if column == "geometry":
        return f"POINT ({row} 0.5)"
    if column == "timestamptz":
        return f"2024-02-29T23:59:5{row}Z"
    if column == "sparse":
        return {"indices": [at * 1000 for at in range(count)], "values": [number(row, at) for at in range(count)]}
    if column in VECTORS:
        found = vector(column, row, 0)
        return bytes(found) if VECTORS[column] == "uint8" else found
    if column.startswith("array_of_"):
        return [vector(column.removeprefix("array_of_"), row, element) for element in range(count)]
    assert column == "chunks", column
    chunks = []
    for element in range(count):
        chunk = {"text": f"{text(row)}/{element}", "page": row * 10 + element}
        chunks.append(chunk | {name: vector(name, row, element) for name in VECTORS})
    return chunks


def main():
    (path,) = pathlib.Path(sys.argv[1]).rglob("*.parquet")
    table = pq.read_table(path)
    table.validate(full=True)
    seen = {column.name: str(column.type) for column in table.schema}
    if seen != types():
        sys.exit(f"the columns are {seen}, not {types()}")
    for column in table.schema:
        if column.nullable != column.name.startswith("null_"):
            sys.exit(f"{column.name}: nullable is {column.nullable}")
    rows = table.to_pylist()
    if [row["id"] for row in rows] != [1, 2, 3, 4, 5]:
        sys.exit(f"the keys are {[row['id'] for row in rows]}")
    for row in rows:
        for name in types().keys() - {"id"}:
            # The text of floats tells 0.0 from -0.0.
            if repr(row[name]) != repr(value(name, row["id"])):
                sys.exit(f"row {row['id']}, {name}: {row[name]!r}, not {value(name, row['id'])!r}")
    print(f"{table.num_rows} rows of {table.num_columns} columns")


if __name__ == "__main__":
    main()
