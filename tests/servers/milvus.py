"""Milvus 2.2.16 and 2.3.5, all in one process, as the `milvus` package carries them.

Several run side by side: every port is chosen here, including those of the embedded etcd.
"""

import lzma
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request

import certificates
import process
import venvs

# Settings are given as environment variables, which override milvus.yaml. Milvus finds a key whatever its
# case and underscores: PROXY_PORT is proxy.port.
# The index coordinator is 2.2's alone.
ROLES = ["ROOTCOORD", "DATACOORD", "QUERYCOORD", "INDEXCOORD", "DATANODE", "QUERYNODE", "INDEXNODE"]

# How often loading and indexing look for what is next, in ms. By default each collection that is loaded waits for
# seconds, of which tests have hundreds.
PACE = 100
PACED = ["QUERYCOORD_CHECKINTERVAL", "QUERYCOORD_CHECKSEGMENTINTERVAL", "QUERYCOORD_CHECKCHANNELINTERVAL",
         "QUERYCOORD_DISTPULLINTERVAL", "INDEXCOORD_SCHEDULER_INTERVAL"]  # fmt: skip


def start(version, folder, log, auth=False, tls=None, storage=None):
    """Starts a server with its data in `folder`, where an earlier one may have left some; gives the process and its
    port. `tls` is 1 or 2 (mutual). `storage` is a bucket that is there, as `http://KEY:SECRET@HOST:PORT/BUCKET`; without
    one data is in files."""
    package = installed(version)
    binaries = unpacked(version, package)
    folder.mkdir(parents=True, exist_ok=True)
    made = certificates.make(folder) if tls else None
    # Two that start at once could pick the same ports.
    with venvs.Locked("milvus-start"):
        for _ in range(3):
            child, port = attempt(folder, log, package, binaries, auth, tls, made, storage)
            if child:
                return child, port
    raise RuntimeError(f"Milvus {version} did not start:\n{process.tail(log)}")


def attempt(folder, log, package, binaries, auth, tls, made, storage):
    proxy, internal, metrics, http, client, peer, *roles = process.free_ports(6 + len(ROLES))
    configs = folder / "configs"
    configs.mkdir(exist_ok=True)
    template = (package / "config.yaml.template").read_text()
    # What the template leaves open is set below; its defaults are never used.
    (configs / "milvus.yaml").write_text(re.sub(r"\{\{ *\w+(?:\(\w+\))?(?:: *(.*?))? *\}\}", r"\1", template))
    if (package / "glog.conf").exists():  # not in 2.2
        shutil.copy(package / "glog.conf", configs)
    etcd = configs / "etcd.yaml"
    etcd.write_text(
        f"name: default\n"
        f"data-dir: {folder}/data/etcd\n"
        f"listen-client-urls: http://127.0.0.1:{client}\n"
        f"advertise-client-urls: http://127.0.0.1:{client}\n"
        f"listen-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-cluster: default=http://127.0.0.1:{peer}\n"
    )
    (folder / "logs").mkdir(exist_ok=True)
    settings = {
        "DEPLOY_MODE": "STANDALONE",
        "METRICS_PORT": metrics,
        "MILVUS_RUN_DIR": folder / "run",
        "LD_LIBRARY_PATH": binaries,
        "MILVUSCONF": configs,
        "ETCD_CONFIG_PATH": etcd,
        "ETCD_DATA_DIR": folder / "data/etcd",
        "ETCD_ENDPOINTS": f"127.0.0.1:{client}",
        "ETCD_LOG_PATH": folder / "logs/etcd.log",
        "ETCD_LOG_LEVEL": "warn",
        "LOCALSTORAGE_PATH": folder / "data",
        "ROCKSMQ_PATH": folder / "data/rocksmq",
        "LOG_LEVEL": "warn",
        "LOG_FILE_ROOTPATH": "",
        "PROXY_PORT": proxy,
        "PROXY_INTERNALPORT": internal,
        "PROXY_IP": "127.0.0.1",
        "COMMON_SECURITY_AUTHORIZATIONENABLED": str(auth).lower(),
        # 64 by default; each test takes one or two of its own.
        "ROOTCOORD_MAXDATABASENUM": 1000,
        **dict.fromkeys(PACED, PACE),
    }
    for role, port in zip(ROLES, roles):
        settings[f"{role}_PORT"] = port
        settings[f"{role}_IP"] = "127.0.0.1"
    if storage:
        place = urllib.parse.urlsplit(storage)
        settings |= {
            "COMMON_STORAGETYPE": "remote",
            "MINIO_ADDRESS": place.hostname,
            "MINIO_PORT": place.port,
            "MINIO_ACCESSKEYID": place.username,
            "MINIO_SECRETACCESSKEY": place.password,
            "MINIO_USESSL": "false",
            "MINIO_BUCKETNAME": place.path.strip("/"),
            "MINIO_ROOTPATH": "milvus",
        }
    if tls:
        settings["COMMON_SECURITY_TLSMODE"] = tls
        settings["TLS_SERVERPEMPATH"] = made / "server.pem"
        settings["TLS_SERVERKEYPATH"] = made / "server.key"
        settings["TLS_CAPEMPATH"] = made / "ca.pem"
        # With TLS, gRPC does not share its port with the REST interface.
        settings["PROXY_HTTP_PORT"] = http
    env = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    child = process.start([binaries / "milvus", "run", "standalone"], log, cwd=folder, env=env)
    if process.wait_until(lambda: healthy(metrics) and process.answers(proxy), child, 180):
        return child, proxy
    process.stop(child, 5)
    return None, None


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return b"OK" in answer.read()
    except (urllib.error.URLError, OSError):
        return False


def installed(version):
    """The package's data folder."""
    (data,) = venvs.environment(f"test-milvus-{version}").glob("lib/python3*/site-packages/milvus/data")
    return data


def unpacked(version, package):
    """The binaries, unpacked once for all servers of a version (250 MB)."""
    folder = venvs.cache() / f"test-milvus-{version}" / "unpacked"
    with venvs.Locked("milvus-unpack"):
        if not (folder / ".complete").exists():
            folder.mkdir(exist_ok=True)
            for packed in (package / "bin").glob("*.lzma"):
                target = folder / packed.name.removesuffix(".lzma")
                with lzma.open(packed) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                target.chmod(0o755)
            (folder / ".complete").touch()
    return folder
