"""Azurite as Azure Blob Storage, with one container."""

import base64
import email.utils
import hashlib
import hmac
import urllib.request

import process
import venvs

# These are the same everywhere.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "backups"


def start(version, folder, log):
    """Starts a server with its data in `folder`; gives the process and its port."""
    home = venvs.environment(f"test-azurite-{version}")
    (port,) = process.free_ports(1)
    main = home / "node_modules/azurite/dist/src/blob/main.js"
    command = [venvs.node(home), main, "--location", folder / "data", "--blobPort", str(port)]
    # The SDK speaks a newer version of the protocol than it knows.
    command += ["--skipApiVersionCheck", "--disableTelemetry"]
    child = process.start(command, log, cwd=folder)
    if process.wait_until(lambda: process.answers(port), child, 60):
        make_container(port)
        return child, port
    process.stop(child, 5)
    raise RuntimeError(f"Azurite {version} did not start:\n{process.tail(log)}")


def make_container(port):
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    signed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    resource = f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    words = "PUT\n" + "\n" * 11 + signed + resource
    signature = hmac.new(base64.b64decode(KEY), words.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
    url = f"http://127.0.0.1:{port}/{ACCOUNT}/{CONTAINER}?restype=container"
    # No body, and so no type of one.
    request = urllib.request.Request(url, method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=10).close()
