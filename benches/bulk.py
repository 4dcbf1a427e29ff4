"""The server's own bulk import, by a bare script: bulk.py ADDRESS COLLECTION FROM TO.

Puts every Parquet file of the folder FROM into the folder TO, which Milvus reads, hands each over as a job, and waits
until all have ended. Prints the seconds of either.
"""

import json
import pathlib
import shutil
import sys
import time

import grpc
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

FAILED, COMPLETED, CLEANED = 1, 6, 7


def main():
    address, collection, source, target = sys.argv[1:]
    stub = milvus_pb2_grpc.MilvusServiceStub(grpc.insecure_channel(address))
    files = sorted(pathlib.Path(source).glob("*.parquet"))
    # The connection is made here, not while the time counts.
    stub.GetVersion(milvus_pb2.GetVersionRequest())

    start = time.monotonic()
    put = [shutil.copyfile(file, pathlib.Path(target) / file.name) for file in files]
    uploaded = time.monotonic()
    waiting = {job(stub, collection, file) for file in put}
    while waiting:
        waiting = {task for task in waiting if not ended(stub, task)}
        time.sleep(0.05)
    end = time.monotonic()
    for file in put:
        file.unlink()
    print(json.dumps({"files": len(files), "upload": uploaded - start, "import": end - uploaded}))


def job(stub, collection, file):
    answer = stub.Import(milvus_pb2.ImportRequest(collection_name=collection, files=[str(file)]))
    if answer.status.code or answer.status.error_code:
        raise SystemExit(answer.status.reason)
    return answer.tasks[0]


def ended(stub, task):
    answer = stub.GetImportState(milvus_pb2.GetImportStateRequest(task=task))
    if answer.state in (FAILED, CLEANED):
        raise SystemExit(str(answer.infos))
    return answer.state == COMPLETED


if __name__ == "__main__":
    main()
