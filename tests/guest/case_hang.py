"""What hangs or breaks outside of the run, under the lock: lvm stands still, its disk stands still,
an administrator ends the session that holds the lock. The database goes on in time, and what could
not be undone is told, kept, and cleaned up later.
"""

import fcntl
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pymysql

import tool
from base import HOME, VG, Failed, expect, run, until
from bench_ways import PRIMARY_DEVICE
from case_backup import XFS_BY_GTID
from devmapper import Device
from load import Load
from tool import Run, child, config, is_over, published, run_tool

DONE, ROLLED_BACK, FAILED_LEFT = 0, 4, 6
HOLD_MS_MAX = 3_000
# Beside the hold a commit may meet the wait for the lock, and a slow machine's own doings.
MARGIN_MS = 1_500
END_S_MAX = 180  # what lvm gets to end (60 s), and a report of it that waits as long
LVM_ENDS_S_MAX = 60  # once it may go on
POLL_S = 0.001
GROUP_LOCK = Path("/run/lock/lvm") / f"V_{VG}"  # locking_dir in lvm.conf(5)
LATE_TRIES_MAX = 5
SECOND_PV, SECOND_PV_SIZE = "slow-pv", 64 << 20  # too small for a COW store
SECTOR = 512
# It begins behind this on its loop device: at the same place, lvm would find the same PV on both.
SECOND_PV_AT = 1 << 20


class Interference(threading.Thread):
    """Waits for the moment and acts at once; what it found is kept for the case."""

    def __init__(self, moment, act, poll_s=POLL_S):
        super().__init__(daemon=True)
        self.moment, self.act, self.poll_s, self.found = moment, act, poll_s, None
        self.over = threading.Event()
        self.start()

    def run(self):
        # Ahead of everything else on a busy machine, this thread alone (0); it mostly sleeps.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        while not self.over.is_set():
            if self.moment():
                self.found = self.act()
                return
            time.sleep(self.poll_s)

    def result(self):
        self.over.set()
        self.join()
        expect(self.found, "the moment to interfere never came, or passed too fast")
        return self.found


def works_on_the_order(device):
    """The new table is loaded, and the suspend is still to come."""
    return device.has_inactive_table() and not device.is_suspended()


def hanging(world, interfere, let_go, binary=tool.RELEASED):
    """A run under whose lock something hangs until `let_go`: told, kept, and settled later."""
    before, server = published(), world.primary
    path = config(server, lock={"when": "first", "hold_ms_max": HOLD_MS_MAX})
    with Load(server) as load:
        slowest = load.worst_ms()
        held = Run("backup", path, binary)
        interference = interfere(held)
        try:
            held.wait(END_S_MAX)
            found = interference.result()
        finally:
            let_go()
        worst = load.worst_ms(held.began)
    held.ended(FAILED_LEFT)
    told = "\n".join(held.err)
    for word in ("holdstill recover", "a command of lvm is still running", "dmsetup"):
        expect(word in told, f"does not say '{word}': {told}")
    expect(tool.ledgers(), "the ledger is not kept")
    limit = HOLD_MS_MAX + MARGIN_MS + slowest
    expect(worst <= limit, f"a writer waited {worst:.0f} ms, {limit:.0f} allowed")
    until(LVM_ENDS_S_MAX, lambda: is_over(found), "lvm to end")
    recovered = run_tool("recover", path).ended(0)
    expect(published() == before, "a failed run changed what is published")
    world.require_clean_slate()
    return {
        "exit": held.code,
        "worst_commit_ms": round(worst),
        "slowest_ms": round(slowest),
        "took_s": f"{held.seconds:.1f}",
        "recover_s": f"{recovered.seconds:.1f}",
    }


def hang_lvm_stopped(world):
    """SIGSTOP reaches lvm between loading its tables and the suspend."""
    device, stopped = Device(PRIMARY_DEVICE), []

    def interfere(held):
        def stop():
            pid = child(held.process.pid, "lvm")
            if pid:
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
            return None if device.is_suspended() else pid

        return Interference(lambda: works_on_the_order(device), stop)

    def let_go():
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    try:
        return hanging(world, interfere, let_go)
    finally:
        device.close()


def hang_volume_group(world):
    """The group's second disk stands still from before the order: lvm hangs as it reads or writes
    its metadata there, and cannot even be killed."""
    with second_pv() as device:

        def interfere(held):
            def suspend():
                pid = child(held.process.pid, "lvm")
                device.suspend_as_it_is()
                return pid

            return Interference(lambda: "hold still" in held.out, suspend)

        return hanging(world, interfere, device.resume)


def hang_group_locked(world):
    """Somebody else holds lvm's own lock on the group, so that the order waits for it."""
    locks = []

    def interfere(held):
        def take():
            locks.append(GROUP_LOCK.open("a"))  # not before: lvm removes a file that nobody locks
            fcntl.flock(locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            return child(held.process.pid, "lvm")

        return Interference(lambda: "hold still" in held.out, take)

    return hanging(world, interfere, lambda: [lock.close() for lock in locks])


@contextmanager
def second_pv():
    """A device-mapper device on a loop device, in the volume group; no volume has room on it."""
    file, name = HOME / "second-pv", f"/dev/mapper/{SECOND_PV}"
    with file.open("wb") as sparse:
        sparse.truncate(SECOND_PV_AT + SECOND_PV_SIZE)
    loop = run("losetup", "--find", "--show", file).strip()
    table = f"0 {SECOND_PV_SIZE // SECTOR} linear {loop} {SECOND_PV_AT // SECTOR}"
    run("dmsetup", "create", SECOND_PV, "--table", table)
    device = Device(SECOND_PV)
    try:
        run("pvcreate", "-qq", "-y", name)
        run("vgextend", "-qq", VG, name)
        yield device
    finally:
        device.resume()
        run("vgreduce", "-qq", VG, name, check=False)
        run("pvremove", "-qq", "-y", name, check=False)
        device.close()
        run("dmsetup", "remove", "--retry", SECOND_PV, check=False)
        run("losetup", "-d", loop, check=False)
        file.unlink()


def lock_session_killed(world):
    """An administrator kills the session that holds the lock, before the snapshot is taken."""
    before, device = published(), Device(PRIMARY_DEVICE)
    path = config(world.primary, lock={"when": "first"})
    with Load(world.primary) as load, world.primary.session() as session:
        with session.cursor() as cursor:

            def kill():
                """The younger of our two sessions: the control session is there from the start."""
                cursor.execute(
                    "SELECT MAX(ID) AS id, COUNT(*) AS ours FROM information_schema.PROCESSLIST "
                    f"WHERE USER = '{tool.USER}'"
                )
                found = cursor.fetchone()
                try:
                    cursor.execute(f"KILL {found['id']}")
                except pymysql.Error:
                    return None
                return found["id"] if found["ours"] == 2 else None

            interference = Interference(lambda: works_on_the_order(device), kill)
            done = Run("backup", path).wait()
            interference.result()
        worst = load.worst_ms(done.began)
    device.close()
    done.ended(ROLLED_BACK)
    expect("lock session" in "\n".join(done.err), f"does not say why: {done.words()}")
    expect(published() == before, "a failed run changed what is published")
    world.require_clean_slate()
    return {"exit": done.code, "worst_commit_ms": round(worst), "took_s": f"{done.seconds:.1f}"}


def lvm_killed_while_held(world):
    """SIGKILL ends lvm where it is held before its suspend: half a snapshot, which no lvm knows."""
    return lvm_killed(world, lambda device: works_on_the_order(device))


def lvm_killed_in_its_suspend(world):
    """SIGKILL ends lvm with the origin suspended: nobody but us lets the writers go on. Some tries
    come too late for that, and then all was well."""
    for _ in range(LATE_TRIES_MAX):
        figures = lvm_killed(world, lambda device: device.is_suspended(), (ROLLED_BACK, DONE))
        if figures["exit"] == ROLLED_BACK:
            return figures
    raise Failed("lvm was never met in its suspend: this shows nothing")


def lvm_killed(world, moment, ends=(ROLLED_BACK,)):
    before, device, path = published(), Device(PRIMARY_DEVICE), config(world.primary)
    with Load(world.primary) as load:
        failed = Run("backup", path)

        def kill():
            pid = child(failed.process.pid, "lvm")
            if pid:
                os.kill(pid, signal.SIGKILL)
            return pid

        interference = Interference(lambda: moment(device), kill)
        failed.wait()
        interference.result()
        worst = load.worst_ms(failed.began)
    device.close()
    expect(failed.code in ends, f"exit {failed.code} instead of {ends}: {failed.words()}")
    world.require_clean_slate()
    if failed.code == ROLLED_BACK:
        expect("hint:" in "\n".join(failed.err), f"no hint: {failed.words()}")
        expect(published() == before, "a failed run changed what is published")
        Run("backup", path).wait().ended(DONE)
        world.require_clean_slate()
    told = f"'{failed.err[0][:200]}'" if failed.err else "''"
    return {"exit": failed.code, "worst_commit_ms": round(worst), "told": told}


CASES = [
    hang_lvm_stopped,
    hang_volume_group,
    hang_group_locked,
    lock_session_killed,
    lvm_killed_while_held,
    lvm_killed_in_its_suspend,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
