"""Servers on thin volumes: the same proof of a backup, and the limits of the pool they share."""

import json
import os
import signal

import storage
from base import BACKUPS, VG, expect, run, until
from case_backup import backup_and_prove
from case_errors import REFUSED, refused
from tool import Run, config, published
from world import Kind

ROLLED_BACK = 4
HOG = "hog"


def thin_backup(world):
    return backup_of(world, world.primary)


def thin_backup_replica(world):
    return backup_of(world, world.replica)


def backup_of(world, server):
    figures = backup_and_prove(world, server)
    record = json.loads((BACKUPS / max(published()) / "backup.json").read_text())
    point, window = record["window"]["proof"]["points"][0], record["window"]
    expect(record["sources"][0]["snapshot"] == "thin", f"sources: {record['sources']}")
    before, after = point["transactions"]
    expect(before < after, f"the pool's id did not go up: {point}")
    return figures | {
        "tries": window["tries"],
        "suspended_ms": window["suspended_ms"],
    }


def thin_pool_gate(world):
    limits = {"pool_percent_max": 1, "pool_percent_stop": 99}
    path = config(world.replica, snapshot=limits)
    return refused(world, path, {REFUSED}, "lvextend", "pool_percent_max", f"{VG}/{storage.POOL}")


def thin_pool_fills(world):
    """A pool that fills while a copy makes no progress at all."""
    data, metadata = storage.pool_percent()
    full = int(max(data, metadata))
    limits = {"pool_percent_max": full + 1, "pool_percent_stop": full + 2}
    run_under_way = Run("backup", config(world.replica, snapshot=limits))
    group = until(60, lambda: copying(run_under_way), "rsync to begin")
    os.killpg(group, signal.SIGSTOP)
    make_hog((full + 3 - int(data)) * storage.POOL_MIB // 100)
    try:
        done = run_under_way.wait().ended(ROLLED_BACK)
        told = "\n".join(done.err)
        expect("too full" in told and "lvextend" in told, f"does not say why: {done.words()}")
    finally:
        run("lvremove", "-qq", "-y", f"{VG}/{HOG}", check=False)
    world.require_clean_slate()
    return {"exit": done.code, "full": full, "took_s": f"{done.seconds:.1f}"}


def copying(of):
    """The process group of the copy; rsync is asked for its version too, long before."""
    expect(of.process.poll() is None, "it ended before its copy")
    found = run("pgrep", "--full", "^([^ ]*/)?rsync .*--archive", check=False).split()
    return os.getpgid(int(found[0])) if found else None


def make_hog(mib):
    run("lvcreate", "-qq", "-y", "-n", HOG, "-V", "1g", "-T", f"{VG}/{storage.POOL}")
    run("dd", "if=/dev/urandom", f"of=/dev/{VG}/{HOG}", "bs=1M", f"count={mib}", "oflag=direct")


CASES = [thin_backup, thin_backup_replica, thin_pool_gate, thin_pool_fills]
for _case in CASES:
    _case.kind = Kind(replica="xfs", primary="ext4", volume="thin")
