"""Serves one milvus-lite database on 127.0.0.1 until stdin closes or SIGTERM comes.

Should stdin close while the server is starting, it ends at once where the database is untouched, and else as soon as
it can be closed.

Arguments: `folder` (milvus-lite 3) or `file` (milvus-lite 2.5), and the database's path. One line of JSON
goes to stdout: {"port": N}, or {"error": TEXT, "locked": BOOL}. All else goes to stderr.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

# How long a server that is just ending may hold the database.
LOCK_PATIENCE = 5.0


class Locked(Exception):
    """Another process holds the database."""


class Ending:
    """Whether we are to end: set once stdin closes."""

    def __init__(self):
        self.event = threading.Event()
        self.gate = threading.Lock()
        self.touched = False

    def watch_stdin(self):
        while os.read(0, 4096):
            pass
        with self.gate:
            self.event.set()
            if not self.touched:
                os._exit(0)

    def touch(self):
        """Says that the database is about to be opened, or made."""
        with self.gate:
            self.touched = True


def serve_folder(path, ending):
    """Starts milvus-lite 3 in this process; gives its port, what tells that it died, and what stops it."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.exceptions import DataDirLockedError

    ending.touch()
    try:
        server, database, port = start_server_in_thread(path, "127.0.0.1", 0)
    except DataDirLockedError as reason:
        raise Locked(str(reason)) from reason

    def stop():
        server.stop(grace=5).wait()
        database.close()

    return port, lambda: False, stop


def serve_file(path, ending):
    """Starts the C++ server of milvus-lite 2.5, which ends by itself once nobody holds its lock file."""
    import milvus_lite

    ending.touch()
    programs = os.path.join(os.path.dirname(milvus_lite.__file__), "lib")
    # The name that pymilvus uses, so that the two keep off each other.
    lock_path = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.lock")
    lock = open(lock_path, "a")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as reason:
        raise Locked(f"{lock_path} is held") from reason
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Its own logs would pile up in /tmp.
    logs = tempfile.TemporaryDirectory(prefix="milvus-lite-")
    child = subprocess.Popen(
        [os.path.join(programs, "milvus"), path, f"127.0.0.1:{port}", "ERROR", lock_path],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env={**os.environ, "LD_LIBRARY_PATH": programs, "GLOG_log_dir": logs.name},
    )

    def died():
        return child.poll() is not None

    def stop():
        lock.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        logs.cleanup()
        try:
            os.unlink(lock_path)
        except FileNotFoundError:
            pass

    while not died():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return port, died, stop
        except OSError:
            time.sleep(0.02)
    stop()
    raise RuntimeError(f"the server ended with {child.returncode}")


def patiently(serve, path, ending):
    """Starts the server, waiting a little for one that is just ending."""
    end = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return serve(path, ending)
        except Locked:
            if time.monotonic() > end or ending.event.wait(0.1):
                raise


def main():
    kind, path = sys.argv[1:]
    # stdout is for the one line; whatever libraries print goes to the log.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    ending = Ending()
    threading.Thread(target=ending.watch_stdin, daemon=True).start()
    try:
        port, died, stop = patiently({"folder": serve_folder, "file": serve_file}[kind], path, ending)
    except Exception as reason:
        print(json.dumps({"error": str(reason), "locked": isinstance(reason, Locked)}), file=answer, flush=True)
        raise
    signal.signal(signal.SIGTERM, lambda *_: ending.event.set())
    try:
        print(json.dumps({"port": port}), file=answer, flush=True)
        answer.close()
    except BrokenPipeError:
        ending.event.set()
    while not ending.event.wait(0.2):
        if died():
            sys.exit("the server ended by itself")
    # Should stopping hang, this process still ends.
    threading.Timer(20, os._exit, (1,)).start()
    stop()
    sys.stderr.flush()
    os._exit(0)


main()
