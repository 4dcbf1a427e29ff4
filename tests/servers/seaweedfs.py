"""SeaweedFS 4.48 as an S3 service."""

import json
import os
import urllib.error
import urllib.request

import certificates
import process
import venvs

# Whoever has these may do everything; the second pair may only read.
ADMIN = ("milvaultadmin", "milvault-admin-secret-7f3a")
READER = ("milvaultreader", "milvault-reader-secret-91bc")


def start(version, folder, log):
    """Starts a server with its data in `folder`; gives the process, and the ports of S3 and of S3 over TLS."""
    home = venvs.environment(f"test-seaweedfs-{version}")
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    identity = lambda name, keys, actions: {  # noqa: E731
        "name": name,
        "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}],
        "actions": actions,
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [
        identity("admin", ADMIN, ["Admin", "Read", "List", "Tagging", "Write"]),
        identity("reader", READER, ["Read", "List"]),
    ]}))  # fmt: skip
    made = certificates.make(folder)
    for _ in range(3):
        child, port, secure = attempt(home / "bin/weed", folder, log, config, made)
        if child:
            return child, port, secure
    raise RuntimeError(f"SeaweedFS {version} did not start:\n{process.tail(log)}")


def attempt(weed, folder, log, config, made):
    names = ["master", "volume", "filer", "s3"]
    ports = process.free_ports(2 * len(names) + 1)
    secure = ports.pop()
    # Left alone, gRPC ports are the others plus 10,000, and sockets lie in /tmp.
    command = [weed, "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-s3", "-filer", f"-s3.config={config}"]
    for name, port, grpc in zip(names, ports[::2], ports[1::2]):
        command += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
    command += [f"-{name}.localSocket={folder / name}.sock" for name in ("filer", "s3")]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    # Each bucket takes volumes of its own, and a test may fill a few.
    command += ["-volume.max=1000", "-master.volumeSizeLimitMB=1024", "-volume.minFreeSpace=1"]
    command += ["-volume.preStopSeconds=0"]
    command += [f"-s3.port.https={secure}", f"-s3.cert.file={made / 'server.pem'}"]
    command += [f"-s3.key.file={made / 'server.key'}"]
    port = ports[2 * names.index("s3")]
    # The key that it encrypts with where SSE-S3 is asked for.
    env = {**os.environ, "HOME": str(folder), "WEED_S3_SSE_KEK": "5e" * 32}
    child = process.start(command, log, cwd=folder, env=env)
    if process.wait_until(lambda: healthy(port) and process.answers(secure), child, 60):
        return child, port, secure
    process.stop(child, 5)
    return None, None, None


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False
    except (urllib.error.URLError, OSError):
        return False
