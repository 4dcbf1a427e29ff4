"""Calls methods of pymilvus's client: call.py ADDRESS DB METHOD ARGUMENTS [METHOD ARGUMENTS…].

ARGUMENTS are a JSON object. Prints the answers, one line of JSON each. DB may be "".
"""

import json
import sys

import numpy as np
from pymilvus import MilvusClient


def main():
    address, db, *calls = sys.argv[1:]
    client = MilvusClient(f"http://{address}", db_name=db, timeout=120)
    for method, arguments in zip(calls[::2], calls[1::2]):
        answer = getattr(client, method)(**json.loads(arguments))
        if isinstance(answer, list):
            answer = list(answer)
        print(json.dumps(answer, default=plain))


def plain(value):
    return value.item() if isinstance(value, np.generic) else repr(value)


if __name__ == "__main__":
    main()
