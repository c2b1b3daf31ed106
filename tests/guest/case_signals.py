"""Runs that are interrupted, killed, or fail under the lock: the database goes on, all is clean."""

import os
import signal
import subprocess
import time

import storage
from base import expect, run, until
from case_backup import XFS_BY_GTID, backup_and_prove
from case_errors import FREEZES_NEST, REFUSED, refused
from case_thin import copying
from load import Load
from tool import WRONG, Run, Unread, config, published, run_tool

SETTLE_S_MAX = 45
SEEN_S_MAX = 60
RESUME_MS_MAX = 1000
LOCKED_MS_MAX = 5000
DONE, ROLLED_BACK = 0, 4
UNREAD = "backup --lines --verbose"


def interrupted(world, which, word):
    """A signal while the run holds at `word`: exit 128 + signal, and nothing left."""
    with_previous = published()
    held = Run("backup", config(world.replica), WRONG, HOLDSTILL_HOLD_AT=word).wait_until_held(word)
    told = time.monotonic()
    held.process.send_signal(which)
    held.wait(SETTLE_S_MAX).ended(128 + which)
    settled = time.monotonic() - told
    expect(published() == with_previous, "an interrupted run changed what is published")
    world.require_clean_slate()
    return {"settled_s": f"{settled:.1f}"}


def _interruption(which, word):
    def case(world):
        return interrupted(world, which, word)

    case.__name__ = f"{which.name.lower()}_during_{word}"
    return case


def reader_stops(world):
    """Nobody reads what is told: the backup is made all the same, and SIGTERM ends a copy."""
    path = config(world.replica)
    done = Unread(UNREAD, path).wait().ended(DONE)
    done.published()
    world.require_clean_slate()

    with_previous = published()
    stopped = Unread(UNREAD, path)
    rsync = until(SEEN_S_MAX, lambda: copying(stopped), "rsync to begin")
    os.killpg(rsync, signal.SIGSTOP)  # the copy would end by itself otherwise
    told = time.monotonic()
    stopped.process.send_signal(signal.SIGTERM)
    stopped.wait(SETTLE_S_MAX).ended(128 + signal.SIGTERM)
    settled = time.monotonic() - told
    expect(published() == with_previous, "an interrupted run changed what is published")
    world.require_clean_slate()
    return {"took_s": f"{done.seconds:.1f}", "settled_s": f"{settled:.1f}"}


def killed(world, server, word, **sections):
    """SIGKILL while the run holds at `word`: the writers go on at once, and `recover` cleans up."""
    with_previous, path = published(), config(server, **sections)
    with Load(world.primary) as load:
        slowest = load.worst_ms()  # what this machine does to a commit that nothing holds up
        held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT=word).wait_until_held(word)
        if sections.get("lock", {}).get("freeze") == "explicit":
            expect(is_frozen(server.datadir), "the filesystem is not frozen while the run holds")
        time.sleep(0.3)  # every writer has run into the lock by now
        moment = time.monotonic()
        os.kill(held.process.pid, signal.SIGKILL)
        resumed = load.resume_ms(moment)
    limit = RESUME_MS_MAX + slowest
    expect(resumed <= limit, f"the writers went on after {resumed:.0f} ms, {limit:.0f} allowed")
    held.wait()
    recovered = run_tool("recover", path).ended(0)
    expect(published() == with_previous, "a killed run changed what is published")
    world.require_clean_slate()
    return {
        "resumed_ms": round(resumed),
        "slowest_ms": round(slowest),
        "recover_s": f"{recovered.seconds:.1f}",
    }


def sigkill_in_window_alone(world):
    return killed(world, world.primary, "locked")


def sigkill_in_window_replica(world):
    return killed(world, world.replica, "locked")


def sigkill_while_frozen(world):
    """Freeze by ioctl, where freezes nest: it outlives its maker unless the dead-man thaws."""
    return killed(world, world.primary, "frozen", lock={"freeze": "explicit"})


def is_frozen(mount_point):
    """Whether a new file there does not come to be; it does, and goes again, once thawed."""
    probe = mount_point / ".lab-probe"
    writer = subprocess.Popen(["sh", "-c", 'touch "$0" && rm -f "$0"', str(probe)])
    try:
        writer.wait(2)
        return False
    except subprocess.TimeoutExpired:
        return True


def sigkill_during_copy(world):
    return killed(world, world.replica, "copy")


def explicit_freeze(world):
    """The same backup with the explicit freeze, proven by the same oracle."""
    return backup_and_prove(world, world.primary, lock={"freeze": "explicit"})


def explicit_freeze_refused(world):
    """Linux 6.1: freezes do not nest, so lvcreate would fail under the lock. Said beforehand."""
    return refused(
        world, config(world.primary, lock={"freeze": "explicit"}), {REFUSED}, "freeze", "explicit"
    )


def snapshot_fails_under_lock(world):
    return snapshot_fails(world, "first")


def snapshot_fails_before_lock(world):
    return snapshot_fails(world, "late")


def snapshot_fails(world, when):
    """A foreign device sits on the name that LVM needs for the snapshot's origin.

    Nothing of that shows before lvm builds its tables. With the lock first that is under it; with
    the lock late nobody is locked, and the server never hears of a failed snapshot.
    """
    in_the_way = f"{storage.VG}-primary-real"
    run("dmsetup", "create", in_the_way, "--table", "0 8 zero")
    try:
        with Load(world.primary) as load:
            flushes = flushes_of(world.primary)
            done = run_tool("backup", config(world.primary, lock={"when": when}))
            done.ended(ROLLED_BACK)
            locks = flushes_of(world.primary) - flushes
            worst = load.worst_ms(done.began)
    finally:
        run("dmsetup", "remove", "--retry", in_the_way)
    expect(locks > 0 if when == "first" else locks == 0, f"{locks} flushes, lock {when}")
    expect(worst < LOCKED_MS_MAX, f"a writer waited {worst:.0f} ms")
    expect("hint:" in "\n".join(done.err), f"no hint: {done.words()}")
    world.require_clean_slate()
    return {"exit": done.code, "flushes": locks, "worst_commit_ms": round(worst)}


def flushes_of(server):
    """FLUSH statements so far. Under each lock, of any kind, a run sends at least one (of the
    engines' logs), and none without."""
    return int(server.sql("SHOW GLOBAL STATUS LIKE 'Com_flush'")[0]["Value"])


CASES = [
    _interruption(which, word)
    for word in ("locked", "copy", "publish")
    for which in (signal.SIGINT, signal.SIGTERM)
] + [reader_stops]
KILLS = [
    sigkill_in_window_alone,
    sigkill_in_window_replica,
    sigkill_during_copy,
    snapshot_fails_under_lock,
    snapshot_fails_before_lock,
]
EXPLICIT = [explicit_freeze, sigkill_while_frozen] if FREEZES_NEST else [explicit_freeze_refused]
for _case in CASES + KILLS + EXPLICIT:
    _case.kind = XFS_BY_GTID
