"""What no client may suffer: however long the lock waits for others, the four ordinary writers wait
no longer than its limit, and go on at once when the run has given up.

What blocks the lock are sessions of their own on tables of their own, so that nothing else holds
the writers up. A run may end with a backup, refuse because of what it saw beforehand, or give up;
it leaves nothing in any case.
"""

import threading
import time
from contextlib import contextmanager

import pymysql

from base import expect, until
from case_backup import EXT4_BY_POSITION
from load import PAUSE_S, Load
from server import MARIADB
from tool import config, run_tool

DONE, REFUSED, ROLLED_BACK = 0, 3, 4
WAIT_MS_MAX, PAUSE_MS, TRIES_MAX = 2_000, 1_000, 2
# Beside the wait a commit may meet the held lock, and what an emulated machine makes of all that.
MARGIN_MS = 2_000
GOES_ON_MS_MAX = 1_000  # after the run has ended, with the blocker still there
BLOCKER_S = 600  # longer than any run takes; it is killed when the run is over
HEAD_START_S = 1  # what the blocker has, and less than a plan calls long
SEEN_S_MAX = 10
MIXERS, MIXER_ENDS_S_MAX = 3, 60  # more than innodb_lock_wait_timeout


class Session:
    """A client that may hang: its statements run on a thread, and it is killed in the end."""

    def __init__(self, server, *statements):
        self.server = server
        self.session = server.session(database="stall")
        self.id = self.session.thread_id()
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(statements,), daemon=True)
        self.thread.start()

    def _run(self, statements):
        try:
            with self.session.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                    cursor.fetchall()
        except (pymysql.Error, OSError) as error:
            self.error = error

    def runs(self):
        return self.thread.is_alive()

    def kill(self):
        try:
            self.server.sql(f"KILL {self.id}")
        except pymysql.Error:
            pass  # it has ended by itself
        self.thread.join(SEEN_S_MAX)


@contextmanager
def blocked(server, *scripts):
    """Sessions, one a script; each hangs in its last statement. Yields whether all still do."""
    sessions = []
    try:
        for script in scripts:
            sessions.append(Session(server, *script))
            time.sleep(HEAD_START_S / len(scripts))
        yield lambda: all(session.runs() for session in sessions)
    finally:
        for session in sessions:
            session.kill()


def long_update(server):
    return blocked(server, [f"UPDATE slow SET n = n + SLEEP({BLOCKER_S})"])


def long_select(server):
    return blocked(server, [f"SELECT SLEEP({BLOCKER_S}) FROM slow"])


def running_ddl(server):
    return blocked(server, [f"CREATE TABLE made AS SELECT SLEEP({BLOCKER_S}) AS s FROM slow"])


@contextmanager
def waiting_ddl(server):
    """A transaction that has only read keeps its metadata lock, and an ALTER waits behind it."""
    reader = server.session(database="stall")
    with reader, reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM slow")
        with blocked(server, ["ALTER TABLE slow ADD COLUMN more INT"]) as blocks:
            yield blocks


@contextmanager
def mixed_engines(server):
    """Transactions that write to InnoDB, to one row all of them, and then to MyISAM: FLUSH TABLES
    WITH READ LOCK deadlocks with them until innodb_lock_wait_timeout."""
    stopping = threading.Event()

    def mix(number):
        with server.session(database="stall") as session, session.cursor() as cursor:
            while not stopping.is_set():
                try:
                    cursor.execute("BEGIN")
                    cursor.execute("UPDATE mix_innodb SET n = n + 1 WHERE id = 1")
                    cursor.execute(f"INSERT INTO mix_myisam (writer) VALUES ({number})")
                    cursor.execute("COMMIT")
                except pymysql.err.OperationalError:
                    session.rollback()
                time.sleep(PAUSE_S)

    mixers = [threading.Thread(target=mix, args=(n,), daemon=True) for n in range(MIXERS)]
    for mixer in mixers:
        mixer.start()
    try:
        time.sleep(HEAD_START_S)
        yield lambda: all(mixer.is_alive() for mixer in mixers)
    finally:
        stopping.set()
        for mixer in mixers:
            mixer.join(MIXER_ENDS_S_MAX)


def stalled(world, blocker, kind):
    server, lock = world.primary, {"kind": kind, "tries_max": TRIES_MAX, "pause_ms": PAUSE_MS}
    path = config(server, lock=lock | {"wait_ms_max": WAIT_MS_MAX})
    with tables(server), Load(server) as load:
        with blocker(server) as blocks:
            expect(blocks(), "nothing blocks")
            slowest = load.worst_ms()  # what this machine does to a commit that nothing holds up
            done = run_tool("backup", path)
            ended = time.monotonic()
            goes_on = load.resume_ms(ended)
            expect(blocks(), f"nothing blocks any more after {done.seconds:.1f} s")
        worst = load.worst_ms(done.began)
    expect(done.code in (DONE, REFUSED, ROLLED_BACK), f"exit {done.code}: {done.words()}")
    told = "\n".join(done.err)
    expect(done.code != REFUSED or "statement" in told, f"refused for another reason: {told}")
    expect(done.code == DONE or "hint:" in told, f"no hint: {done.words()}")
    limit = WAIT_MS_MAX + MARGIN_MS + slowest
    expect(worst <= limit, f"a writer waited {worst:.0f} ms, {limit:.0f} allowed: {done.words()}")
    limit = GOES_ON_MS_MAX + slowest
    expect(goes_on <= limit, f"the writers went on after {goes_on:.0f} ms, {limit:.0f} allowed")
    world.require_clean_slate()
    return {
        "exit": done.code,
        "worst_commit_ms": round(worst),
        "goes_on_ms": round(goes_on),
        "slowest_ms": round(slowest),
        "took_s": f"{done.seconds:.1f}",
    }


@contextmanager
def tables(server):
    server.sql(
        "DROP DATABASE IF EXISTS stall",
        "CREATE DATABASE stall",
        "USE stall",
        "CREATE TABLE slow (id INT PRIMARY KEY, n INT) ENGINE=InnoDB",
        "INSERT INTO slow VALUES (1, 0)",
        "CREATE TABLE mix_innodb (id INT PRIMARY KEY, n INT) ENGINE=InnoDB",
        "INSERT INTO mix_innodb VALUES (1, 0)",
        "CREATE TABLE mix_myisam (id INT PRIMARY KEY AUTO_INCREMENT, writer INT) ENGINE=MyISAM",
    )
    yield
    until(SEEN_S_MAX, lambda: not users(server), "the sessions of the blockers to end")
    server.sql("DROP DATABASE stall")


def users(server):
    return server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'stall'")


def _case(blocker, kind):
    def case(world):
        return stalled(world, blocker, kind)

    case.__name__ = f"stall_{blocker.__name__}_{kind}"
    case.kind = EXT4_BY_POSITION  # MySQL allows no mixed transactions with GTIDs
    return case


BLOCKERS = (mixed_engines, long_update, long_select, waiting_ddl, running_ddl)
KINDS = ("auto", "ftwrl") if MARIADB else ("auto",)  # there `auto` is FTWRL
CASES = [_case(blocker, kind) for kind in KINDS for blocker in BLOCKERS]
