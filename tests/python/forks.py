"""Runs programs of this folder, each in a fork of this process, which has imported what takes each of them a second.

Prints the path of a socket. Who connects sends one line of JSON, ["fill.py", ARGUMENT, ...], and gets one back when the
program has ended: {"code": 0, "stdout": "...", "stderr": "..."}. Ends when stdin closes.
"""

import json
import os
import pathlib
import runpy
import signal
import socket
import sys
import tempfile
import threading

import duckdb  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pymilvus  # noqa: F401

FOLDER = pathlib.Path(__file__).parent


def main():
    with tempfile.TemporaryDirectory(prefix="milvault-forks-") as folder:
        place = f"{folder}/socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(place)
        listener.listen(64)
        print(place, flush=True)
        # Nobody waits for those who serve: their clients hear from them.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        serving = os.fork()
        if serving == 0:
            # What is asked for ends with us.
            os.setpgid(0, 0)
            serve(listener)
        sys.stdin.read()
        os.killpg(serving, signal.SIGKILL)


def serve(listener):
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            answer(client)
        client.close()


def answer(client):
    """Runs a program in one more process, whose end this one sees."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    script, *arguments = json.loads(client.makefile().readline())
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        program = os.fork()
        if program == 0:
            client.close()
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            run(script, arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
        read = {"code": code}
        for name, file in [("stdout", out), ("stderr", err)]:
            file.seek(0)
            read[name] = file.read().decode(errors="replace")
    with client:
        client.sendall(json.dumps(read).encode() + b"\n")
    os._exit(0)


def run(script, arguments):
    sys.argv = [str(FOLDER / script), *arguments]
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as exit:
        if isinstance(exit.code, str):
            print(exit.code, file=sys.stderr)
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of gRPC would keep the process.
    os._exit(code)


if __name__ == "__main__":
    main()
