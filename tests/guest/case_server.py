"""A database server that dies, stands still, is full of clients, or loses its source, while a run
needs it: no false backup, nothing left that could not be settled, and the next run succeeds.
"""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pymysql

import tool
from base import expect, until
from case_backup import XFS_BY_GTID
from oracle import has_mark, leave_mark
from tool import WRONG, Run, config, number_of, published, run_tool, whole_run

DONE, REFUSED, ROLLED_BACK, FAILED_LEFT = 0, 3, 4, 6
GO_ON = Path("/run/lab-go-on")
WAIT_MS_MAX, HOLD_MS_MAX = 3_000, 3_000
SEEN_S_MAX, ENDS_S_MAX = 60, 120
WRITTEN_OUT_S = 2
CLIENTS_MAX = 200  # more than any server here takes


class Held:
    """A run that holds at a place until it may go on."""

    def __init__(self, server, word, **sections):
        GO_ON.unlink(missing_ok=True)
        self.server, self.before = server, published()
        limits = {"wait_ms_max": WAIT_MS_MAX, "hold_ms_max": HOLD_MS_MAX}
        sections["lock"] = limits | sections.get("lock", {})
        self.path = config(server, **sections)
        environment = {"HOLDSTILL_HOLD_AT": word, "HOLDSTILL_GO_ON": str(GO_ON)}
        self.run = Run("backup", self.path, WRONG, **environment).wait_until_held(word)

    def ended(self, codes, *words):
        GO_ON.touch()
        self.run.wait(ENDS_S_MAX)
        expect(self.run.code in codes, f"exit {self.run.code} not in {codes}: {self.run.words()}")
        told = "\n".join(self.run.err)
        missing = [word for word in words if word not in told]
        expect(not missing, f"does not say {missing}: {told}")
        if self.run.code != DONE:
            expect(published() == self.before, "a failed run changed what is published")
        return self.run


def kill(server):
    """What it has written is on its disk by then, however the lab lets it: no replica is ahead."""
    time.sleep(WRITTEN_OUT_S)
    server.process.kill()
    server.process.wait()


def settled(world, of):
    """What is left is settled, and the next run succeeds."""
    until(SEEN_S_MAX, world.replica.answers, "the replica to answer")
    run_tool("recover", of.path).ended(DONE)
    world.require_clean_slate()
    Run("backup", of.path).wait().ended(DONE)
    world.require_clean_slate()
    told = of.run.err[-1][:120] if of.run.err else ""
    return {"exit": of.run.code, "took_s": f"{of.run.seconds:.1f}", "told": f"'{told}'"}


def killed_while_locked(world):
    """The server dies with our lock."""
    held = Held(world.primary, "locked")
    kill(world.primary)
    held.ended((ROLLED_BACK, FAILED_LEFT), "hint:")
    world.primary.start()
    return settled(world, held)


def killed_while_waiting(world):
    """The server dies while our lock waits for somebody else's."""
    with blocked(world.primary):
        path = config(world.primary, lock={"kind": "ftwrl", "wait_ms_max": 30_000})
        before, started = published(), Run("backup", path)
        until(SEEN_S_MAX, lambda: waits_for_the_lock(world.primary), "the lock to wait")
        kill(world.primary)
        started.wait(ENDS_S_MAX)
    expect(started.code in (ROLLED_BACK, FAILED_LEFT), f"exit {started.code}: {started.words()}")
    expect(published() == before, "a failed run changed what is published")
    world.primary.start()
    run_tool("recover", path).ended(DONE)
    world.require_clean_slate()
    return {"exit": started.code, "told": f"'{started.err[0][:160]}'"}


@contextmanager
def blocked(server):
    """A session in whose way the lock is; it ends with its server at the latest."""
    session = server.session(database="lab")
    with session.cursor() as cursor:
        cursor.execute("LOCK TABLES mark WRITE")
    try:
        yield
    finally:
        try:
            session.close()
        except pymysql.Error:
            pass


def waits_for_the_lock(server):
    rows = server.sql("SHOW FULL PROCESSLIST")
    return any("FLUSH TABLES" in (row["Info"] or "") for row in rows if row["User"] == tool.USER)


def killed_while_copied(world):
    """The copy needs no server: it is published although there is none any more."""
    held = Held(world.primary, "copy")
    kill(world.primary)
    backup = held.ended((DONE,)).published()
    world.primary.start()
    figures = settled(world, held)
    expect((backup / "backup.json").is_file(), "what was published is gone")
    return figures


def restarted_while_copied(world):
    """A replica that stands until it is copied is started again, though it is another process."""
    held = Held(world.replica, "copy", replica={"keep_replication_stopped": "copy"})
    kill(world.replica)
    world.replica.start()
    held.ended((DONE,))
    return settled(world, held)


def stopped_while(word, server, codes):
    """SIGSTOP: the server answers nothing, and its socket takes all that it is told."""

    def case(world):
        one = getattr(world, server)
        held = Held(one, word)
        os.kill(one.process.pid, signal.SIGSTOP)
        try:
            held.ended(codes)
        finally:
            os.kill(one.process.pid, signal.SIGCONT)
        return settled(world, held)

    case.__name__ = f"{server}_stopped_while_{word}"
    return case


primary_stopped_while_locked = stopped_while("locked", "primary", (ROLLED_BACK, FAILED_LEFT))
primary_stopped_while_copy = stopped_while("copy", "primary", (DONE,))
replica_stopped_while_locked = stopped_while("locked", "replica", (ROLLED_BACK, FAILED_LEFT))
replica_stopped_while_copy = stopped_while("copy", "replica", (DONE,))


@contextmanager
def no_client_left(server):
    """Every connection that the server has is taken."""
    clients = []
    try:
        while len(clients) < CLIENTS_MAX:
            try:
                clients.append(server.session())
            except pymysql.Error:
                break
        expect(len(clients) < CLIENTS_MAX, "the server took every client")
        yield
    finally:
        for client in clients:
            client.close()
        until(SEEN_S_MAX, server.answers, "the server to take clients again")


def too_many_clients(world):
    """No connection is left for us: refused before anything is touched."""
    before, path = world.fingerprint(), config(world.primary)
    with no_client_left(world.primary):
        done = run_tool("backup", path).ended(REFUSED)
    told = "\n".join(done.err)
    for word in ("many connections", "hint:"):
        expect(word in told, f"does not say '{word}': {told}")
    expect(world.fingerprint() == before, "a refused run touched something")
    return {"exit": done.code, "told": f"'{done.err[0][:160]}'"}


def no_client_for_the_lock(world):
    """The last connection is gone between the plan and the lock session."""
    _, acts = whole_run(config(world.primary))
    number = number_of(acts, "connect the lock")
    held = Held(world.primary, str(number))
    with no_client_left(world.primary):
        held.ended((ROLLED_BACK,), "many connections")
    return settled(world, held)


def source_is_lost(world):
    """The replica's source dies while the replica is copied: it is a backup, and it follows on."""
    held = Held(world.replica, "copy")
    kill(world.primary)
    held.ended((DONE,))
    world.primary.start()
    mark = leave_mark(world.primary)
    until(SEEN_S_MAX, lambda: has_mark(world.replica, mark), "the replica to follow again")
    return settled(world, held)


CASES = [
    killed_while_waiting,
    killed_while_locked,
    killed_while_copied,
    restarted_while_copied,
    primary_stopped_while_locked,
    primary_stopped_while_copy,
    replica_stopped_while_locked,
    replica_stopped_while_copy,
    too_many_clients,
    no_client_for_the_lock,
    source_is_lost,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
