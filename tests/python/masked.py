"""Checks through pymilvus that a masked copy holds what it should, and nothing else:
masked.py SOURCE-ADDRESS DB COLLECTION ADDRESS DB COLLECTION SECRET MASK…

Each MASK is as milvault takes it. The hashes are computed here anew, from what formats and help say of them. Prints
how many rows there are, or the first that is not as it should be and exits with 1.
"""

import hashlib
import hmac
import json
import sys

import numpy as np
from pymilvus import MilvusClient

import truth


def main():
    source, target, secret, masks = sys.argv[1:4], sys.argv[4:7], sys.argv[7].encode(), sys.argv[8:]
    kinds, key, before = read(*source)
    _, _, after = read(*target)
    masks = dict(mask.split("=", 1) for mask in masks)
    after = {row[key]: row for row in after}
    noises = {}
    for row in before:
        at = masked(secret, row[key], kinds[key], masks[key]) if key in masks else row[key]
        if at not in after:
            fail(f"{key}={row[key]!r} should be there as {at!r}")
        check(secret, kinds, masks, row, after.pop(at), noises)
    if after:
        fail(f"rows too many, such as {min(after)!r}")
    for name, (sigma, noise) in noises.items():
        # Of a hundred numbers the standard deviation is known within 7 percent, the mean within a tenth of it.
        if len(noise) < 90 or not 0.7 < np.std(noise) / sigma < 1.3 or abs(np.mean(noise)) > 0.4 * sigma:
            fail(f"{name}: {len(noise)} numbers with a deviation of {np.std(noise)} around {np.mean(noise)}")
    print(len(before))


def fail(words):
    print(words)
    sys.exit(1)


def read(address, db, name):
    client = MilvusClient(f"http://{address}", db_name=db, timeout=120)
    client.load_collection(name)
    described = client.describe_collection(name)
    kinds = {field["name"]: field["type"].name for field in described["fields"]}
    key = next(field["name"] for field in described["fields"] if field.get("is_primary"))
    fields = ["*"] if described["enable_dynamic_field"] else list(kinds)
    rows = client.query(name, filter="", limit=16384, output_fields=fields, consistency_level="Strong")
    return kinds, key, [dict(row) for row in rows]


def check(secret, kinds, masks, before, after, noises):
    dynamic = {name.removeprefix("$meta."): how for name, how in masks.items() if name.startswith("$meta.")}
    for name in before.keys() | after.keys():
        kind = kinds.get(name)
        how = masks.get(name) if kind else masks.get("$meta") or dynamic.get(name)
        was, now = before.get(name), after.get(name)
        if how is None:
            same = truth.canonical(was, kind, options(kind)) == truth.canonical(now, kind, options(kind))
            if kind is None:
                same = truth.exact(was) == truth.exact(now)
            if not same:
                fail(f"{name}: {now!r} instead of {was!r}, and is not masked")
        elif how.startswith("noise:"):
            add_noise(name, float(how.removeprefix("noise:")), was, now, noises)
        elif kind is None and name not in before:
            fail(f"{name}: {now!r}, where there was nothing")
        elif kind is None and how == "null":
            if name in after:
                fail(f"{name}: {now!r} instead of nothing")
        elif (want := masked(secret, was, kind, how)) != now or type(want) is not type(now):
            fail(f"{name}: {now!r} instead of {want!r}, which {was!r} becomes by {how}")


def options(kind):
    # The bits of an array's numbers are in truth.py's own tests; here they are compared as they come.
    return {"element_type": "ANY"} if kind == "ARRAY" else {}


def masked(secret, value, kind, how):
    if how == "null":
        return None
    if how.startswith("constant:"):
        text = how.removeprefix("constant:")
        return text if kind in ("VARCHAR",) else json.loads(text)
    if value is None:
        return None
    ends = {"INT8": 2**7 - 1, "INT16": 2**15 - 1, "INT32": 2**31 - 1, "INT64": 2**63 - 1, None: 2**63 - 1}
    if isinstance(value, int) and not isinstance(value, bool):
        digest = hmac.new(secret, b"number\0" + value.to_bytes(8, "little", signed=True), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "little") % ends[kind]
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return hmac.new(secret, b"text\0" + text.encode(), hashlib.sha256).hexdigest()[:32]


def add_noise(name, sigma, was, now, noises):
    was, now = np.atleast_1d(np.asarray(was, float)), np.atleast_1d(np.asarray(now, float))
    if was.shape != now.shape:
        fail(f"{name}: {len(now)} numbers instead of {len(was)}")
    # Where numbers are so large that their neighbours are far apart, noise is lost in them.
    small = np.abs(was) < 1000
    if small.any() and (was[small] == now[small]).mean() > 0.01:
        fail(f"{name}: {now} is as it was")
    noises.setdefault(name, (sigma, []))[1].extend((now - was)[small])


if __name__ == "__main__":
    main()
