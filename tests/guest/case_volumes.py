"""A server on two volumes, its redo log on the second: one moment of both, by a freeze of both.

Only where freezes nest; elsewhere the plan refuses (error_two_volumes).
"""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from base import HOME, expect, run, until
from case_backup import XFS_BY_GTID
from case_errors import FREEZES_NEST, ODD_REDO, server_on_two_volumes
from load import Load, check_invariants, create_schema
from oracle import discard, manifest, restore
from tool import Run, child, config, is_over, published, run_tool

RESUME_MS_MAX = 1_000
LVCREATE = Path("/usr/sbin/lvcreate")
# How long the second kind of lvcreate sits there before it does anything.
SLOW_S = 8
FROZEN_S_MAX = 2  # a probe that is not there by then is frozen out
HELD_S_MAX = 60
RESTORED_REDO = HOME / "restored-redo"


@contextmanager
def busy_server():
    """The server, and its own four writers."""
    with server_on_two_volumes() as server:
        create_schema(server)
        with Load(server) as load:
            yield server, load


def two_volumes_backup(world):
    with busy_server() as (server, load):
        done = run_tool("backup", config(server)).ended(0)
        worst = load.worst_ms(done.began)
    backup = done.published()
    record = manifest(backup)
    volumes = [source["lv"] for source in record["sources"]]
    expect(volumes == ["primary", "replica"], f"the sources are {volumes}")
    expect(record["freeze"] == "explicit", f"frozen by {record['freeze']}")
    simultaneous(record["window"]["proof"])
    restored = restore_both(backup, record)
    try:
        check_invariants(restored)
        expect("in the future" not in restored.log(), "the redo log is older than the data")
    finally:
        discard(restored)
        run("rm", "-rf", RESTORED_REDO)
    world.require_clean_slate()
    return done.window() | {"worst_commit_ms": round(worst), "took_s": f"{done.seconds:.1f}"}


def simultaneous(proof):
    points = proof["points"]
    names = [point["volume"] for point in points]
    expect(names == ["lab/primary", "lab/replica"], f"the points are of {names}")
    for point in points:
        inside = proof["granted_ns"] <= point["seen_ns"] <= point["resumed_ns"]
        expect(inside and point["resumed_ns"] <= proof["proven_ns"], f"out of order: {proof}")


def restore_both(backup, record):
    """The data directory from the first tree, the redo log from the second."""
    second = record["sources"][1]
    inside = ODD_REDO.relative_to(second["mount"])
    run("rm", "-rf", RESTORED_REDO)
    run("cp", "-a", backup / second["tree"] / inside, RESTORED_REDO)
    return restore(backup, extra=f"innodb-log-group-home-dir = {RESTORED_REDO}\n")


def two_volumes_killed(world):
    """SIGKILL under both freezes, while lvcreate has not begun: it comes later, and nobody thaws
    but the dead-man."""
    before = published()
    with slow_lvcreate(), busy_server() as (server, load):
        path, slowest = config(server), load.worst_ms()
        held = Run("backup", path)
        named = LVCREATE.name
        lvcreate = until(HELD_S_MAX, lambda: child(held.process.pid, named), "lvcreate to begin")
        expect(all_frozen("primary", "replica"), "not both filesystems are frozen")
        expect(not is_over(lvcreate), "lvcreate is over already")
        moment = time.monotonic()
        os.kill(held.process.pid, signal.SIGKILL)
        resumed = load.resume_ms(moment)
        limit = RESUME_MS_MAX + slowest
        expect(resumed <= limit, f"the writers went on after {resumed:.0f} ms, {limit:.0f} allowed")
        expect(not all_frozen("replica"), "the second filesystem is frozen still")
        held.wait()
        # The orphan goes on and makes its snapshot, which recover has to find.
        until(HELD_S_MAX, lambda: is_over(lvcreate), "lvcreate to end")
        recovered = run_tool("recover", path).ended(0)
    expect(published() == before, "a killed run changed what is published")
    world.require_clean_slate()
    return {
        "resumed_ms": round(resumed),
        "slowest_ms": round(slowest),
        "recover_s": f"{recovered.seconds:.1f}",
    }


@contextmanager
def slow_lvcreate():
    aside = LVCREATE.with_name("lvcreate.hidden")
    LVCREATE.rename(aside)
    try:
        LVCREATE.write_text(f'#!/bin/sh\nsleep {SLOW_S}\nexec /usr/sbin/lvm lvcreate "$@"\n')
        LVCREATE.chmod(0o755)
        yield
    finally:
        aside.replace(LVCREATE)


def all_frozen(*names):
    """Whether a new file comes to be in none of them; it does, and goes again, once thawed."""
    command = 'touch "$0" && rm -f "$0"'
    probes = [
        subprocess.Popen(["sh", "-c", command, str(HOME / name / ".lab-probe")]) for name in names
    ]
    time.sleep(FROZEN_S_MAX)
    return all(probe.poll() is None for probe in probes)


CASES = [two_volumes_backup, two_volumes_killed] if FREEZES_NEST else []
for _case in CASES:
    _case.kind = XFS_BY_GTID
