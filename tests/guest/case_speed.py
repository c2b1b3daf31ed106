"""Copy throughput beside a plain `rsync -a` of the same tree: a figure, not a timed test.

Both copy from a snapshot of the same volume to the same disk, in turn, with cold pages, and the
disk has been written to before, so that neither pays for its first allocation.
"""

import os
import statistics
import time

import storage
from base import BACKUPS, HOME, expect, fresh_directory, run
from case_backup import XFS_BY_GTID
from oracle import manifest
from tool import config, run_tool

PAIRS = 3
FILLER_MIB = 256
FILLER = HOME / "replica" / "filler"
MOUNT = HOME / "plain-snapshot"


def copy_throughput(world):
    fill()
    try:
        plain_rsync()  # the disk's first allocation is nobody's
        pairs = [(our_copy(world), plain_rsync()) for _ in range(PAIRS)]
    finally:
        run("rm", "-rf", FILLER)
    world.require_clean_slate()
    ours, phase, proven, plain = (
        statistics.median(side) for side in zip(*((*ours, plain) for ours, plain in pairs))
    )
    return {
        "pairs": PAIRS,
        "copy_ms": round(ours),
        "phase_ms": round(phase),
        "proven_ms": round(proven),
        "plain_ms": round(plain),
        "ratio": f"{plain / ours:.2f}",
        "proven_to_plain": f"{proven / plain:.2f}",
    }


def fill():
    """Incompressible, and not sparse."""
    FILLER.mkdir(exist_ok=True)
    for number in range(4):
        with (FILLER / f"{number}.bin").open("wb") as file:
            for _ in range(FILLER_MIB // 4):
                file.write(os.urandom(1 << 20))
    run("chown", "-R", "mysql:", FILLER)


def drop_caches():
    run("sync")
    with open("/proc/sys/vm/drop_caches", "w") as switch:
        switch.write("3")


def our_copy(world):
    """The milliseconds of the copy itself, of its phase with everything that it checks, and of all
    from its beginning until every file is read back and in the manifest."""
    drop_caches()
    done = run_tool("backup", config(world.replica)).ended(0)
    backup = done.published()
    copy = next(int(line.split()[0]) for line in done.out if " ms  rsync " in line)
    took = manifest(backup)["timings_ms"]
    phase = int(took["copy"])
    proven = phase + int(took["remove_the_snapshot"]) + int(took["read_back"])
    run("rm", "-rf", backup)
    return copy, phase, proven


def plain_rsync():
    """The milliseconds of `rsync -a` from a snapshot like ours."""
    target = BACKUPS / ".plain"
    volume, origin = f"{storage.VG}/plain", f"{storage.VG}/replica"
    run("lvcreate", "--yes", "--snapshot", "--name", "plain", "--size", "512M", origin)
    try:
        run("mount", "-o", "ro,nouuid", f"/dev/{volume}", fresh_directory(MOUNT))
        drop_caches()
        began = time.monotonic()
        run("rsync", "-a", f"{MOUNT}/", target)
        took = (time.monotonic() - began) * 1000
    finally:
        run("umount", MOUNT)
        run("lvremove", "--yes", volume)
    expect((target / "ibdata1").exists(), "rsync copied nothing")
    run("rm", "-rf", target)
    return took


copy_throughput.kind = XFS_BY_GTID
CASES = [copy_throughput]
