"""The ways to take a snapshot of a working server, each measured in the same words.

A way is a function of the world and the watch on the primary's device. It takes one snapshot,
undoes it, and returns milliseconds: `waited_ms` for the lock, `locked_ms` from its grant to its
release, `suspended_ms` of the origin under it; None for what it does not have. What the writers
felt is not known here: that is measured from outside, for every way alike (case_bench).
"""

import shutil
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import storage
from base import HOME, SOCKETS, VG, Failed, NotRun, fresh_directory, run
from devmapper import Device
from oracle import manifest
from relay import Relay
from server import MARIADB
from tool import config, run_tool

PRIMARY_DEVICE = f"{VG}-primary"
SNAPSHOT, SNAPSHOT_SIZE = "bench", "512m"
MOUNT = HOME / "bench-snapshot"
EXIT_REFUSED = 3

LOCK, UNLOCK = "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"
# What each way of holdstill writes into the section [lock] of its configuration.
OF_BOTH = {
    "holdstill-ftwrl": {"kind": "ftwrl", "when": "first"},
    "holdstill-ftwrl-late": {"kind": "ftwrl", "when": "late"},
    "holdstill-none": {"kind": "none"},
}
OF_MARIADB = {
    "holdstill-stage": {"kind": "backup-stage", "when": "first"},
    "holdstill-stage-late": {"kind": "backup-stage", "when": "late"},
}
OVERLAYS = OF_BOTH | (OF_MARIADB if MARIADB else {})
GROWING = ("textbook", "holdstill-ftwrl", "holdstill-ftwrl-late")


def ways_of(volume):
    """Every way that this guest and this kind of volume have, by name."""
    ways = {"textbook": textbook, "floor": floor}
    # On a thin volume mylvmbackup mounts a snapshot that it never activated.
    if shutil.which("mylvmbackup") and volume == "thick":
        ways["mylvmbackup"] = mylvmbackup
    return ways | {name: holdstill(overlay) for name, overlay in OVERLAYS.items()}


def textbook(world, watch):
    """What the usual script does, and nothing more: it does not even ask for the position."""
    with world.primary.session() as session, session.cursor() as cursor:
        asked = time.monotonic()
        cursor.execute(LOCK)
        granted = time.monotonic()
        try:
            with frozen(HOME / "primary"):
                take_snapshot(world.kind.volume)
        finally:
            cursor.execute(UNLOCK)
        unlocked = time.monotonic()
    look_into_snapshot()
    return figures(asked, granted, unlocked, watch)


def figures(asked, granted, unlocked, watch):
    return {
        "waited_ms": (granted - asked) * 1000,
        "locked_ms": (unlocked - granted) * 1000,
        "suspended_ms": watch.suspended_ms(asked, unlocked),
    }


@contextmanager
def frozen(mount_point):
    """Where freezes do not nest, lvcreate would fail in a frozen filesystem: no freeze there."""
    if not freezes_nest():
        yield
        return
    run("fsfreeze", "-f", mount_point)
    try:
        yield
    finally:
        run("fsfreeze", "-u", mount_point)


@cache
def freezes_nest():
    """bdev_freeze came with the nesting. Asked before any lock: the table is long."""
    symbols = Path("/proc/kallsyms").read_text().splitlines()
    return any(line.split()[2] == "bdev_freeze" for line in symbols)


def take_snapshot(volume):
    # A thin snapshot has no size of its own, and is not activated unless told (-kn).
    how = ("-kn",) if volume == "thin" else ("-L", SNAPSHOT_SIZE)
    run("lvcreate", "-qq", "-y", "-s", "-n", SNAPSHOT, *how, f"{VG}/primary")


def look_into_snapshot():
    run("mount", "-o", "ro,nouuid", f"/dev/{VG}/{SNAPSHOT}", fresh_directory(MOUNT))
    run("umount", MOUNT)
    run("udevadm", "settle")
    run("lvremove", "-qq", "-y", f"{VG}/{SNAPSHOT}")


def floor(world, watch):
    """The least that any snapshot costs: what dmsetup's suspend and resume do, without a process.

    There is no lock, so that both figures are the two calls from end to end. That has the flush of
    the filesystem in it, which the watch on a device cannot see.
    """
    device = Device(PRIMARY_DEVICE)
    began = time.monotonic()
    try:
        device.suspend()
    finally:
        device.resume()
    took = (time.monotonic() - began) * 1000
    device.close()
    return {"waited_ms": None, "locked_ms": took, "suspended_ms": took}


def mylvmbackup(world, watch):
    """Debian's package, with its hooks. Its lock is seen by a relay before the server's socket."""
    home = fresh_directory(HOME / "mylvmbackup")
    with Relay(SOCKETS / "relay.sock", world.primary.socket, (LOCK, UNLOCK)) as relay:
        run(
            "mylvmbackup",
            "--user=root",
            f"--socket={relay.listen_at}",
            f"--vgname={VG}",
            "--lvname=primary",
            f"--lvsize={SNAPSHOT_SIZE}",
            "--xfs",
            "--backuptype=none",
            "--skip_mycnf",
            f"--mountdir={home}",
        )
    return figures(relay.asked(LOCK), relay.answered(LOCK), relay.answered(UNLOCK), watch)


def holdstill(overlay):
    """One way of holdstill. Without a lock only a replica whose applier it stopped is at rest."""

    def way(world, watch):
        server = world.replica if overlay["kind"] == "none" else world.primary
        return backup_window(world, server, overlay)

    return way


def backup_window(world, server, overlay):
    done = run_tool("backup", config(server, lock=overlay))
    if done.code != 0:
        refused = done.code == EXIT_REFUSED and world.kind.volume == "thin"
        raise (NotRun if refused else Failed)(complaint(done))
    window = manifest(done.published())["window"]
    return of_window(window) | {"total_ms": done.seconds * 1000}


def complaint(done):
    """Its first sentence, without times: the same in every run that fails the same way."""
    own = [line for line in done.err if line.startswith("holdstill: ")]
    return f"exit {done.code}: {own[0] if own else done.words()}"


def of_window(window):
    """The record's own figures, from its nanoseconds. Without a lock nothing is locked, and a
    suspension that none of its looks fell into is not known: None."""
    proof = window["proof"]
    suspended = [span(point, "suspended_ns", "resumed_ns") for point in proof["points"]]
    return {
        "waited_ms": span(proof, "asked_ns", "granted_ns"),
        "locked_ms": span(proof, "granted_ns", "unlocked_ns"),
        "suspended_ms": max((ms for ms in suspended if ms is not None), default=None),
        "when": window["when"],
        "tries": window["tries"],
    }


def span(times, begin, end):
    """Milliseconds between two of the record's times, if it has both."""
    if times[begin] is None or times[end] is None:
        return None
    return (times[end] - times[begin]) / 1e6


def clear_away():
    """What a way has left: the backups that it published always, all the rest if it failed."""
    for backup in storage.BACKUPS.iterdir():
        if backup.name != "lost+found":
            shutil.rmtree(backup)
    run("sync", "-f", storage.BACKUPS)
