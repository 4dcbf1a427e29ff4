"""Runs programs of this folder, each in a fork of this process, which has imported what takes each of them a second.

Prints the path of a socket. Who connects sends one line of JSON, ["fill.py", ARGUMENT, ...], and gets one back when the
program has ended: {"code": 0, "stdout": "...", "stderr": "..."}. Ends with all programs when stdin closes.
"""

import json
import os
import pathlib
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile

import duckdb  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pymilvus  # noqa: F401

FOLDER = pathlib.Path(__file__).parent


def main():
    # What is asked for ends with us, and a signal to those who asked is none to us: they close stdin.
    os.setpgid(0, 0)
    # Nobody waits for those who answer: their clients hear from them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix="milvault-forks-")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/socket")
    listener.listen(64)
    print(f"{folder}/socket", flush=True)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready and not os.read(0, 1):
            break
        if listener in ready:
            client, _ = listener.accept()
            if os.fork() == 0:
                try:
                    listener.close()
                    answer(client)
                finally:
                    os._exit(0)
            client.close()
    shutil.rmtree(folder)
    os.killpg(0, signal.SIGKILL)


def answer(client):
    """Runs a program in one more process, whose end this one sees."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    script, *arguments = json.loads(client.makefile().readline())
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull) as nothing:
        program = os.fork()
        if program == 0:
            client.close()
            for number, file in enumerate([nothing, out, err]):
                os.dup2(file.fileno(), number)
            run(script, arguments)
        read = {"code": os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])}
        for name, file in [("stdout", out), ("stderr", err)]:
            file.seek(0)
            read[name] = file.read().decode(errors="replace")
    with client:
        client.sendall(json.dumps(read).encode() + b"\n")


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
