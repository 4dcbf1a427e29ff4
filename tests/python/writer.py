"""Writes to a collection that fill.py has filled with `big`, until stdin closes: writer.py ADDRESS DB.

Every fourth row of the scenario is its own: it upserts and deletes these, and inserts neighbours of theirs; it never
touches the others. Prints `ready` after the first round, and at the end how many rounds there were.
"""

import select
import sys

from pymilvus import MilvusClient

import scenarios


def main():
    address, db = sys.argv[1:]
    client = MilvusClient(f"http://{address}", db_name=db, timeout=60)
    rows = [row for at, row in enumerate(scenarios.big("milvus-2.3.5").rows[scenarios.DEFAULT]) if at % 4 == 3]
    rounds = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        at = rounds * 500 % len(rows)
        some = [{**row, "text": f"round {rounds}"} for row in rows[at : at + 500]]
        client.upsert("big", some[:200])
        client.delete("big", ids=[row["id"] for row in some[200:400]])
        client.insert("big", [{**row, "id": row["id"] ^ 1} for row in some[400:]])
        if rounds == 0:
            print("ready", flush=True)
        rounds += 1
    print(rounds, flush=True)


if __name__ == "__main__":
    main()
