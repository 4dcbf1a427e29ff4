"""milvus-lite 3.2.2 and 2.5.1 as servers."""

import os

import process
import venvs

# The 2.5.1 package is a thin Python shell over a C++ program. It ends by itself as soon as nobody holds the lock
# file any more, so the shell stays.
SERVE_2_5_1 = """
import sys, time
from milvus_lite.server import Server
server = Server(sys.argv[1], sys.argv[2])
assert server.init() and server.start()
while server._p.poll() is None:
    time.sleep(0.2)
sys.exit("milvus-lite ended")
"""


def start(version, folder, log):
    """Starts a server with its data in `folder`; gives the process and its port."""
    folder.mkdir(parents=True, exist_ok=True)
    home = venvs.environment(f"test-lite-{version}")
    (port,) = process.free_ports(1)
    if version == "3.2.2":
        command = [home / "bin/milvus-lite", "server", "--data-dir", folder / "data"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
    else:
        command = [venvs.python(home), "-c", SERVE_2_5_1, folder / "lite.db", f"127.0.0.1:{port}"]
    child = process.start(command, log, cwd=folder, env={**os.environ, "GLOG_log_dir": str(folder)})
    if process.wait_until(lambda: process.answers(port), child, 60):
        return child, port
    process.stop(child, 5)
    raise RuntimeError(f"milvus-lite {version} did not start:\n{process.tail(log)}")
