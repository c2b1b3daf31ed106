"""What the operator may choose, on real servers: patience with long statements, no lock at all, a
replica that stands while it is copied; and what nobody chooses, a disk that fills meanwhile.
"""

import json
import os
import signal
import threading
import time

from base import BACKUPS, expect, run, until
from case_backup import XFS_BY_GTID, backup_and_prove
from case_errors import REFUSED, refused
from load import Load
from oracle import manifest
from server import MARIADB
from tool import USER, Run, child, config, published
from unlocked import SEEN_S_MAX, only_innodb, replicated

DONE, ROLLED_BACK = 0, 4
STATEMENT_S, LONG_S_MIN = 15, 1
HOGS = BACKUPS / "hog", BACKUPS / "hoglet"
AT_ONCE_BUT = 256 << 20  # no filesystem gives away its very last blocks at once
IMPATIENT = {"kind": "ftwrl", "long_statement_s_min": LONG_S_MIN}
UPDATE = f"UPDATE mark SET id = id WHERE SLEEP({STATEMENT_S}) = 0 LIMIT 1"
SELECT = f"SELECT SLEEP({STATEMENT_S})"


class Statement(threading.Thread):
    """One that runs for long, and how long it did."""

    def __init__(self, server, text):
        super().__init__(daemon=True)
        self.session, self.text, self.seconds = server.session(database="lab"), text, None
        self.start()
        time.sleep(LONG_S_MIN + 1)

    def run(self):
        began = time.monotonic()
        with self.session, self.session.cursor() as cursor:
            try:
                cursor.execute(self.text)
            except Exception:  # it was ended: how long it ran is what counts
                pass
        self.seconds = time.monotonic() - began


def long_is_refused(world):
    statement = Statement(world.primary, UPDATE)
    try:
        path = config(world.primary, lock=IMPATIENT)
        return refused(world, path, {REFUSED}, "UPDATE", "KILL QUERY", "long_statements")
    finally:
        statement.join()


def long_is_waited_for(world):
    statement = Statement(world.primary, UPDATE)
    lock = IMPATIENT | {"long_statements": "wait"}
    done = Run("backup", config(world.primary, lock=lock)).wait().ended(DONE)
    statement.join()
    expect(statement.seconds >= STATEMENT_S - 1, f"it was cut off after {statement.seconds:.1f} s")
    expect("UPDATE" in "\n".join(done.out), f"does not say what it waits for: {done.words()}")
    world.require_clean_slate()
    return {"statement_s": f"{statement.seconds:.1f}", "took_s": f"{done.seconds:.1f}"}


def long_select_is_ended(world):
    """Where the lock would wait for a SELECT: FLUSH TABLES WITH READ LOCK on MySQL."""
    # Root's statements can be ended by an account with SYSTEM_USER alone.
    world.primary.sql(f"GRANT CONNECTION_ADMIN, SYSTEM_USER ON *.* TO {USER}@localhost")
    statement = Statement(world.primary, SELECT)
    lock = IMPATIENT | {"long_statements": "kill", "kill_select_s_min": LONG_S_MIN}
    done = Run("backup", config(world.primary, lock=lock)).wait().ended(DONE)
    statement.join()
    world.primary.sql(f"REVOKE CONNECTION_ADMIN, SYSTEM_USER ON *.* FROM {USER}@localhost")
    expect(statement.seconds < STATEMENT_S - 1, f"it ran on for {statement.seconds:.1f} s")
    killed = manifest(done.published())["killed"]
    expect(len(killed) == 1, f"the record names {killed}")
    world.require_clean_slate()
    return {"statement_s": f"{statement.seconds:.1f}", "killed": f"'{json.dumps(killed)}'"}


def long_select_is_let_be(world):
    """MariaDB's locks wait for no SELECT."""
    statement = Statement(world.primary, SELECT)
    done = Run("backup", config(world.primary, lock=IMPATIENT)).wait().ended(DONE)
    statement.join()
    expect(statement.seconds >= STATEMENT_S - 1, f"it was cut off after {statement.seconds:.1f} s")
    world.require_clean_slate()
    return {"took_s": f"{done.seconds:.1f}"}


def unlocked_is_refused(world):
    """With tables that need their writers held up, or without the right to see them all."""
    path = config(world.replica, lock={"kind": "none"})
    refused(world, path, {REFUSED}, "GRANT SELECT")
    world.primary.sql(f"GRANT SELECT ON *.* TO {USER}@localhost")
    replicated(world, "SELECT")
    figures = refused(world, path, {REFUSED}, "step_myisam", "MyISAM")
    refused(world, config(world.primary, lock={"kind": "none"}), {REFUSED}, "not a replica")
    return figures


def unlocked_replica(world):
    """Nothing is locked, nothing writes, and the copy is proven like any other."""
    with only_innodb(world):
        return backup_and_prove(world, world.replica, unlocked_record, lock={"kind": "none"})


def unlocked_record(backup):
    window = manifest(backup)["window"]
    expect(window["proof"]["unmoved"] is True, f"not proven: {window}")
    expect(window["proof"]["granted_ns"] is None, f"locked all the same: {window}")
    return {"lock": f"'{window['lock']}'"}


def stands_while_copied(world):
    """The applier starts again when the copy has ended, and not before."""
    path = config(world.replica, replica={"keep_replication_stopped": "copy"})
    with Load(world.primary):
        under_way = Run("backup", path)
        until(SEEN_S_MAX, lambda: "copy" in under_way.out, "the copy to begin")
        stood = not world.replica.applies()
        under_way.wait().ended(DONE)
    expect(stood, "the applier ran while the copy was made")
    world.require_clean_slate()
    return {"took_s": f"{under_way.seconds:.1f}"}


def fill_up():
    """Takes all of the destination's room, with what is kept for root, who we are."""
    room = os.statvfs(BACKUPS)
    run("fallocate", "-l", room.f_bfree * room.f_frsize - AT_ONCE_BUT, HOGS[0])
    run("dd", "if=/dev/zero", f"of={HOGS[1]}", "bs=1M", check=False)


def destination_fills(world):
    """The copy finds no more room; an earlier backup is not harmed."""
    before = published()
    under_way = Run("backup", config(world.replica))
    try:
        until(SEEN_S_MAX, lambda: "copy" in under_way.out, "the copy to begin")
        copying = until(SEEN_S_MAX, lambda: child(under_way.process.pid, "rsync"), "rsync")
        # Its whole group stands while the room is taken away, or it might be done before.
        os.killpg(copying, signal.SIGSTOP)
        try:
            fill_up()
        finally:
            os.killpg(copying, signal.SIGCONT)
        under_way.wait().ended(ROLLED_BACK)
    finally:
        for hog in HOGS:
            hog.unlink(missing_ok=True)
    told = "\n".join(under_way.err)
    for word in ("No space left on device", "hint:", "rolled back clean"):
        expect(word in told, f"does not say '{word}': {told}")
    expect(published() == before, "a failed run changed what is published")
    world.require_clean_slate()
    return {"exit": under_way.code, "told": f"'{told[:300]}'"}


CASES = [
    long_is_refused,
    long_is_waited_for,
    long_select_is_let_be if MARIADB else long_select_is_ended,
    unlocked_is_refused,
    unlocked_replica,
    stands_while_copied,
    destination_fills,
]
for _one in CASES:
    _one.kind = XFS_BY_GTID
