"""Copy throughput beside a plain `rsync -a` of the same tree: a figure, not a timed test."""

import os
import time

from base import BACKUPS, HOME, expect, run
from case_backup import XFS_BY_GTID
from oracle import manifest
from tool import config, run_tool

FILLER_MIB = 256
FILLER = HOME / "replica" / "filler"


def copy_throughput(world):
    fill()
    try:
        drop_caches()
        done = run_tool("backup", config(world.replica)).ended(0)
        backup = done.published()
        copy_ms = int(manifest(backup)["timings_ms"]["copy"])
        plain_ms = plain_rsync(HOME / "replica")
        size = int(run("du", "-sm", backup / "tree").split()[0])
        run("rm", "-rf", backup)
    finally:
        run("rm", "-rf", FILLER)
    world.require_clean_slate()
    return {
        "mib": size,
        "copy_ms": copy_ms,
        "plain_ms": plain_ms,
        "ratio": f"{plain_ms / max(copy_ms, 1):.2f}",
    }


def fill():
    """Incompressible, and not sparse."""
    FILLER.mkdir(exist_ok=True)
    for number in range(4):
        with (FILLER / f"{number}.bin").open("wb") as file:
            for _ in range(FILLER_MIB // 4):
                file.write(os.urandom(1 << 20))
    run("chown", "-R", "mysql:", FILLER)
    run("sync")


def drop_caches():
    run("sync")
    with open("/proc/sys/vm/drop_caches", "w") as switch:
        switch.write("3")


def plain_rsync(tree):
    """The live tree, from the same volume to the same disk, its pages dropped first as well."""
    target = BACKUPS / ".plain"
    drop_caches()
    began = time.monotonic()
    run("rsync", "-a", f"{tree}/", target)
    took = (time.monotonic() - began) * 1000
    expect(target.exists(), "rsync copied nothing")
    run("rm", "-rf", target)
    return round(took)


copy_throughput.kind = XFS_BY_GTID
CASES = [copy_throughput]
