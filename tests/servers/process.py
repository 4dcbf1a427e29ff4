"""Free ports, and child processes that never outlive this one."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1


def free_ports(count):
    """`count` ports that nobody listens on, below the range from which clients get theirs."""
    ports = []
    for port in random.sample(range(20000, 32000), 12000):
        with socket.socket() as wild, socket.socket() as local:
            try:
                wild.bind(("0.0.0.0", port))
                wild.close()
                local.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise OSError("no free ports")


def start(command, log, **options):
    """Starts a process group of its own, whose words go to the file `log`."""

    def die_with_parent():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    with open(log, "ab") as words:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
            preexec_fn=die_with_parent,
            **options,
        )


def answers(port):
    """Whether something accepts connections on a local port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def wait_until(ready, child, seconds):
    """Waits for `ready()`; False when the child ends first or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.poll() is not None:
            return False
        if ready():
            return True
        time.sleep(0.1)
    return False


def stop(child, patience):
    """Ends a process group: TERM, and KILL after `patience` seconds."""
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10)):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            pass
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    return child.returncode


def tail(path, size=4000):
    """The end of a text file."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
