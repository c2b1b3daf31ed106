"""Storage that fills, breaks, stands still or is held while a run needs it. The server goes on, no
false backup appears, and what could not be undone is told and cleaned up later.

All of it is real: what breaks are device-mapper's own targets, put under a device that was sound.
"""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import storage
import tool
from base import BACKUPS, DESTINATION_DISK, HOME, VG, Failed, expect, run, until
from bench_ways import PRIMARY_DEVICE
from case_backup import XFS_BY_GTID
from case_hang import Interference
from case_thin import copying
from devmapper import Device
from load import Load
from oracle import manifest
from tool import Run, child, config, published, run_tool

DONE, ROLLED_BACK, PUBLISHED_LEFT, FAILED_LEFT = 0, 4, 5, 6
SEEN_S_MAX = 60
GOES_ON_MS_MAX = 3_000  # a commit may meet the window, or a moment's suspend for an extension
STORE_MIB = 64
HOG = "hog"
SLOW_MS = 20
SOUND_S, BROKEN_S = 2, 600
LATE_TRIES_MAX = 5
UDEV_ENDS_S_MAX = 200
RUN_DIR = Path("/run/holdstill")


class Copying:
    """A run whose copy stands still, so that something can happen to it meanwhile."""

    def __init__(self, server, **sections):
        self.server, self.before, self.hogs = server, published(), 0
        self.path = config(server, **sections)
        self.run = Run("backup", self.path)
        self.rsync = until(SEEN_S_MAX, lambda: copying(self.run), "rsync to begin")
        os.killpg(self.rsync, signal.SIGSTOP)

    def fill(self, mib):
        """The origin is written to, so that its old blocks go to the COW store."""
        # Each stays until the end: the next one would only take over its blocks.
        hog = Path(self.server.datadir) / f"{HOG}.{self.hogs}"
        self.hogs += 1
        run("dd", "if=/dev/urandom", f"of={hog}", "bs=1M", f"count={mib}", "oflag=direct")
        run("sync", "--file-system", hog)

    def go_on(self):
        os.killpg(self.rsync, signal.SIGCONT)

    def ended(self, code, *words):
        """Its exit code and what it has to say; nothing of it is published unless it is so."""
        self.run.wait().ended(code)
        for hog in Path(self.server.datadir).glob(f"{HOG}.*"):
            hog.unlink()
        told = "\n".join(lines_of(self.run))
        missing = [word for word in words if word not in told]
        expect(not missing, f"does not say {missing}: {told}")
        if code not in (DONE, PUBLISHED_LEFT):
            expect(published() == self.before, "a failed run changed what is published")
        return self.run

    def recovered(self):
        """What is left is told by name, and goes when nothing stands in its way any more."""
        expect(tool.ledgers(), "the ledger is not kept")
        return run_tool("recover", self.path).ended(0)


def lines_of(of):
    return list(of.out) + list(of.err)


def snapshot():
    """The device of our snapshot."""
    ours = {name for name in storage.nodes() if name.startswith(f"{VG}-holdstill")}
    plain = [name for name in ours if not name.endswith("-cow")]
    expect(len(plain) == 1, f"our snapshots: {sorted(ours)}")
    return plain[0]


def store_size(size=STORE_MIB, most=None, **more):
    return {"size": f"{size}MiB", "cow_extend_max": f"{most or size}MiB", **more}


def cow_is_extended(world):
    """What the server writes while the copy stands still is more than the store had room for."""
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
        moment = time.monotonic()
        for number in (1, 2):
            under_way.fill(STORE_MIB * 3 // 4)
            until(SEEN_S_MAX, lambda n=number: sizes(under_way.run) >= n, "an extension")
        worst = load.worst_ms(moment)
        under_way.go_on()
        done = under_way.ended(DONE, f"to {STORE_MIB * 2} MiB")
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    record = manifest(done.published())
    expect(0 < record["cow_percent"] < 100, f"recorded: {record['cow_percent']} %")
    world.require_clean_slate()
    return {"worst_commit_ms": round(worst), "cow_percent": record["cow_percent"]}


def sizes(of):
    return sum("extended 'lab/" in line for line in of.out)


def cow_extension_dies(world):
    """Somebody kills lvm while it has the origin suspended for an extension: the writers go on.
    Some tries come too late for that, and then all was well."""
    return extension_met(world, PRIMARY_DEVICE)


def cow_extension_dies_below(world):
    """The same a moment later, when the device below the origin is suspended as well."""
    return extension_met(world, f"{PRIMARY_DEVICE}-real")


def extension_met(world, device):
    for _ in range(LATE_TRIES_MAX):
        figures = extension_killed(world, Device(device))
        if figures["exit"] == ROLLED_BACK:
            return figures
    raise Failed("lvextend was never met in its suspend: this shows nothing")


def extension_killed(world, device):
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
        moment = time.monotonic()

        def kill():
            pid = child(under_way.run.process.pid, "lvextend")
            if pid:
                os.kill(pid, signal.SIGKILL)
            return pid

        death = Interference(device.is_suspended, kill)
        under_way.fill(STORE_MIB * 3 // 4)
        until(SEEN_S_MAX, lambda: told_of_an_extension(under_way.run), "an extension")
        met = death.found
        death.over.set()
        if under_way.run.process.poll() is None:
            under_way.go_on()
        under_way.run.wait()
        worst = load.worst_ms(moment)
    device.close()
    code, ends = under_way.run.code, (ROLLED_BACK, DONE) if met else (DONE,)
    expect(code in ends, f"exit {code}: {under_way.run.words()}")
    under_way.ended(code, *(("was left suspended",) if code == ROLLED_BACK else ()))
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    world.require_clean_slate()
    return {"exit": code, "worst_commit_ms": round(worst)}


def told_of_an_extension(of):
    return of.process.poll() is not None or any("extended" in line for line in of.out)


def cow_will_not_last(world):
    """A store that may not grow is given up before it is lost."""
    under_way = Copying(world.primary, snapshot=store_size())
    under_way.fill(STORE_MIB - 2)
    done = under_way.ended(
        ROLLED_BACK, "is not extended: it has", "will not last", "cow_percent_stop", "hint:"
    )
    world.require_clean_slate()
    return {"exit": done.code}


def cow_finds_no_room(world):
    """A store that may grow, in a group that has nothing left."""
    under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
    try:
        run("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-n", HOG, "-l", "100%FREE", VG)
        under_way.fill(STORE_MIB - 2)
        done = under_way.ended(ROLLED_BACK, f"nothing is free in the volume group '{VG}'")
    finally:
        run("lvremove", "-qq", "-y", f"{VG}/{HOG}", check=False)
    world.require_clean_slate()
    return {"exit": done.code}


def cow_overflows(world):
    """The store is lost between two looks: what was copied is not published."""
    under_way = Copying(world.primary, snapshot=store_size())
    os.kill(under_way.run.process.pid, signal.SIGSTOP)
    device = snapshot()
    under_way.fill(STORE_MIB + 8)
    until(SEEN_S_MAX, lambda: "Invalid" in run("dmsetup", "status", device), "the overflow")
    os.kill(under_way.run.process.pid, signal.SIGCONT)
    under_way.go_on()
    done = under_way.ended(ROLLED_BACK, "is lost", "hint:")
    world.require_clean_slate()
    return {"exit": done.code}


def breaks(device, table="error"):
    """Another table under a device, at once; what it was."""
    was = run("dmsetup", "table", device).strip()
    begin, sectors, *rest = was.split()
    target = table.format(rest=" ".join(rest[1:]))
    run("dmsetup", "load", device, "--table", f"{begin} {sectors} {target}")
    run("dmsetup", "suspend", "--nolockfs", "--noflush", device)
    run("dmsetup", "resume", device)
    return was


def cow_disk_breaks(world):
    """The store's disk gives errors: the kernel gives the snapshot up, and the server goes on."""
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size())
        moment = time.monotonic()
        breaks(f"{snapshot()}-cow")
        under_way.fill(4)
        under_way.go_on()
        done = under_way.ended(ROLLED_BACK, "is lost")
        worst = load.worst_ms(moment)
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    world.require_clean_slate()
    return {"exit": done.code, "worst_commit_ms": round(worst)}


def cow_disk_flickers(world):
    """The store's disk works, and then it does not: the snapshot is given up."""
    under_way = Copying(world.primary, snapshot=store_size())
    breaks(f"{snapshot()}-cow", f"flakey {{rest}} {SOUND_S} {BROKEN_S}")
    until(SEEN_S_MAX, lambda: "Invalid" in flicker(under_way), "the snapshot to be lost")
    under_way.go_on()
    done = under_way.ended(ROLLED_BACK, "is lost")
    world.require_clean_slate()
    return {"exit": done.code}


def flicker(under_way):
    under_way.fill(1)
    return run("dmsetup", "status", snapshot())


def cow_disk_is_slow(world):
    """Every access to the store takes its time: the backup takes longer, and is one."""
    under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
    breaks(f"{snapshot()}-cow", "delay {rest} " + str(SLOW_MS))
    under_way.fill(4)
    under_way.go_on()
    done = under_way.ended(DONE)
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


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
        # The filesystem tells the error of its disk, or has turned read-only over it.
        told = "\n".join(lines_of(done))
        expect(re.search("Input/output error|Read-only file system", told), told)
        mend(device, was, point)
        under_way.recovered()
        rest = sorted(path.name for path in (point / "backups").iterdir())
        expect(not rest, f"left at the destination: {rest}")
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


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
        done = under_way.ended(FAILED_LEFT, "Read-only file system", "left: partial copy", "hint:")
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
    cow_is_extended,
    cow_extension_dies,
    cow_extension_dies_below,
    cow_will_not_last,
    cow_finds_no_room,
    cow_overflows,
    cow_disk_breaks,
    cow_disk_flickers,
    cow_disk_is_slow,
    snapshot_is_unreadable,
    snapshot_is_held,
    mount_is_busy,
    destination_breaks,
    destination_turns_read_only,
    destination_is_unmounted,
    mount_point_is_taken,
    udev_stands_still,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
