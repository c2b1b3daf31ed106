"""The proof of a backup: a server started from it, attached as a replica, equal to its source."""

import json
import re
import shutil
import time

from base import HOME, Failed, expect, fresh_directory, run, until
from load import check_invariants
from server import (
    IO_RUNNING,
    MARIADB,
    REPLICA,
    REPLICATION_PASSWORD,
    REPLICATION_USER,
    SQL_RUNNING,
    Server,
)

CATCH_UP_S_MAX = 120
RESTORED_NUMBER = 9
SYSTEM_SCHEMAS = "('mysql', 'sys', 'information_schema', 'performance_schema')"


class Broken(Failed):
    """The attached replica broke, or differs from its source: the oracle has spoken."""


def manifest(backup):
    return json.loads((backup / "backup.json").read_text())


def restore(backup, gtid=True, extra=""):
    """A private server of the same version on a copy of the backup, not replicating yet."""
    datadir = fresh_directory(HOME / "restored")
    run("cp", "-a", f"{backup}/tree/{str(manifest(backup)['datadir']).strip('/')}/.", datadir)
    expect((datadir / "ibdata1").exists(), "no ibdata1 in the restored data directory")
    (datadir / "auto.cnf").unlink(missing_ok=True)
    quiet = f"skip-{REPLICA.lower()}-start\n"
    return Server("restored", RESTORED_NUMBER, datadir, gtid, extra=quiet + extra).start()


def discard(restored):
    restored.stop()
    shutil.rmtree(HOME / "restored", ignore_errors=True)


def attach(restored, backup, source, edit):
    """Feeds coordinates.sql to the restored server through the client, as an operator would."""
    text = (backup / "coordinates.sql").read_text()
    code, words = restored.feed(as_operator(text, source) if edit else text)
    if code != 0:
        raise Broken(f"coordinates.sql failed: {words[-300:]}")


def as_operator(text, source):
    """Fills in what a server cannot know of its future source: where it is and how to log in."""
    word = "MASTER" if MARIADB else "SOURCE"
    change = re.search(
        r"^\s*(CHANGE\s[^;]*?\sTO)\s([^;]*?)(\sFOR\s+CHANNEL[^;]*)?;", text, re.M | re.S | re.I
    )
    expect(change, "coordinates.sql has no CHANGE MASTER TO or CHANGE REPLICATION SOURCE TO")
    settings = dict(re.findall(r"(\w+)\s*=\s*('[^']*'|[^,\s]+)", change[2]))
    settings |= {
        f"{word}_HOST": "'127.0.0.1'",
        f"{word}_PORT": str(source.port),
        f"{word}_USER": f"'{REPLICATION_USER}'",
        f"{word}_PASSWORD": f"'{REPLICATION_PASSWORD}'",
        f"{word}_CONNECT_RETRY": "2",
    } | ({} if MARIADB else {"SOURCE_SSL": "1"})
    body = ", ".join(f"{key}={value}" for key, value in settings.items())
    return text.replace(change[0], f"{change[1]} {body}{change[3] or ''};")


def leave_mark(source):
    mark = time.time_ns()
    source.sql(f"INSERT INTO lab.mark VALUES ({mark})")
    return mark


def has_mark(server, mark):
    return bool(server.sql(f"SELECT id FROM lab.mark WHERE id = {mark}"))


def catch_up(restored, source):
    """Waits until the last thing written to the source has arrived. Seconds it took."""
    began, mark = time.monotonic(), leave_mark(source)

    def arrived():
        if has_mark(restored, mark):
            return True
        status = restored.replica_status()
        if status is None:
            raise Broken("the restored server is no replica")
        if status[SQL_RUNNING] != "Yes":
            raise Broken(
                f"replication broke: {status['Last_SQL_Errno']} {status['Last_SQL_Error'][:160]}"
            )
        if status[IO_RUNNING] == "No":
            raise Broken(
                f"replication broke: {status['Last_IO_Errno']} {status['Last_IO_Error'][:160]}"
            )
        return False

    try:
        until(CATCH_UP_S_MAX, arrived, "the attached replica to catch up")
    except Broken:
        raise
    except Failed as late:
        raise Broken(str(late)) from late
    return time.monotonic() - began


def compare(restored, source):
    """CHECKSUM TABLE of every user table on both sides. Rows of (table, theirs, ours)."""
    names = user_tables(source)
    expect(names, "the source has no user table")
    if user_tables(restored) != names:
        raise Broken(f"the tables differ: {sorted(set(names) ^ set(user_tables(restored)))}")
    theirs, ours = checksums(source, names), checksums(restored, names)
    table = [(name, theirs[name], ours[name]) for name in names]
    different = [name for name, there, here in table if there != here or here is None]
    if different:
        raise Broken(f"tables that differ from the source: {', '.join(different)}")
    return table


def user_tables(server):
    rows = server.sql(
        "SELECT table_schema AS s, table_name AS t FROM information_schema.tables WHERE "
        f"table_type = 'BASE TABLE' AND table_schema NOT IN {SYSTEM_SCHEMAS} ORDER BY 1, 2"
    )
    return [f"{row['s']}.{row['t']}" for row in rows]


def checksums(server, names):
    quoted = [".".join(f"`{part}`" for part in name.split(".", 1)) for name in names]
    rows = server.sql(f"CHECKSUM TABLE {', '.join(quoted)}")
    return {row["Table"]: row["Checksum"] for row in rows}


def prove(backup, source, load, gtid=True, edit=False):
    """Everything: start, invariants, attach while the writers go on, catch up, compare."""
    load.calm_down()
    restored = restore(backup, gtid)
    try:
        check_invariants(restored)
        return prove_attached(restored, backup, source, load, edit)
    finally:
        discard(restored)


def prove_attached(restored, backup, source, load, edit):
    attach(restored, backup, source, edit)
    load.stop()
    seconds = catch_up(restored, source)
    return {"caught_up_s": f"{seconds:.1f}", "tables": len(compare(restored, source))}
