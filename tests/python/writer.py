"""Writes to a collection that fill.py has filled with `big`, until stdin closes: writer.py ADDRESS DB.

Every fourth row of the scenario is its own: it deletes these, brings them back by upserts, and inserts neighbours of
theirs; it never touches the others, nor deletes what is deleted already (docs/servers-seen.md). After each round it rests
for a tenth of a second. Prints `ready` after the first round, and at the end how many rounds there were.
"""

import select
import sys
import time

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
        # What goes in one pass over the rows comes back in the next.
        back, gone = (some[:200], some[200:400])[:: 1 if rounds * 500 // len(rows) % 2 == 0 else -1]
        client.upsert("big", back)
        client.delete("big", ids=[row["id"] for row in gone])
        client.insert("big", [{**row, "id": row["id"] ^ 1} for row in some[400:]])
        if rounds == 0:
            print("ready", flush=True)
        rounds += 1
        time.sleep(0.1)
    print(rounds, flush=True)


if __name__ == "__main__":
    main()
