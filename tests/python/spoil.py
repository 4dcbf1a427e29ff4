"""Changes one bit of a collection that fill.py has filled: the sign of the first row's first vector element.
spoil.py ADDRESS SCENARIO [--collection NAME] [--db DB]. Prints the key of that row."""

import json

import cluster
import scenarios


def main():
    args = cluster.arguments(__doc__)
    client = cluster.connect(args)
    (name,) = args.scenarios
    scenario = cluster.scenario(args, client, name)
    partition, rows = next((partition, rows) for partition, rows in scenario.rows.items() if rows)
    row = dict(rows[0])
    row["vector"] = row["vector"].copy()
    row["vector"][0] = -row["vector"][0]
    where = {} if partition == scenarios.DEFAULT else {"partition_name": partition}
    client.upsert(cluster.collection(args, name), [row], **where)
    print(json.dumps(row[scenario.key]))


if __name__ == "__main__":
    main()
