"""Four writers on one server, and what must hold in every consistent picture of their work.

Each writer repeats two things, every statement by primary key:

- a transfer, in one InnoDB transaction: takes from one account, gives to another (three tables),
  and adds its number to `journal`. So SUM(balance) over all accounts never changes, and the numbers
  of each writer in `journal` have no hole;
- a step, in two statements of their own: the next number into `step_innodb`, then the same number
  into `step_myisam`. At any moment each writer's InnoDB table is equal to its MyISAM table or one
  ahead: that one is the step in flight. A picture taken between the two is right; a hole, or MyISAM
  ahead, is not. On a replica the two statements are two event groups in the same order, so the
  same bound holds there.

The two engines are never touched in one transaction: FLUSH TABLES WITH READ LOCK would run into a
deadlock with such writers that lasts until innodb_lock_wait_timeout. What makes MyISAM exact is the
lock itself: it closes the tables, so that CHECK TABLE finds them closed, not 'in use'.

All tables grow by inserts: replaying what a picture already holds breaks on a duplicate key, and
leaving something out shows as a missing row. Updates alone would heal both in row format.
"""

import bisect
import multiprocessing
import random
import time
from pathlib import Path

import pymysql

from base import Failed, expect, fresh_directory, until
from server import MARIADB

WRITERS = 4
ACCOUNT_TABLES = ("account_a", "account_b", "account_c")
ACCOUNTS = 40
OPENING_BALANCE = 1000
TOTAL = len(ACCOUNT_TABLES) * ACCOUNTS * OPENING_BALANCE
PAUSE_S = 0.02  # leaves an emulated replica the time to keep up
CALM_PAUSE_S = 0.25  # while a restored server, slower still, has to catch up
RETRY = (1205, 1213)  # lock wait timeout, deadlock: the transaction is rolled back and forgotten

_fork = multiprocessing.get_context("fork")


def create_schema(server):
    statements = [
        "CREATE DATABASE lab",
        "USE lab",
        "CREATE TABLE mark (id BIGINT PRIMARY KEY) ENGINE=InnoDB",
    ]
    for table in ACCOUNT_TABLES:
        rows = ",".join(f"({number},{OPENING_BALANCE})" for number in range(ACCOUNTS))
        statements += [
            f"CREATE TABLE {table} (id INT PRIMARY KEY, balance BIGINT) ENGINE=InnoDB",
            f"INSERT INTO {table} VALUES {rows}",
        ]
    for table, engine in (
        ("journal", "InnoDB"),
        ("step_innodb", "InnoDB"),
        ("step_myisam", "MyISAM"),
    ):
        statements.append(
            f"CREATE TABLE {table} (writer INT, n INT, note VARCHAR(40), "
            f"PRIMARY KEY (writer, n)) ENGINE={engine}"
        )
    server.sql(*statements)


class Load:
    """The writers, from start to stop, and the latency of everything that they committed."""

    def __init__(self, server):
        self.server = server
        self.stopping, self.calm = _fork.Event(), _fork.Event()
        self.logs = fresh_directory(Path("/run/lab-writers"))
        self.read = [(0, [])] * WRITERS  # how far each log was read, and what it said
        self.writers = [
            _fork.Process(target=_write, args=(self, number), daemon=True)
            for number in range(WRITERS)
        ]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        until(
            60,
            lambda: all(len(self.commits(n)) > 3 for n in range(WRITERS)),
            "the writers to write",
        )
        return self

    def __exit__(self, failure, *_):
        if failure is None:
            return self.stop()
        for writer in self.writers:  # a hanging writer must not hide what went wrong before
            writer.kill()

    def stop(self):
        self.stopping.set()
        for writer in self.writers:
            writer.join(20)
            if writer.is_alive():
                writer.kill()
                raise Failed("a writer hangs: the server takes no writes")

    def calm_down(self):
        """The picture is taken: the writers go on, but do not outrun the server made from it."""
        self.calm.set()

    def log(self, number):
        return self.logs / str(number)

    def commits(self, number):
        """(end, milliseconds) of each commit of one writer, on the monotonic clock."""
        place, known = self.read[number]
        try:
            with self.log(number).open() as log:
                log.seek(place)
                new = log.read().rpartition("\n")
        except FileNotFoundError:
            return []
        if not new[0]:
            return known
        known = known + [tuple(map(float, line.split())) for line in new[0].splitlines()]
        self.read[number] = place + len(new[0]) + len(new[1]), known
        return known

    def worst_ms(self, since=0.0):
        waits = (ms for n in range(WRITERS) for _, ms in later(self.commits(n), since))
        return max(waits, default=0)

    def count(self):
        return sum(len(self.commits(n)) for n in range(WRITERS))

    def resume_ms(self, moment, limit_s=30):
        """How long after the moment the last of the writers had committed again."""

        def next_commits():
            ends = [
                next((end for end, _ in later(self.commits(n), moment)), None)
                for n in range(WRITERS)
            ]
            return ends if None not in ends else None

        return (max(until(limit_s, next_commits, "every writer to go on")) - moment) * 1000


def later(commits, moment):
    """Those of one writer that ended after the moment; they are in order."""
    return commits[bisect.bisect_right(commits, moment, key=lambda commit: commit[0]) :]


def _write(load, number):
    session = load.server.session(database="lab")
    random.seed(number)
    with session, session.cursor() as cursor, load.log(number).open("w", buffering=1) as commits:
        last = {
            table: _last(cursor, table, number)
            for table in ("journal", "step_innodb", "step_myisam")
        }
        while not load.stopping.is_set():
            for act in (_transfer, _step):
                began = time.monotonic()
                act(session, cursor, number, last)
                ended = time.monotonic()
                commits.write(f"{ended:.6f} {(ended - began) * 1000:.3f}\n")
                time.sleep(CALM_PAUSE_S if load.calm.is_set() else PAUSE_S)


def _last(cursor, table, number):
    cursor.execute(f"SELECT COALESCE(MAX(n), 0) AS n FROM {table} WHERE writer = {number}")
    return cursor.fetchone()["n"]


def _transfer(session, cursor, number, last):
    amount = random.randint(1, 50)
    try:
        cursor.execute("BEGIN")
        for sign in (-1, 1):
            cursor.execute(
                f"UPDATE {random.choice(ACCOUNT_TABLES)} SET balance = balance + {sign * amount} "
                f"WHERE id = {random.randrange(ACCOUNTS)}"
            )
        cursor.execute(f"INSERT INTO journal VALUES ({number}, {last['journal'] + 1}, '{amount}')")
        cursor.execute("COMMIT")
        last["journal"] += 1
    except pymysql.err.OperationalError as error:
        if error.args[0] not in RETRY:
            raise
        session.rollback()


def _step(_session, cursor, number, last):
    for table in ("step_innodb", "step_myisam"):
        cursor.execute(f"INSERT INTO {table} VALUES ({number}, {last[table] + 1}, 'step')")
        last[table] += 1


def check_invariants(server):
    """Raises Failed, saying which promise the picture on this server breaks."""
    total = sum(
        int(server.value(f"SELECT SUM(balance) FROM lab.{table}")) for table in ACCOUNT_TABLES
    )
    expect(total == TOTAL, f"the sum of all balances is {total}, not {TOTAL}")
    highest = {
        table: _highest(server, table) for table in ("journal", "step_innodb", "step_myisam")
    }
    for number in range(WRITERS):
        ahead = highest["step_innodb"].get(number, 0) - highest["step_myisam"].get(number, 0)
        expect(ahead in (0, 1), f"writer {number}: step_innodb is {ahead} ahead of step_myisam")
    for row in check_tables(server):
        expect(
            row["Msg_type"] == "status" and row["Msg_text"] == "OK",
            f"CHECK TABLE {row['Table']}: {row['Msg_type']} {row['Msg_text']}",
        )


def _highest(server, table):
    rows = server.sql(
        f"SELECT writer, MAX(n) AS top, COUNT(*) AS rows_there FROM lab.{table} GROUP BY writer"
    )
    for row in rows:
        expect(row["top"] == row["rows_there"], f"{table} of writer {row['writer']} has a hole")
    return {row["writer"]: row["top"] for row in rows}


def check_tables(server):
    """CHECK TABLE of every table, the server's own included; only logs in CSV are left out."""
    names = server.sql(
        "SELECT table_schema AS s, table_name AS t FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' AND engine IN ('InnoDB', 'MyISAM', 'Aria') "
        "AND table_schema NOT IN ('information_schema', 'performance_schema')"
    )
    wanted = [
        f"`{row['s']}`.`{row['t']}`"
        for row in names
        if row["s"] != "mysql" or MARIADB or row["t"] in ("user", "db", "gtid_executed")
    ]
    return server.sql(f"CHECK TABLE {', '.join(wanted)}")
