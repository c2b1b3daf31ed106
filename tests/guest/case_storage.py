"""A snapshot that cannot be read, is held or is stood in, a mount point that is taken, and a udev
that does not answer. The server goes on, no false backup appears, and what could not be undone is
told and cleaned up later.

All of it is real: what breaks are device-mapper's own targets, put under a device that was sound.
"""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from base import expect, run, until
from case_backup import XFS_BY_GTID
from case_hang import Interference
from load import Load
from oracle import manifest
from tool import Run, config, published, run_tool
from underway import (
    DONE,
    FAILED_LEFT,
    GOES_ON_MS_MAX,
    PUBLISHED_LEFT,
    ROLLED_BACK,
    SEEN_S_MAX,
    Copying,
    breaks,
    snapshot,
    store_size,
)

UDEV_ENDS_S_MAX = 200
RUN_DIR = Path("/run/holdstill")


def snapshot_is_unreadable(world):
    """What is copied cannot be read any more."""
    under_way = Copying(world.primary, snapshot=store_size())
    breaks(snapshot())
    under_way.go_on()
    done = under_way.ended(ROLLED_BACK, "hint:")
    world.require_clean_slate()
    return {"exit": done.code, "told": f"'{done.err[0][:160]}'"}


def snapshot_is_held(world):
    """Something else uses the snapshot, so that lvm does not remove it."""
    under_way = Copying(world.primary)
    holder = os.open(f"/dev/mapper/{snapshot()}", os.O_RDONLY)
    try:
        under_way.go_on()
        done = under_way.ended(PUBLISHED_LEFT, "left: snapshot", "holdstill recover")
    finally:
        os.close(holder)
    under_way.recovered()
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


def mount_is_busy(world):
    """A process stands in the mounted snapshot, in our own mount namespace."""
    under_way = Copying(world.primary)
    point = next(RUN_DIR.iterdir())
    entered = ["nsenter", f"--target={under_way.run.process.pid}", "--mount", f"--wdns={point}"]
    guest = subprocess.Popen([*entered, "sleep", "600"], stdin=subprocess.DEVNULL)
    try:
        stands = Path(f"/proc/{guest.pid}/cwd")
        until(SEEN_S_MAX, lambda: os.readlink(stands) == str(point), "it to stand there")
        under_way.go_on()
        done = under_way.ended(PUBLISHED_LEFT, "left: mount", "left: snapshot")
    finally:
        guest.kill()
        guest.wait()
    under_way.recovered()
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


def mount_point_is_taken(world):
    """Somebody mounts over our mount point before we do: theirs stays, ours is copied."""
    points = []

    def taken(of):
        found = re.search(r"run (\S+),", " ".join(of.out))
        point = RUN_DIR / found[1] if found else None
        if point is None or not point.is_dir():
            return None
        run("mount", "-t", "tmpfs", "tmpfs", point)
        (point / "theirs").touch()
        points.append(point)
        return point

    started = Run("backup", config(world.primary))
    theft = Interference(lambda: any(line.startswith("hold still") for line in started.out),
                         lambda: taken(started))
    done = started.wait().ended(DONE)
    point = theft.result()
    try:
        expect((point / "theirs").exists(), "what is not ours was unmounted")
        record = manifest(done.published())
        expect(record["copied"]["files"] > 100, f"copied: {record['copied']}")
    finally:
        run("umount", point)
        point.rmdir()
    world.require_clean_slate()
    return {"exit": done.code, "files": record["copied"]["files"]}


def udev_stands_still(world):
    """lvm waits for udev, which does not answer: told in time, and settled when it does."""
    udev = int(run("pgrep", "-x", "systemd-udevd").split()[0])
    before = published()
    with Load(world.primary) as load:
        load.calm_down()
        moment = time.monotonic()
        os.kill(udev, signal.SIGSTOP)
        try:
            path = config(world.primary)
            failed = Run("backup", path).wait(UDEV_ENDS_S_MAX)
        finally:
            os.kill(udev, signal.SIGCONT)
        worst = load.worst_ms(moment)
    expect(failed.code in (ROLLED_BACK, FAILED_LEFT), f"exit {failed.code}: {failed.words()}")
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    until(SEEN_S_MAX, lambda: not run("pgrep", "-x", "lvcreate|lvm", check=False), "lvm to end")
    expect(published() == before, "a failed run changed what is published")
    run_tool("recover", path).ended(0)
    world.require_clean_slate()
    told = failed.err[0][:160] if failed.err else ""
    return {"exit": failed.code, "worst_commit_ms": round(worst), "told": f"'{told}'"}


CASES = [
    snapshot_is_unreadable,
    snapshot_is_held,
    mount_is_busy,
    mount_point_is_taken,
    udev_stands_still,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
