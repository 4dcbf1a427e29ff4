"""Whether an archive has every row that writer.py never touches, as it was made: untouched.py ARCHIVE.

Prints how many rows there are in all; exits with 1 where one is missing or different.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow.parquet as pq

import scenarios


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = scenarios.big("milvus-2.3.5").rows[scenarios.DEFAULT]
    expected = {row["id"]: row for at, row in enumerate(rows) if at % 4 != 3}
    total = 0
    for path in sorted(folder.rglob("*.parquet")):
        table = pq.read_table(path)
        vectors = np.asarray(table["vector"].combine_chunks().values).reshape(table.num_rows, -1)
        for key, text, vector in zip(table["id"].to_pylist(), table["text"].to_pylist(), vectors):
            total += 1
            if row := expected.pop(key, None):
                if text != row["text"] or vector.tobytes() != row["vector"].tobytes():
                    sys.exit(f"row {key} is not as it was made: {text!r}")
    if expected:
        sys.exit(f"{len(expected)} rows that were never touched are missing, such as {min(expected)}")
    print(json.dumps({"rows": total}))


if __name__ == "__main__":
    main()
