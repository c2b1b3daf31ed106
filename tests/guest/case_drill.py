"""A backup is proven by a private server: a sound one, damaged ones, and drills that are killed.

A state directory and a destination of its own: what other cases have left must not count.
"""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

from base import BACKUPS, expect, fresh_directory, until
from case_backup import XFS_BY_GTID
from oracle import has_mark, leave_mark
from tool import Run, config, run_tool

DONE, UNPROVEN = 0, 8
PLACE = Path("/run/drilled")
STATE = PLACE / "state"
KEPT = BACKUPS / "drilled"
DRILL_S_MAX = 900  # a server of MySQL's takes minutes to start here
KILLS_AFTER_S = (8, 4, 2, 1, 0.3)
TRUE = ["SELECT COUNT(*) = 3 FROM lab.plain"]
FALSE = ["SELECT COUNT(*) = 4 FROM lab.plain"]


def drilled(world, assertions=TRUE, **sections):
    """A configuration whose drills leave their traces where no other case does; its path."""
    return config(
        world.replica,
        top={"state_dir": str(STATE)},
        destination={"directory": str(KEPT)},
        drill={"assertions": assertions},
        **sections,
    )


def backed_up(world):
    """One backup, with a table that no redo log mends; its directory."""
    for place in (PLACE, KEPT):
        fresh_directory(place)
    KEPT.chmod(0o700)
    world.primary.sql(
        "DROP TABLE IF EXISTS lab.plain",
        "CREATE TABLE lab.plain (id INT PRIMARY KEY, note TEXT) ENGINE=MyISAM",
        "INSERT INTO lab.plain VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    mark = leave_mark(world.primary)
    until(60, lambda: has_mark(world.replica, mark), "the replica to follow")
    run_tool("backup", drilled(world)).ended(DONE)
    [backup] = [path for path in KEPT.iterdir() if not path.name.startswith(".")]
    return backup


def datadir_of(backup):
    record = json.loads((backup / "backup.json").read_text())
    return backup / record["sources"][0]["tree"] / record["datadir"]


def drill(world, **more):
    return Run("drill", drilled(world, **more)).wait(DRILL_S_MAX)


def seen(top):
    """Every path below a directory, with what tells whether it was touched."""
    all_of_it = {}
    for path in top.rglob("*"):
        stat = path.lstat()
        all_of_it[str(path)] = (stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return all_of_it


def inodes(server):
    """Without the files that MySQL makes anew all the time."""
    files = seen(server.datadir).items()
    return {path: stat[0] for path, stat in files if "/#inno" not in path}


def hidden():
    """What a drill has left in the destination."""
    return [path.name for path in KEPT.iterdir() if path.name.startswith(".")]


def drilling():
    """The processes of a drill: they name its socket, or are the jail's own."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and place.name != str(os.getpid()):
            try:
                words = (place / "cmdline").read_bytes()
            except OSError:
                continue
            if b"/run/holdstill/drill.sock" in words:
                found.append(place.name)
    return found


def mounts():
    return [line for line in Path("/proc/mounts").read_text().splitlines() if ".drill-" in line]


def over(world):
    world.require_clean_slate()
    shutil.rmtree(KEPT)


def drill_proves_a_backup(world):
    """Neither it nor production is touched, and an assertion that does not hold is told."""
    backup = backed_up(world)
    before, files, process = seen(backup), inodes(world.replica), world.replica.process.pid
    done = drill(world).ended(DONE)
    expect(any(line.startswith("sound: ") for line in done.out), f"told: {done.out}")
    for what in ("the same", "assertions  1 of 1 hold"):
        expect(any(what in line for line in done.out), f"not told '{what}': {done.out}")
    expect(not any("unknown" in line for line in done.out), f"not compared: {done.out}")
    expect(seen(backup) == before, "the backup was touched")
    expect(inodes(world.replica) == files, "production's files are others")
    expect(world.replica.process.poll() is None, "production's server has ended")
    expect(world.replica.process.pid == process, "production's server is another one")
    expect(not hidden() and not drilling() and not mounts(), "something is left")
    [known] = (STATE / "known").glob("*.json")
    known = json.loads(known.read_text())["found"]["drill"]
    expect(known["problems_found"] == 0 and known["ready_ms"], f"remembered: {known}")
    done = drill(world, assertions=FALSE).ended(UNPROVEN)
    expect(any("expected 1, found 0" in line for line in done.out), f"told: {done.out}")
    over(world)
    return {"ready_ms": known["ready_ms"], "took_ms": known["took_ms"]}


def drill_names_what_is_damaged(world):
    """A table whose index is gone, and a redo log that is none."""
    backup = backed_up(world)
    data = datadir_of(backup)
    index = data / "lab" / "plain.MYI"
    kept = index.read_bytes()
    index.unlink()
    done = drill(world).ended(UNPROVEN)
    expect(any("PROBLEM" in line and "plain" in line for line in done.out), f"told: {done.out}")
    index.write_bytes(kept)
    shutil.chown(index, "mysql", "mysql")
    logs = [*data.glob("ib_logfile*"), *data.glob("#innodb_redo/#ib_redo*")]
    expect(logs, "there is no redo log")
    for log in logs:
        with log.open("r+b") as file:
            file.write(b"\xa5" * 8192)
    done = drill(world).ended(UNPROVEN)
    expect(any("does not come up" in line for line in done.out), f"told: {done.out}")
    expect(not hidden() and not drilling() and not mounts(), "something is left")
    over(world)


def drill_is_killed(world):
    """At several moments: no process and no mount is left, and the next one tells and removes the
    rest. The first one dies latest, so that the last one dies early for certain."""
    backed_up(world)
    process = world.replica.process.pid
    cleared = 0
    for seconds in KILLS_AFTER_S:
        left = hidden()
        one = Run("drill", drilled(world))
        until(60, lambda: is_new(left) or one.process.poll() is not None, "the drill to begin")
        time.sleep(seconds)
        one.process.send_signal(signal.SIGKILL)
        told = one.wait()
        until(10, lambda: not drilling(), "the jail to be gone")
        expect(not mounts(), f"mounts after {seconds} s: {mounts()}")
        cleared += tells_of_the_dead(told, left)
    left = hidden()
    expect(left, f"the drill was over {KILLS_AFTER_S[-1]} s after it began")
    done = drill(world).ended(DONE)
    expect(tells_of_the_dead(done, left), f"told: {done.err}")
    expect(not hidden(), f"left: {hidden()}")
    expect(world.replica.process.poll() is None, "production's server has ended")
    expect(world.replica.process.pid == process, "production's server is another one")
    over(world)
    return {"cleared": cleared + 1}


def is_new(left):
    """Whether a drill has made its directory beside what an earlier one has left."""
    return bool(set(hidden()) - set(left))


def tells_of_the_dead(told, left):
    """Whether what a dead drill had left was removed by the next one, and told."""
    if not left:
        return False
    expect(any("had died" in line for line in told.err), f"told: {told.err}")
    expect(not set(left) & set(hidden()), f"left: {hidden()}")
    return True


def backup_is_drilled(world):
    """In the same run: proven, or published all the same, and then no old backup goes."""
    backed_up(world)
    first = names()
    done = Run("backup --drill --lines", drilled(world, FALSE, retention={"keep_last": 1}))
    done.wait(DRILL_S_MAX).ended(UNPROVEN)
    expect(len(names()) == 2, f"not published, or pruned: {names()}")
    done = Run("backup --drill --lines", drilled(world, retention={"keep_last": 1}))
    done.wait(DRILL_S_MAX).ended(DONE)
    told = [line for line in done.out if re.search(r"a server was ready after \d+ ms", line)]
    expect(told, f"told: {done.out}")
    expect(len(names()) == 1 and names() != first, f"left: {names()}")
    expect(not hidden() and not drilling() and not mounts(), "something is left")
    over(world)


def names():
    return sorted(path.name for path in KEPT.iterdir() if not path.name.startswith("."))


CASES = [
    drill_proves_a_backup,
    drill_names_what_is_damaged,
    drill_is_killed,
    backup_is_drilled,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
