"""The benchmark of the bytes: a backup that is read back and summed beside plain copies of the same
tree and beside the server's own tool, a verification beside plain reading, and a drill.

Every way begins with cold pages, copies the same files of the replica to the same disk, and has its
turn in each round, another one first each time. The disk has been written to before, so that none
pays for its first allocation.
"""

import json
import os
import shutil
import time

import storage
from base import BACKUPS, COMMAND_S_MAX, HOME, REPORT, SETTINGS, expect, fresh_directory, run
from case_backup import XFS_BY_GTID
from oracle import manifest
from server import version
from tool import RELEASED, config, run_tool

BULK_MIB, ROW_MIB = 192, 4
MOUNT = HOME / "plain-snapshot"
PLAIN = BACKUPS / ".plain"
DUMP = BACKUPS / ".mariadb-backup"
OWN_TOOL = "mariadb-backup"
MIB = 1 << 20


def bench_data(world):
    runs = int(SETTINGS.get("runs", 2))
    rows = []
    fill(world.replica)
    try:
        plain("rsync", "-a")
        for number in range(1, runs + 1):
            for way in turned(ways_here(), number - 1):
                rows += [row | {"run": number} for row in way(world)]
                print(f"   {number}  {rows[-1]}", flush=True)
    finally:
        report("data", rows)
        world.replica.sql("SET sql_log_bin = 0", "DROP DATABASE bulk")
    world.require_clean_slate()
    return {"rows": len(rows)}


def ways_here():
    return [with_rsync, with_cp, with_holdstill] + [with_own_tool] * bool(shutil.which(OWN_TOOL))


def turned(ways, by):
    by %= len(ways)
    return ways[by:] + ways[:by]


def fill(server):
    """On this server alone: not in its binary log, so its GTID stays what it is."""
    count = BULK_MIB // ROW_MIB
    row = "INSERT INTO bulk.bytes (content) VALUES (CONCAT(" + ", ".join(
        ["REPEAT(RANDOM_BYTES(1024), 1024)"] * ROW_MIB
    ) + "))"
    server.sql(
        "SET sql_log_bin = 0",
        "CREATE DATABASE bulk",
        "CREATE TABLE bulk.bytes (id INT AUTO_INCREMENT PRIMARY KEY, content LONGBLOB)",
        *[row] * count,
    )


def report(part, rows):
    text = {"server": version(), "kernel": os.uname().release, "rows": [], "notes": []}
    REPORT.mkdir(parents=True, exist_ok=True)
    (REPORT / f"bench-{part}.json").write_text(json.dumps(text | {part: rows}, indent=1))


def row(way, ms, size):
    return {"way": way, "ms": round(ms), "mib": round(size / MIB, 1)}


def with_rsync(_):
    return [row("rsync -a", *plain("rsync", "-a"))]


def with_cp(_):
    return [row("cp -a", *plain("cp", "-a"))]


def with_holdstill(world):
    """The backup; then the same one is read plainly, verified and drilled."""
    path = config(world.replica)
    drop_caches()
    done = run_tool("backup", path).ended(0)
    backup = done.published()
    took, size = manifest(backup)["timings_ms"], size_of(backup)
    summed = sum(int(took[phase]) for phase in ("copy", "remove_the_snapshot", "read_back"))
    rows = [
        row("holdstill: copied", int(took["copy"]), size),
        row("holdstill: copied, read back, summed", summed, size),
        row("holdstill: read back, summed", int(took["read_back"]), size),
        row("holdstill: whole run", done.seconds * 1000, size),
        row("cat", timed("sh", "-c", f"find {backup} -type f -exec cat {{}} + >/dev/null"), size),
        row("holdstill verify", timed(RELEASED, "verify", "--config", path, backup.name), size),
    ]
    drill = timed(RELEASED, "drill", "--config", path, backup.name)
    shutil.rmtree(backup)
    return [*rows, row("holdstill drill", drill, size)]


def with_own_tool(world):
    """It has to prepare what it copied before a server starts on it."""
    fresh_directory(DUMP)
    server = world.replica
    login = (f"--defaults-file={server.home}/my.cnf", f"--target-dir={DUMP}")
    copied = timed(OWN_TOOL, *login, "--backup", "--user=root", f"--socket={server.socket}")
    size = size_of(DUMP)
    prepared = timed(OWN_TOOL, *login, "--prepare", cold=False)
    shutil.rmtree(DUMP)
    return [
        row("mariadb-backup: copied", copied, size),
        row("mariadb-backup: copied and prepared", copied + prepared, size),
    ]


def plain(*command):
    """The milliseconds of a copy from a snapshot like ours, and its bytes."""
    volume, origin = f"{storage.VG}/plain", f"{storage.VG}/replica"
    run("lvcreate", "--yes", "--snapshot", "--name", "plain", "--size", "512M", origin)
    try:
        run("mount", "-o", "ro,nouuid", f"/dev/{volume}", fresh_directory(MOUNT))
        took = timed(*command, f"{MOUNT}/.", PLAIN)
    finally:
        run("umount", MOUNT)
        run("lvremove", "--yes", volume)
    size = size_of(PLAIN)
    shutil.rmtree(PLAIN)
    return took, size


def timed(*command, cold=True):
    if cold:
        drop_caches()
    began = time.monotonic()
    run(*command, timeout=5 * COMMAND_S_MAX)
    return (time.monotonic() - began) * 1000


def size_of(tree):
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    expect(size > BULK_MIB * MIB, f"'{tree}' has only {size} bytes")
    return size


def drop_caches():
    run("sync")
    with open("/proc/sys/vm/drop_caches", "w") as switch:
        switch.write("3")


bench_data.kind = XFS_BY_GTID
CASES = [bench_data]
