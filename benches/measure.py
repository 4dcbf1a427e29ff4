"""Runs a command and says what it cost.

    measure.py COMMAND [ARGUMENT ...]

Prints JSON: seconds (wall), cpu_seconds (user and system), peak_rss (bytes), output (what it printed).
"""

import json
import os
import subprocess
import sys
import time


def main():
    start = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    # wait4 has reaped it.
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(sys.argv[1:])} ended with {child.returncode}:\n{output}")
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "peak_rss": usage.ru_maxrss * 1024,
                "output": output,
            }
        )
    )


if __name__ == "__main__":
    main()
