#!/usr/bin/env python3
"""Starts a real server for tests, and stops it when stdin closes.

    serve.py milvus-2.2.16|milvus-2.3.5|lite-3.2.2|lite-2.5.1 [--dir DIR] [--auth] [--tls 1|2] [--storage URL]
    serve.py seaweedfs-4.48|azurite-3.37.0|fakegcs-0.1.1 [--dir DIR]
    serve.py python
    serve.py age

Once the server answers, one line of JSON goes to stdout: address, pid, log, and certificates where there are some;
and of a server that talks with and without TLS secure, its address with it. With --auth the only user is root:Milvus.
With --tls the server's certificate is for localhost and 127.0.0.1; 2 wants one of the client, too. Who may use
SeaweedFS is said in seaweedfs.py; azurite.py and fakegcs.py name the one container that there is. With --storage
Milvus keeps its data in a bucket that is there, http://KEY:SECRET@HOST:PORT/BUCKET. A server's data is in DIR, which
is removed at the end if it was made here.

`python` prints the path of a Python that has pymilvus, pyarrow and duckdb; `age` prints that of a node, and of the folder
with the package age-encryption.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import azurite
import fakegcs
import lite
import milvus
import process
import seaweedfs
import venvs

SERVERS = ["milvus-2.2.16", "milvus-2.3.5", "lite-3.2.2", "lite-2.5.1"]
SERVERS += ["seaweedfs-4.48", "azurite-3.37.0", "fakegcs-0.1.1", "python", "age"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--dir", type=pathlib.Path)
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--tls", type=int, choices=[1, 2])
    parser.add_argument("--storage")
    args = parser.parse_args()
    if args.server == "python":
        print(venvs.python(venvs.environment("test-pymilvus")))
        return
    if args.server == "age":
        home = venvs.environment("test-age-0.3.1")
        print(venvs.node(home), home, sep="\n")
        return
    product, version = args.server.split("-")
    if product != "milvus" and (args.auth or args.tls or args.storage):
        parser.error("--auth, --tls and --storage are for Milvus")

    made = args.dir is None or not args.dir.exists()
    folder = (args.dir or pathlib.Path(tempfile.mkdtemp(prefix="milvault-server-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    # SystemExit, so that the server is stopped below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    child = secure = None
    try:
        if product == "milvus":
            child, port = milvus.start(version, folder, log, args.auth, args.tls, args.storage)
        elif product == "seaweedfs":
            child, port, secure = seaweedfs.start(version, folder, log)
        elif product == "azurite":
            child, port = azurite.start(version, folder, log)
        elif product == "fakegcs":
            child, port = fakegcs.start(version, folder, log)
        else:
            child, port = lite.start(version, folder, log)
        ready = {"address": f"127.0.0.1:{port}", "pid": child.pid, "log": str(log)}
        if secure:
            ready["secure"] = f"127.0.0.1:{secure}"
        if args.tls or secure:
            ready["certificates"] = str(folder / "certificates")
        print(json.dumps(ready), flush=True)
        # Whatever ends the test process also closes this pipe.
        while os.read(0, 4096):
            pass
    finally:
        if child:
            process.stop(child, 10)
            # Milvus leaves this behind, wherever its data is.
            pathlib.Path(f"/tmp/milvus/server_id_{child.pid}").unlink(missing_ok=True)
        if made:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
