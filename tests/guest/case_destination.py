"""A destination whose disk breaks, which turns read-only, or which is taken away under a copy."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

from base import BACKUPS, DESTINATION_DISK, HOME, VG, expect, run
from case_backup import XFS_BY_GTID
from underway import FAILED_LEFT, HOG, Copying, breaks, lines_of, store_size


@contextmanager
def destination_on_a_volume():
    """Backups go to a filesystem whose disk can be broken."""
    point = HOME / "away"
    run("lvcreate", "-qq", "-y", "-Wy", "-n", HOG, "-L", "1g", VG)
    run("mkfs.ext4", "-q", f"/dev/{VG}/{HOG}")
    point.mkdir(exist_ok=True)
    run("mount", f"/dev/{VG}/{HOG}", point)
    (point / "backups").mkdir(mode=0o700)
    try:
        yield point
    finally:
        run("umount", "-l", point, check=False)
        run("udevadm", "settle", check=False)
        run("lvremove", "-qq", "-y", f"{VG}/{HOG}", check=False)


def destination_breaks(world):
    """The destination's disk gives errors: what is there of a backup cannot even be removed."""
    with destination_on_a_volume() as point:
        where = {"directory": str(point / "backups")}
        under_way = Copying(world.primary, snapshot=store_size(), destination=where)
        device = f"{VG}-{HOG}"
        was = breaks(device)
        under_way.go_on()
        done = under_way.ended(FAILED_LEFT, "left: partial copy", "hint:")
        tells_the_error(done)
        mend(device, was, point)
        under_way.recovered()
        rest = sorted(path.name for path in (point / "backups").iterdir())
        expect(not rest, f"left at the destination: {rest}")
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


def tells_the_error(done):
    """Over an error of its disk ext4 turns read-only, and from then on tells that (Linux 6.1), or
    still an error of the disk (6.12)."""
    told = "\n".join(lines_of(done))
    expect(re.search("Input/output error|Read-only file system", told), told)


def destination_turns_read_only(world):
    """As ext4 does over an error of its disk: nothing can be written, not even removed."""
    with destination_on_a_volume() as point:
        run("mount", "-o", "remount,errors=remount-ro", point)
        where = {"directory": str(point / "backups")}
        under_way = Copying(world.primary, destination=where)
        number = os.stat(point).st_dev
        node = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
        Path(f"/sys/fs/ext4/{node}/trigger_fs_error").write_text("by the lab")
        under_way.go_on()
        done = under_way.ended(FAILED_LEFT, "left: partial copy", "hint:")
        tells_the_error(done)
        run("umount", point)
        run("fsck.ext4", "-y", f"/dev/{VG}/{HOG}", check=False)
        run("mount", f"/dev/{VG}/{HOG}", point)
        under_way.recovered()
        rest = sorted(path.name for path in (point / "backups").iterdir())
        expect(not rest, f"left at the destination: {rest}")
    world.require_clean_slate()
    return {"exit": done.code}


def mend(device, table, point):
    run("umount", point)
    run("dmsetup", "load", device, "--table", table)
    run("dmsetup", "resume", device)
    run("fsck.ext4", "-y", f"/dev/mapper/{device}", check=False)
    run("mount", f"/dev/mapper/{device}", point)


def destination_is_unmounted(world):
    """Lazily, under a running copy: nothing may land on the filesystem below."""
    under_way = Copying(world.primary)
    run("umount", "-l", BACKUPS)
    try:
        under_way.run.before = set()
        under_way.before = set()
        under_way.go_on()
        done = under_way.ended(FAILED_LEFT, "is not what it was", "left: partial copy")
        below = sorted(path.name for path in BACKUPS.iterdir())
        expect(not below, f"written to the filesystem below: {below}")
    finally:
        run("mount", DESTINATION_DISK, BACKUPS)
    under_way.recovered()
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


CASES = [
    destination_breaks,
    destination_turns_read_only,
    destination_is_unmounted,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
