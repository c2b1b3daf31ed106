"""What every part of the lab's guest needs: paths, commands, waiting, and how a case fails.

No server and no volume is known here.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

PAYLOAD = Path(os.environ.get("LAB_PAYLOAD", "/lab/payload"))
REPORT = Path(os.environ.get("LAB_REPORT", "/lab/report"))
PV = os.environ.get("LAB_PV", "/dev/disk/by-id/virtio-pv")
DESTINATION_DISK = os.environ.get("LAB_DEST", "/dev/disk/by-id/virtio-dest")

HOME = Path("/lab")  # mount points, server configurations, restored data
BACKUPS = Path("/backup")  # on its own disk
SOCKETS = Path("/run/mysqld")
STATE = Path("/var/lib/holdstill")  # the ledger's place
VG = "lab"
SETTINGS = {}  # words like runs=7 beside the names of the cases; few cases have any

COMMAND_S_MAX = 120


class Failed(Exception):
    """The case has failed: what was seen is not what must be seen."""


class NotRun(Exception):
    """The case cannot run here, and its reason is one the caller accepts."""


def expect(condition, reason):
    if not condition:
        raise Failed(reason)


def run(*argv, check=True, timeout=COMMAND_S_MAX, **more):
    """A command to its end; its output is returned, or becomes the failure's reason."""
    argv = [str(word) for word in argv]
    done = subprocess.run(
        argv,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        **more,
    )
    if check and done.returncode != 0:
        raise Failed(
            f"'{' '.join(argv)}' ended with {done.returncode}: {done.stdout.strip()[-400:]}"
        )
    return done.stdout


def until(seconds, question, what):
    """Asks until the answer is true and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)


def fresh_directory(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
